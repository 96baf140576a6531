"""References to certificates: the hash of one, whole or cut to eight octets (RFC 9360 2, COSE_CertHash).

A reference finds candidates and proves nothing: eight octets can be made to collide, so whatever is found is verified
as if the peer had sent it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Final, Self

from cose.numbers import Algorithm

SHORT: Final = 8
"""Octets of a short hash, and of what certificates are indexed by."""

_SIZES: Final[dict[int, int]] = {Algorithm.SHA_256_64: SHORT, Algorithm.SHA_256: 32}


class UnusableReference(ValueError):
    """An item that is no COSE_CertHash, or one with a hash that is not used here."""


@dataclass(frozen=True, slots=True)
class CertificateHash:
    """SHA-256 of a certificate's bytes, whole or its first eight octets."""

    value: bytes

    @classmethod
    def read(cls, item: Any) -> Self:
        """Return the hash of a COSE_CertHash item [algorithm, value]; raise `UnusableReference` for anything else."""
        match item:
            case [int(algorithm), bytes(value)] if len(value) == _SIZES.get(algorithm):
                return cls(value)
        raise UnusableReference("a reference is SHA-256 (-16) with 32 octets or SHA-256/64 (-15) with 8")

    def item(self) -> list[Any]:
        """Return the COSE_CertHash item."""
        algorithm = next(number for number, size in _SIZES.items() if size == len(self.value))
        return [int(algorithm), self.value]

    def matches(self, certificate: bytes) -> bool:
        """Whether this is the hash of `certificate`."""
        return hmac.compare_digest(hashlib.sha256(certificate).digest()[: len(self.value)], self.value)


def x5t(der: bytes) -> list[Any]:
    """Return the short reference to an X.509 certificate by its DER."""
    return CertificateHash(short_hash(der)).item()


def c5t(c509: bytes) -> list[Any]:
    """Return the short reference to a C509 certificate by its CBOR sequence."""
    return CertificateHash(short_hash(c509)).item()


def short_hash(certificate: bytes) -> bytes:
    """Return the first eight octets of SHA-256."""
    return hashlib.sha256(certificate).digest()[:SHORT]
