"""One worker per device: what is to be done for it is done one thing after the other, never twice at once.

A worker runs while there is something to do for a device that can be reached, and ends otherwise; the next contact or
the next order starts it again. What there is to do is read from the store each time, so a restart loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()

FIRST_PAUSE = 0.25
"""Seconds after the first pass that left something undone; doubled up to the longest pause."""


class Workers:
    """`work(key)` makes one pass and returns True when something is left to try again by itself."""

    def __init__(self, work: Callable[[str], Awaitable[bool]], longest_pause: float) -> None:
        self._work = work
        self._longest_pause = longest_pause
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._woken: dict[str, asyncio.Event] = {}

    def wake(self, key: str) -> None:
        """Something has changed for this key: work on it now, without waiting out a pause."""
        self._woken.setdefault(key, asyncio.Event()).set()
        if key not in self._tasks:
            task = asyncio.create_task(self._run(key), name=f"worker {key}")
            self._tasks[key] = task
            task.add_done_callback(lambda _: self._ended(key))

    def _ended(self, key: str) -> None:
        del self._tasks[key]
        if self._woken[key].is_set():  # woken after the last pass had begun to end
            self.wake(key)
        else:
            del self._woken[key]

    async def _run(self, key: str) -> None:
        woken = self._woken[key]
        pause = FIRST_PAUSE
        while True:
            if woken.is_set():
                woken.clear()
                pause = FIRST_PAUSE
            if not await self._pass(key) and not woken.is_set():
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), pause)
            pause = min(pause * 2, self._longest_pause)

    async def _pass(self, key: str) -> bool:
        try:
            return await self._work(key)
        except Exception:
            log.exception("worker_failed", key=key)
            return True

    async def close(self) -> None:
        """Stop all workers; what they were doing is resumed after the next start."""
        tasks = list(self._tasks.values())
        for event in self._woken.values():
            event.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
