"""Virtual time: callbacks run in order of their moment, and waiting costs nothing.

>>> clock = VirtualClock()
>>> clock.call_at(60.0, lambda: print("a minute has passed"))
>>> clock.advance(90.0)
a minute has passed
>>> clock.now
90.0
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class VirtualClock:
    """A deterministic event loop without I/O. Equal moments run in the order they were scheduled."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        self._queue: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()

    @property
    def now(self) -> float:
        """Seconds, never going back."""
        return self._now

    def call_at(self, when: float, callback: Callable[[], object]) -> None:
        """Run `callback` at `when`, or at once when that is past, as soon as time advances."""
        heapq.heappush(self._queue, (max(when, self._now), next(self._order), callback))

    def call_later(self, delay: float, callback: Callable[[], object]) -> None:
        """Run `callback` after `delay` seconds."""
        self.call_at(self._now + delay, callback)

    def step(self) -> bool:
        """Go to the next moment and run one callback; False when nothing is scheduled."""
        if not self._queue:
            return False
        self._now, _, callback = heapq.heappop(self._queue)
        callback()
        return True

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass with all that happens in them."""
        end = self._now + seconds
        while self._queue and self._queue[0][0] <= end:
            self.step()
        self._now = end

    def run_until(self, condition: Callable[[], bool], *, limit: float) -> bool:
        """Run until `condition` holds; False when `limit` seconds pass, or nothing is left to happen, before."""
        end = self._now + limit
        while not condition():
            if not self._queue or self._queue[0][0] > end:
                return False
            self.step()
        return True
