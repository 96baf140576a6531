"""The SQLite database: write-ahead log, every commit on the disk before it returns.

A transaction that writes takes SQLite's one write lock at its beginning (`BEGIN IMMEDIATE`), so that what it read
still holds when it writes. Inside a process the writers queue on an asyncio lock; another process (the command line
beside a running CA) waits on SQLite's own, at most `BUSY_TIMEOUT` seconds.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from lwm2m_server.store.batches import Batches, Work
from lwm2m_server.store.grouped import Grouped
from lwm2m_server.store.migrations import upgrade

T = TypeVar("T")

BUSY_TIMEOUT = 30.0
"""Seconds to wait for another process's write lock."""

_BEGIN = "lwm2m_begin"
_PRAGMAS = (
    f"busy_timeout={int(BUSY_TIMEOUT * 1000)}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
)


def _create_private(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)


def _on_connect(connection: Any, _record: object) -> None:
    """Durability first: `FULL` syncs the log at each commit, so that an answered change survives a power cut."""
    connection.isolation_level = None  # the driver must not begin transactions behind our back
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


class Database:
    """One database file. `transaction()` writes, `reading()` sees one consistent state without blocking writers.

    `write_many`, `change` and `look_up` are for what comes in thousands.
    """

    def __init__(self, engine: AsyncEngine, path: Path) -> None:
        self._engine = engine
        self._batches = Batches(path, _PRAGMAS)
        self._writer = asyncio.Lock()
        self._changes = Grouped(path, _PRAGMAS, "BEGIN IMMEDIATE", self._writer)
        self._look_ups = Grouped(path, _PRAGMAS, "BEGIN")

    @classmethod
    async def open(cls, path: Path) -> Database:
        """Open or create the file (0600) and bring its schema up to date."""
        _create_private(path)
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=4, max_overflow=4)
        event.listen(engine.sync_engine, "connect", _on_connect)
        event.listen(engine.sync_engine, "begin", _on_begin)
        database = cls(engine, path)
        await database._prepare()
        return database

    async def _prepare(self) -> None:
        async with self.transaction() as connection:
            await connection.run_sync(upgrade)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A writing transaction: committed and on the disk when the block ends, rolled back when it raises."""
        async with self._writer, self._begin("BEGIN IMMEDIATE") as connection:
            yield connection

    async def write_many(self, work: Work) -> None:
        """Carry out statements for many rows each in one transaction, which is on the disk when this returns."""
        async with self._writer:
            await self._batches.run(work)

    async def change(self, call: Callable[[sqlite3.Connection], T]) -> T:
        """Carry out a call that writes, in one transaction with others; what it wrote is on the disk then."""
        return await self._changes.run(call)

    async def look_up(self, call: Callable[[sqlite3.Connection], T]) -> T:
        """Carry out a call that only reads, in one snapshot with others."""
        return await self._look_ups.run(call)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A reading transaction: a snapshot."""
        async with self._begin("BEGIN") as connection:
            yield connection

    @asynccontextmanager
    async def _begin(self, statement: str) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            await connection.execution_options(**{_BEGIN: statement})
            async with connection.begin():
                yield connection

    async def close(self) -> None:
        """Give back every connection; the file is complete at any moment anyway."""
        for own in (self._batches, self._changes, self._look_ups):
            own.close()
        await self._engine.dispose()
