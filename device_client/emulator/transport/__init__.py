"""How the device talks: aiocoap over a DTLS 1.2 client of our own."""
