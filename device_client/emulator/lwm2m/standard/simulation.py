"""The world around a device: what its sensors would measure, made up the same way at every start of that device."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

PERIOD: Final = 5.0
"""Seconds between two steps of the world."""

Step: TypeAlias = Callable[[random.Random], None]
"""What happens to one object in one step."""


class Simulation:
    """Steps every object and says that something may have changed."""

    def __init__(self, endpoint: str, steps: Sequence[Step], touch: Callable[[], None], period: float = PERIOD) -> None:
        self._rng = random.Random(endpoint)  # noqa: S311 - weather, no secret
        self._steps = steps
        self._touch = touch
        self._period = period

    def step(self) -> None:
        for step in self._steps:
            step(self._rng)
        self._touch()

    async def run(self) -> None:
        """For ever; devices started together do not step together."""
        await asyncio.sleep(self._rng.random() * self._period)
        while self._steps:
            self.step()
            await asyncio.sleep(self._period)
