"""How OCSP names a certificate: hashes of its issuer's name and key, and its serial number (RFC 6960 4.1.1, CertID)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from device_pki.keys import public_key

HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    h.name: h
    for h in (hashes.SHA1(), hashes.SHA256(), hashes.SHA384())  # noqa: S303 - the name of a key, no secret
}
"""Algorithms a CertID may use. SHA-1 is what most clients send; nothing rests on its collisions: answers are signed."""


@dataclass(frozen=True, slots=True)
class CertId:
    """One certificate of one CA."""

    algorithm: str
    """Name of the hash, a key of `HASHES`."""
    name_hash: bytes
    key_hash: bytes
    serial_number: int

    @classmethod
    def of(cls, serial_number: int, issuer: x509.Certificate, algorithm: str = "sha1") -> CertId:
        """Name the certificate with `serial_number` of `issuer`."""
        return cls(algorithm, *_issuer_hashes(issuer, algorithm), serial_number)

    def is_of(self, issuer: x509.Certificate) -> bool:
        """Is it a certificate of this CA?"""
        return (self.name_hash, self.key_hash) == _issuer_hashes(issuer, self.algorithm)


@lru_cache(maxsize=256)
def _issuer_hashes(issuer: x509.Certificate, algorithm: str) -> tuple[bytes, bytes]:
    """Hashes of the subject's DER and of the key's bits, without the algorithm (RFC 6960 4.1.1)."""
    key = public_key(issuer)
    if isinstance(key, ec.EllipticCurvePublicKey):
        bits = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    else:
        bits = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.new(algorithm, issuer.subject.public_bytes()).digest(), hashlib.new(algorithm, bits).digest()
