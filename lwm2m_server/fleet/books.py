"""The books: one entry per device, changed by pure functions of `trust_transfer.provider`, stored in one write."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.clock import Clock
from lwm2m_server.store import fleet as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.fleet import Device
from trust_transfer.provider.book import BookEntry, BookError

Change = Callable[[BookEntry], BookEntry]


class Books:
    """Reads and changes book entries; a change is on the disk when its method returns."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def get(self, endpoint: str) -> Device | None:
        """A device and its book."""
        async with self._database.reading() as connection:
            return await store.device(connection, endpoint)

    async def change(self, endpoint: str, change: Change) -> BookEntry:
        """Apply one event; raises `BookError`, and stores nothing, when it does not fit."""
        async with self._database.transaction() as connection:
            return await change_book(connection, endpoint, change, self._clock.seconds())


async def change_book(connection: AsyncConnection, endpoint: str, change: Change, now: int) -> BookEntry:
    """Apply one event within a transaction of the caller's."""
    device = await store.device(connection, endpoint)
    if device is None:
        raise BookError(f"{endpoint} is not in the book")
    changed = change(device.book)
    if changed != device.book:
        await store.put_book(connection, changed, now)
    return changed
