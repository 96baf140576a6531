"""OSCORE against RFC 8613, and against what goes wrong."""
