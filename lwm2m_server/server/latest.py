"""The newest values devices have reported: gathered in memory, written many in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import structlog

from lwm2m_server.protocol.samples import Sample
from lwm2m_server.server.events import Deregistered, Event, Events, Expired
from lwm2m_server.store import latest_values as store
from lwm2m_server.store.database import Database
from objects.path import Path

log = structlog.get_logger()

GATHER: Final = 0.5
"""Seconds that values nobody waits for stay in memory, for others to join them."""


class LatestValues:
    """One writer; whatever comes while it writes goes into its next transaction. A device that is gone is forgotten."""

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._pending: dict[str, dict[Path, Sample]] = {}
        # Of all the devices that come and go few report anything: these have.
        self._known: set[str] = set()
        self._gone: set[str] = set()
        self._hurry = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        for kind in (Deregistered, Expired):
            events.on(kind, self._forget)

    async def resume(self) -> None:
        """Know who has values from before a restart."""
        async with self._database.reading() as connection:
            self._known = await store.endpoints(connection)

    def keep(self, endpoint: str, samples: Iterable[Sample]) -> None:
        """Take values over, to be written soon."""
        self._known.add(endpoint)
        pending = self._pending.setdefault(endpoint, {})
        for sample in samples:
            known = pending.get(sample.path)
            if known is None or known.at <= sample.at:
                pending[sample.path] = sample
        self._write_soon()

    async def of(self, endpoint: str) -> list[Sample]:
        """What is known of one device, by path."""
        await self.flush()
        async with self._database.reading() as connection:
            return await store.of_device(connection, endpoint)

    async def flush(self) -> None:
        """Have what was taken over on the disk. Raises when it cannot be."""
        writing = self._next or self._writing
        self._hurry.set()
        if writing is not None:
            await asyncio.shield(writing)

    def _forget(self, event: Event) -> None:
        if event.endpoint in self._known:
            self._known.discard(event.endpoint)
            self._pending.pop(event.endpoint, None)
            self._gone.add(event.endpoint)
            self._write_soon()

    def _write_soon(self) -> None:
        if self._next is None:
            self._hurry.clear()
            self._next = asyncio.create_task(self._write(self._writing))
            self._next.add_done_callback(_noticed)

    async def _write(self, former: asyncio.Task[None] | None) -> None:
        """Begins when the one under way has ended."""
        if former is not None:
            await asyncio.wait({former})
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), GATHER)
        self._writing, self._next = self._next, None
        pending, self._pending = self._pending, {}
        gone, self._gone = self._gone, set()
        samples = ((endpoint, of_device.values()) for endpoint, of_device in pending.items())
        await self._database.write_many(store.batch(gone, samples))


def _noticed(task: asyncio.Task[None]) -> None:
    """Failures are logged here: not everybody waits for the disk."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("latest_values_not_written", error=str(error))
