"""Emulated LwM2M devices on aiocoap: a second, independent CoAP stack to meet the server with."""
