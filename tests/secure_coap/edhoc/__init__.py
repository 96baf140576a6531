"""EDHOC against RFC 9529, in every method and suite, and against what goes wrong."""
