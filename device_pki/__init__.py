"""Certificates of a fleet: issuing, bags, truststore, path validation, revocation (RFC 5280, RFC 7925)."""
