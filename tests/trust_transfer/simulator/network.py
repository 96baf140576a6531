"""Virtual time and a network that loses, repeats, delays and reorders; nothing here knows the protocol."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

START = 1_900_000_000.0
"""When every run begins (s since 1970)."""


@dataclass
class Faults:
    """How bad the world is at the moment; probabilities between 0 and 1."""

    loss: float = 0.0
    repeat: float = 0.0
    linger: float = 0.0
    """Of a message to arrive minutes late instead of at once."""
    crash: float = 0.0
    """Of a power cut, per store write."""
    bad_image: float = 0.0
    """Of a reset to bring up another image than the agreed one."""

    @classmethod
    def drawn(cls, rng: random.Random) -> Faults:
        """Some mixture, from none to bad."""
        return cls(
            loss=rng.choice((0.0, 0.1, 0.3, 0.5)),
            repeat=rng.choice((0.0, 0.1, 0.4)),
            linger=rng.choice((0.0, 0.1, 0.3)),
            crash=rng.choice((0.0, 0.02, 0.1)),
            bad_image=rng.choice((0.0, 0.0, 0.1)),
        )


@dataclass(order=True)
class _Due:
    at: float
    order: int
    act: Callable[[], None] = field(compare=False)


class Time:
    """A queue of things to happen; running it makes the time pass."""

    def __init__(self) -> None:
        self.now = START
        self._due: list[_Due] = []
        self._order = count()

    def later(self, delay: float, act: Callable[[], None]) -> None:
        """Have `act` happen `delay` seconds from now."""
        heapq.heappush(self._due, _Due(self.now + delay, next(self._order), act))

    def run_until(self, end: float) -> None:
        """Let everything due before `end` happen, in order."""
        while self._due and self._due[0].at <= end:
            due = heapq.heappop(self._due)
            self.now = due.at
            due.act()
        self.now = end


class Network:
    """Carries calls between actors as messages, as badly as `faults` says."""

    def __init__(self, time: Time, rng: random.Random, faults: Faults) -> None:
        self.time = time
        self.rng = rng
        self.faults = faults

    def send(self, deliver: Callable[[], None]) -> None:
        """Deliver never, once, or twice, each copy after its own delay."""
        copies = 2 if self.rng.random() < self.faults.repeat else 1
        for _ in range(copies):
            if self.rng.random() >= self.faults.loss:
                self.time.later(self._delay(), deliver)

    def _delay(self) -> float:
        if self.rng.random() < self.faults.linger:
            return self.rng.uniform(20.0, 400.0)
        return self.rng.uniform(0.05, 1.0)
