"""A broadcast to whoever waits at that moment; nobody has to clear it afterwards."""

from __future__ import annotations

import asyncio
import contextlib


class Signal:
    """Fires now, for the present waiters only: look at the state first, then wait, with no await in between."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def fire(self) -> None:
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def next(self) -> asyncio.Future[None]:
        """Done at the next `fire`; registered from this moment on."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        waiter.add_done_callback(self._waiters.discard)
        return waiter

    async def wait(self, at_most: float | None) -> bool:
        """Wait for the next `fire`, for `at_most` seconds; whether it came."""
        waiter = self.next()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most):
                await waiter
        return waiter.done() and not waiter.cancelled()
