"""Certificates of a fleet: issuing, bags, path validation, revocation (RFC 5280, RFC 7925)."""
