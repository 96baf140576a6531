"""What we observe at one peer: which tokens, and which notification is newer (RFC 7641 section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from secure_coap.errors import TooManyOutstanding
from secure_coap.exchange import Request
from secure_coap.limits import Limits

_HALF: Final = 1 << 23
"""Half the range of a sequence number."""
_FRESH_AGAIN: Final = 128.0
"""Seconds after which any number is newer: longer than a notification travels."""


@dataclass(slots=True)
class Observed:
    """One observation. `number` is None until the first notification after it was adopted."""

    request: Request
    number: int | None = None
    seen_at: float = 0.0


class Observations:
    """The observations of one peer, by token. `ordered`: notifications arrive as they were sent."""

    def __init__(self, limits: Limits, *, ordered: bool = False) -> None:
        self._ordered = ordered
        self._limit = limits.observations
        self._observed: dict[bytes, Observed] = {}

    def __len__(self) -> int:
        return len(self._observed)

    def __contains__(self, token: bytes) -> bool:
        return token in self._observed

    def check_room(self) -> None:
        """Raises `TooManyOutstanding` when no further one may begin."""
        if len(self._observed) >= self._limit:
            raise TooManyOutstanding(f"{self._limit} observations of this peer are in force: cancel some first")

    def begin(self, token: bytes, request: Request) -> None:
        """From now on `token` is an observation of `request`."""
        self._observed[token] = Observed(request)

    def request(self, token: bytes) -> Request:
        """What is observed under `token`."""
        return self._observed[token].request

    def forget(self, token: bytes) -> None:
        """The next notification is refused with a Reset, which ends the observation at the peer (section 3.6)."""
        self._observed.pop(token, None)

    def clear(self) -> list[bytes]:
        """The association ended; the tokens that were in force."""
        tokens = list(self._observed)
        self._observed.clear()
        return tokens

    def is_news(self, token: bytes, number: int, now: float) -> bool:
        """Whether a notification is newer than all before it (section 3.4); if so it becomes the newest."""
        observed = self._observed[token]
        if self._ordered:  # a stream reorders nothing, and its numbers mean nothing (RFC 8323 section 7.1)
            return True
        if observed.number is not None and now <= observed.seen_at + _FRESH_AGAIN:
            ahead = number - observed.number
            if not (0 < ahead < _HALF or ahead < -_HALF):
                return False
        observed.number, observed.seen_at = number, now
        return True
