"""Cryptographic Message Syntax (RFC 5652) as EST needs it to hand over private keys the server made (RFC 7030 4.4.2).

The structures are ours, every cryptographic operation is the `cryptography` library's.
"""
