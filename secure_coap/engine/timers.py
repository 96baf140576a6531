"""What is to be done when: one heap for a whole endpoint."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Action = Callable[[float], None]
"""Called with the time. Nothing is ever cancelled: an action finds out whether it still has anything to do."""


class Timers:
    """Actions by their moment; equal moments in the order they were set."""

    __slots__ = ("_heap", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Action]] = []
        self._serial = 0

    def at(self, when: float, action: Action) -> None:
        """Do it at `when`, in seconds of the clock `run` is called with."""
        self._serial += 1
        heapq.heappush(self._heap, (when, self._serial, action))

    def next(self) -> float | None:
        """The first moment."""
        return self._heap[0][0] if self._heap else None

    def run(self, now: float) -> None:
        """Do what is due."""
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[2](now)
