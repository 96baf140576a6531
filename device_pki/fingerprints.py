"""Certificate fingerprints: SHA-256 of the DER encoding (docs/reference/registry.md, "Envelopes")."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding


def der(certificate: x509.Certificate) -> bytes:
    """Return the DER encoding of a certificate."""
    return certificate.public_bytes(Encoding.DER)


def fingerprint(certificate: x509.Certificate | bytes) -> bytes:
    """Return the 32-octet fingerprint of a certificate or of its DER bytes."""
    encoded = certificate if isinstance(certificate, bytes) else der(certificate)
    return hashlib.sha256(encoded).digest()
