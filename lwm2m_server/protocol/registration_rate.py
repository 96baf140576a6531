"""How often one identity may register (security.md, budgets)."""

from __future__ import annotations

from collections import Counter
from typing import Final

REGISTRATIONS_PER_MINUTE: Final = 10


class RegistrationRate:
    """At most `limit` registrations per identity in each minute; 0 is no limit.

    Minutes are counted from the first registration in them, so that one small number per identity is enough.
    """

    def __init__(self, limit: int = REGISTRATIONS_PER_MINUTE) -> None:
        self._limit = limit
        self._counts: Counter[str] = Counter()
        self._until = 0.0

    def admit(self, identity: str, now: float) -> bool:
        """Count a registration at `now` (seconds, any monotonic origin); False when it is one too many."""
        if not self._limit:
            return True
        if now >= self._until:
            self._counts.clear()
            self._until = now + 60
        self._counts[identity] += 1
        return self._counts[identity] <= self._limit
