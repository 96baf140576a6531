"""Strict deterministic CBOR (RFC 8949 4.2.1), COSE (RFC 9052) and CWT (RFC 8392)."""
