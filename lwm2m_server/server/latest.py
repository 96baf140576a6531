"""The newest values devices have reported: gathered in memory, written many in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from lwm2m_server.protocol.samples import Sample
from lwm2m_server.server.events import Deregistered, Event, Events, Expired
from lwm2m_server.store import latest_values as store
from lwm2m_server.store.database import Database
from objects.path import Path

log = structlog.get_logger()


class LatestValues:
    """One writer; whatever comes while it writes goes into its next transaction. A device that is gone is forgotten."""

    # Of all the devices that come and go few report anything: `_known` holds those that have.

    def __init__(self, database: Database, events: Events) -> None:
        self._database = database
        self._pending: dict[str, dict[Path, Sample]] = {}
        self._known: set[str] = set()
        self._gone: set[str] = set()
        self._writing: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None
        for kind in (Deregistered, Expired):
            events.on(kind, self._forget)

    async def resume(self) -> None:
        """Know who has values from before a restart."""
        async with self._database.reading() as connection:
            self._known = await store.endpoints(connection)

    def keep(self, endpoint: str, samples: Iterable[Sample]) -> asyncio.Task[None]:
        """Take values over; the task is done when they are on the disk, and raises when they cannot be."""
        self._known.add(endpoint)
        pending = self._pending.setdefault(endpoint, {})
        for sample in samples:
            known = pending.get(sample.path)
            if known is None or known.at <= sample.at:
                pending[sample.path] = sample
        return self._write_soon()

    async def of(self, endpoint: str) -> list[Sample]:
        """What is known of one device, by path."""
        await self.flush()
        async with self._database.reading() as connection:
            return await store.of_device(connection, endpoint)

    async def flush(self) -> None:
        """Write what is still in memory."""
        if self._next is not None:
            await self._next
        elif self._writing is not None:
            await self._writing

    def _forget(self, event: Event) -> None:
        if event.endpoint in self._known:
            self._known.discard(event.endpoint)
            self._pending.pop(event.endpoint, None)
            self._gone.add(event.endpoint)
            self._write_soon()

    def _write_soon(self) -> asyncio.Task[None]:
        """The task that writes what is in memory now: it begins when the one under way has ended."""
        if self._next is None:
            self._next = asyncio.create_task(self._write(self._writing))
            self._next.add_done_callback(_noticed)
        return self._next

    async def _write(self, former: asyncio.Task[None] | None) -> None:
        if former is not None:
            await asyncio.wait({former})
        self._writing, self._next = self._next, None
        pending, self._pending = self._pending, {}
        gone, self._gone = self._gone, set()
        async with self._database.transaction() as connection:
            for endpoint in gone:
                await store.forget(connection, endpoint)
            for endpoint, samples in pending.items():
                await store.put(connection, endpoint, samples.values())


def _noticed(task: asyncio.Task[None]) -> None:
    """Failures are logged here: not everybody waits for the disk."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("latest_values_not_written", error=str(error))
