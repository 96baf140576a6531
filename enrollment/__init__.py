"""Certificate enrollment: CSRs, EST over secure CoAP (RFC 9148), the built-in CA, CRLs."""
