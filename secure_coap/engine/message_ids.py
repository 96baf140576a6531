"""Message IDs: a random start, and none used twice within EXCHANGE_LIFETIME (RFC 7252 section 4.4)."""

from __future__ import annotations

from typing import Final

MESSAGE_IDS: Final = 1 << 16


class MessageIds:
    """Counts up and keeps how many were used in each recent second, so the record stays small."""

    __slots__ = ("_lifetime", "_next", "_recent", "_total")

    def __init__(self, start: int, lifetime: float) -> None:
        self._next = start
        self._lifetime = lifetime
        self._recent: list[tuple[int, int]] = []
        self._total = 0

    def free_at(self, now: float) -> float:
        """`now` when an ID can be taken, else when the oldest ones may be used again."""
        while self._recent and self._recent[0][0] + 1 + self._lifetime <= now:
            self._total -= self._recent.pop(0)[1]
        return now if self._total < MESSAGE_IDS else self._recent[0][0] + 1 + self._lifetime

    def are_free(self, now: float) -> bool:
        """Whether none was used so lately that it must be remembered."""
        self.free_at(now)
        return not self._recent

    def take(self, now: float) -> int:
        """The next ID; the caller has asked `free_at`."""
        second = int(now)
        if self._recent and self._recent[-1][0] == second:
            self._recent[-1] = (second, self._recent[-1][1] + 1)
        else:
            self._recent.append((second, 1))
        self._total += 1
        mid = self._next
        self._next = (mid + 1) % MESSAGE_IDS
        return mid
