"""Calls that share a transaction: each for itself, in order, and on the disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from lwm2m_server.store.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "server.db")
    await database.change(lambda connection: connection.execute("CREATE TABLE things (name TEXT PRIMARY KEY)"))
    yield database
    await database.close()


def put(name: str, *, fail: bool = False) -> Callable[[sqlite3.Connection], str]:
    def call(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO things VALUES (?)", (name,))
        if fail:
            raise LookupError(name)
        return name

    return call


async def names(database: Database) -> list[str]:
    return await database.look_up(
        lambda connection: [name for (name,) in connection.execute("SELECT name FROM things ORDER BY rowid")]
    )


async def test_many_calls_keep_their_order(database: Database) -> None:
    wanted = [f"thing {number}" for number in range(600)]
    assert await asyncio.gather(*(database.change(put(name)) for name in wanted)) == wanted
    assert await names(database) == wanted


async def test_a_call_that_fails_undoes_its_own_work_only(database: Database) -> None:
    calls = [put("a"), put("b", fail=True), put("a"), put("c")]
    first, failed, twice, last = await asyncio.gather(
        *(database.change(call) for call in calls),
        return_exceptions=True,
    )
    assert (first, last) == ("a", "c")
    assert isinstance(failed, LookupError)
    assert isinstance(twice, sqlite3.IntegrityError)
    assert await names(database) == ["a", "c"]


async def test_one_who_gave_up_stops_nobody(database: Database) -> None:
    task = asyncio.create_task(database.change(put("a")))
    other = asyncio.create_task(database.change(put("b")))
    await asyncio.sleep(0)
    task.cancel()
    assert await other == "b"
    assert "b" in await names(database)


async def test_a_locked_database_fails_the_calls_and_no_later_ones(database: Database, tmp_path: Path) -> None:
    await database.change(lambda connection: connection.execute("PRAGMA busy_timeout=10"))
    other = sqlite3.connect(tmp_path / "server.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await database.change(put("a"))
    other.execute("ROLLBACK")
    assert await database.change(put("b")) == "b"
    assert await names(database) == ["b"]
    other.close()


async def test_a_closed_database_says_so(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "other.db")
    await database.close()
    with pytest.raises(RuntimeError):
        await database.look_up(lambda connection: connection.execute("SELECT 1"))


async def test_writers_take_turns_with_the_others(database: Database) -> None:
    async with database.transaction():
        waiting = asyncio.create_task(database.change(put("a")))
        await asyncio.sleep(0.01)
        assert not waiting.done()
    assert await waiting == "a"
