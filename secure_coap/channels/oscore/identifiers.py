"""Connection identifiers of a server: the shortest that are free, and none again before its last owner is forgotten.

They are chosen at random and a space is never filled beyond half, so one is found at once and there is always a longer
one: 48 of one byte that message 2 carries as one byte, 208 more, 65,536 of two, and so on (RFC 9528 section 3.3).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from secure_coap.edhoc.messages import SMALL
from secure_coap.engine.rng import Rng

_REST: Final = 300.0
"""Seconds, more than EXCHANGE_LIFETIME: a late message for the last owner still finds nobody."""
_LONGEST: Final = 7
"""OSCORE with AES-CCM-16 takes no longer ones (RFC 8613 section 3.3)."""


class Identifiers:
    """Those in use and those at rest. `is_taken`: whether somebody else's context has one."""

    def __init__(self, rng: Rng, is_taken: Callable[[bytes], bool]) -> None:
        self._rng = rng
        self._is_taken = is_taken
        self._used: set[bytes] = set()
        self._small = 0
        self._resting: deque[tuple[float, bytes]] = deque()

    def take(self, other: bytes, now: float) -> bytes:
        """A new one; `other` is the peer's, which must differ (section 3.3.3)."""
        while self._resting and self._resting[0][0] <= now:
            self._free(self._resting.popleft()[1])
        while True:
            found = self._candidate()
            if found not in self._used and found != other and not self._is_taken(found):
                self._used.add(found)
                self._small += found in SMALL
                return found

    def _candidate(self) -> bytes:
        if self._small < len(SMALL) // 2:
            return SMALL[self._rng.randbytes(1)[0] % len(SMALL)]
        length = 1
        while length < _LONGEST and len(self._used) >= 1 << (8 * length - 1):
            length += 1
        return self._rng.randbytes(length)

    def release(self, identifier: bytes, now: float) -> None:
        """Its session ended, or never came to be."""
        if identifier in self._used:
            self._resting.append((now + _REST, identifier))

    def _free(self, identifier: bytes) -> None:
        self._used.discard(identifier)
        self._small -= identifier in SMALL
