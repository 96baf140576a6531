"""HSS/LMS public keys (RFC 8554), verified by the reference library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyhsslms

MAX_SIGNATURE: Final = 64 * 1024
"""Bytes of a signature: eight levels of the longest one-time signatures are below."""
_SHORTEST_KEY: Final = 4 + 4 + 4 + 16 + 24
_LONGEST_KEY: Final = 4 + 4 + 4 + 16 + 32
_MAX_LEVELS: Final = 8


class UnusableHssLmsKey(ValueError):
    """Bytes that are no HSS/LMS public key."""


@dataclass(frozen=True, slots=True)
class HssLmsPublicKey:
    """`raw`: number of levels and the LMS public key of the top tree (RFC 8554 section 6.1)."""

    raw: bytes

    def __post_init__(self) -> None:
        if not _SHORTEST_KEY <= len(self.raw) <= _LONGEST_KEY:
            raise UnusableHssLmsKey(f"an HSS/LMS public key has {_SHORTEST_KEY} to {_LONGEST_KEY} bytes")
        if not 1 <= int.from_bytes(self.raw[:4], "big") <= _MAX_LEVELS:
            raise UnusableHssLmsKey(f"an HSS/LMS key has 1 to {_MAX_LEVELS} levels (RFC 8554 section 6)")
        try:
            pyhsslms.HssPublicKey.deserialize(self.raw)
        except Exception as error:  # the library raises whatever its slices happen to run into
            raise UnusableHssLmsKey("not an HSS/LMS public key") from error

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` over `data` was made with this key."""
        if len(signature) > MAX_SIGNATURE:
            return False
        try:
            return pyhsslms.HssPublicKey.deserialize(self.raw).verify(data, signature) is True
        except Exception:  # a signature it cannot even read is no signature
            return False
