"""When the next certificate is due: by its age or by order, and after a failure not before a growing pause."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from device_client.emulator.settings import Pauses

JITTER_PARTS: Final = 16
"""Renewal is spread over this part of a certificate's lifetime, before the moment it has to begin."""
EARLIEST_PARTS: Final = 4
"""However early a server wants it, this part of the lifetime passes first: else one renewal would order the next."""
MAX_WAIT: Final = 3600.0
"""Seconds a device waits at most because a CA asked it to come back later."""


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate is valid, seconds since 1970, and bytes that differ from device to device."""

    begin: int
    end: int
    seed: bytes

    def renewal_time(self, share: float, renew_before: int | None) -> int:
        """When its renewal begins: after `share` of the lifetime, or `renew_before` seconds before the end (33002/10),
        up to a sixteenth of the lifetime earlier, so that a fleet certified in one batch does not come back in step.
        """
        lifetime = self.end - self.begin
        latest = self.begin + int(lifetime * share) if renew_before is None else self.end - renew_before
        jitter = int.from_bytes(hashlib.sha256(self.seed).digest()[:8]) % max(1, lifetime // JITTER_PARTS)
        return max(latest - jitter, self.begin + lifetime // EARLIEST_PARTS)


class Renewal:
    """Times in seconds; `clock` is monotonic, `age` gives the seconds until the certificate's age demands renewal."""

    def __init__(self, age: Callable[[], float | None], pauses: Pauses, clock: Callable[[], float]) -> None:
        self._age = age
        self._pauses = pauses
        self._clock = clock
        self._ordered = False
        self._not_before = 0.0

    def order(self) -> None:
        """The server wants it now."""
        self._ordered = True
        self._not_before = 0.0

    def due_in(self) -> float | None:
        """Seconds until it is to be tried; None when nothing is known to come."""
        due = 0.0 if self._ordered else self._age()
        return None if due is None else max(due, self._not_before - self._clock(), 0.0)

    def failed(self, wait: float = 0.0) -> None:
        """It did not work; `wait`: seconds the CA asked for (Max-Age of 5.03, RFC 9148 section 4.7)."""
        self._not_before = self._clock() + max(self._pauses.next(), min(wait, MAX_WAIT))

    def done(self) -> None:
        self._ordered = False
        self._not_before = 0.0
        self._pauses.reset()
