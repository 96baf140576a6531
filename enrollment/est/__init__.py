"""EST over secure CoAP (RFC 9148): the server of a CA and the requests of a device."""
