"""SUIT_Digest: which hash, and its value (draft-ietf-suit-manifest-37, section 10)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cose import cbor
from suit import decoding
from suit.errors import SuitError, SuitReason
from suit.numbers import DigestAlgorithm

_HASHES: Final[Mapping[int, Callable[[bytes], bytes]]] = {
    DigestAlgorithm.SHA_256: lambda data: hashlib.sha256(data).digest(),
    DigestAlgorithm.SHA_384: lambda data: hashlib.sha384(data).digest(),
    DigestAlgorithm.SHA_512: lambda data: hashlib.sha512(data).digest(),
    DigestAlgorithm.SHAKE128: lambda data: hashlib.shake_128(data).digest(32),
    DigestAlgorithm.SHAKE256: lambda data: hashlib.shake_256(data).digest(64),
}
_SHA_256_SIZE: Final = 32
_SHA_256_HEAD: Final = cbor.encode([DigestAlgorithm.SHA_256, bytes(_SHA_256_SIZE)])[:-_SHA_256_SIZE]
"""What stands before the hash in the one encoding that nearly all digests have."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A hash algorithm by its COSE number, and the hash."""

    alg: int
    digest: bytes

    @classmethod
    def of(cls, data: bytes, alg: int = DigestAlgorithm.SHA_256) -> Digest:
        """The digest of `data`. Raises SuitError ALGORITHM."""
        return cls(alg, _hash(alg)(data))

    @classmethod
    def from_item(cls, item: Any) -> Digest:
        """From the decoded array. Raises SuitError MALFORMED."""
        if type(item) is list and len(item) == 2 and type(item[0]) is int and type(item[1]) is bytes:
            return cls(*item)
        raise SuitError(SuitReason.MALFORMED, "a digest is an array of algorithm and bytes")

    @classmethod
    def decode(cls, data: bytes) -> Digest:
        """From its encoding. Raises SuitError MALFORMED."""
        if len(data) == len(_SHA_256_HEAD) + _SHA_256_SIZE and data.startswith(_SHA_256_HEAD):
            return cls(DigestAlgorithm.SHA_256, data[len(_SHA_256_HEAD) :])
        return cls.from_item(decoding.decode(data, "digest"))

    @property
    def item(self) -> list[int | bytes]:
        """The array to encode."""
        return [self.alg, self.digest]

    def encode(self) -> bytes:
        """The encoded array, as it is signed."""
        if self.alg == DigestAlgorithm.SHA_256 and len(self.digest) == _SHA_256_SIZE:
            return _SHA_256_HEAD + self.digest
        return cbor.encode(self.item)

    def matches(self, data: bytes) -> bool:
        """Whether `data` has this digest. Raises SuitError ALGORITHM."""
        return hmac.compare_digest(_hash(self.alg)(data), self.digest)

    def matches_element(self, element: bytes) -> bool:
        """Whether a manifest or severed element has this digest; see `of_element`. Raises SuitError ALGORITHM."""
        return self.matches(cbor.encode_bytes(element))


def of_element(element: bytes, alg: int = DigestAlgorithm.SHA_256) -> Digest:
    """The digest of a manifest or severed element: taken over its byte string, head included."""
    return Digest.of(cbor.encode_bytes(element), alg)


def _hash(alg: int) -> Callable[[bytes], bytes]:
    if alg not in _HASHES:
        raise SuitError(SuitReason.ALGORITHM, f"digest algorithm {alg}")
    return _HASHES[alg]
