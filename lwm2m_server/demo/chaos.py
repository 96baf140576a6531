"""Kill processes at random moments and start them again; the same seed makes the same choices."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence

from lwm2m_server.demo.processes import Supervisor

MEAN_SECONDS_BETWEEN_KILLS = 2.5
MEAN_SECONDS_DOWN = 0.3


class Chaos:
    """Runs beside the flow; `kills` tells what was killed, in order."""

    def __init__(self, seed: int, supervisor: Supervisor, victims: Callable[[], Sequence[str]]) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - repeatable choices, no secret
        self._supervisor = supervisor
        self._victims = victims
        self.kills: list[str] = []

    async def _rampage(self) -> None:
        while True:
            await asyncio.sleep(self._rng.expovariate(1 / MEAN_SECONDS_BETWEEN_KILLS))
            victims = sorted(self._victims())
            if not victims:
                continue
            name = self._rng.choice(victims)
            await self._supervisor.kill(name)
            self.kills.append(name)
            await asyncio.sleep(self._rng.expovariate(1 / MEAN_SECONDS_DOWN))
            if name in self._victims():
                await self._supervisor.restart(name)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Everything that was killed runs again when the block is left."""
        task = asyncio.create_task(self._rampage())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            for name in self._victims():
                await self._supervisor.restart(name)
