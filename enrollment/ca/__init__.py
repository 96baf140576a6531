"""Certification authorities behind one small protocol, and the revocation lists they publish."""
