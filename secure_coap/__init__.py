"""CoAP (RFC 7252, RFC 7959) with DTLS 1.2: a sans-IO engine, and endpoints on asyncio UDP sockets.

Requests go both ways on one association, so a server reaches a device over the session the device opened.
"""
