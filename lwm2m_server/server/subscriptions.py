"""Notifications on their way to who reads them: bounded, and honest about what was missed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from lwm2m_server.protocol.samples import Sample
from objects.path import Path
from objects.values import Value

BACKLOG: Final = 256
"""Notifications kept for a slow reader; then the oldest goes."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A device told of what is observed. `received_at`: seconds since 1970; each sample has its own moment."""

    endpoint: str
    observation: int
    samples: tuple[Sample, ...]
    received_at: float

    @property
    def values(self) -> dict[Path, Value]:
        """The newest value of each resource."""
        return {sample.path: sample.value for sample in sorted(self.samples, key=lambda one: one.at)}

    @property
    def value(self) -> Any:
        """The newest value, where a single one is observed; None without any."""
        return max(self.samples, key=lambda one: one.at).value if self.samples else None


class Subscription:
    """One reader of one observation: an async iterator that ends when the observation does.

    `async with` cancels the observation at the end of the block; `close` only stops reading. `missed` counts the
    notifications that came while the reader was too slow.
    """

    def __init__(self, close: Callable[[Subscription], None], cancel: Callable[[], Awaitable[None]]) -> None:
        self._close = close
        self._cancel = cancel
        self._waiting: deque[Notification] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self.missed = 0

    def put(self, notification: Notification) -> None:
        """A notification has come."""
        if len(self._waiting) == BACKLOG:
            self._waiting.popleft()
            self.missed += 1
        self._waiting.append(notification)
        self._news.set()

    def end(self) -> None:
        """No more will come; what waits can still be read."""
        self._ended = True
        self._news.set()

    def close(self) -> None:
        """Stop reading; the observation stands."""
        self._close(self)
        self.end()

    async def cancel(self) -> None:
        """End the observation, on the device too."""
        await self._cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Notification:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.cancel()
