"""Books in the store: a change is on the disk or nothing is, and duties are found by their columns."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from lwm2m_server.clock import Clock
from lwm2m_server.fleet.books import Books
from lwm2m_server.store import fleet
from lwm2m_server.store.database import Database
from lwm2m_server.store.fleet import Device
from trust_transfer.messages.numbers import Result
from trust_transfer.provider import new, old
from trust_transfer.provider.book import BookEntry, BookError, from_factory

CTI = bytes(16)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotated type, numbers within 64 bits."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(kind, **{field.name: values(hints[field.name]) for field in dataclasses.fields(kind)})
    if get_origin(kind) is tuple:
        return st.lists(values(get_args(kind)[0]), max_size=3).map(tuple)
    if get_origin(kind) is UnionType:
        return st.one_of(*(values(one) for one in get_args(kind)))
    return st.integers(0, 2**64 - 1) if kind is int else st.from_type(kind)


@settings(max_examples=50, deadline=None)
async def database_with(tmp_path: Path, entry: BookEntry) -> Database:
    database = await Database.open(tmp_path / "server.db")
    async with database.transaction() as connection:
        await fleet.add_group(connection, "meters")
        row = Device(entry.endpoint, entry.fingerprint, b"der", "meters", "label", None, entry)
        await fleet.add_device(connection, row, 1)
    return database


async def test_a_change_is_stored_or_nothing_is(tmp_path: Path) -> None:
    database = await database_with(tmp_path, from_factory("dev-1", bytes(32), 1))
    books = Books(database, Clock(lambda: 100.0))

    def offered(book: BookEntry) -> BookEntry:
        return old.offer(book, 1, b"message", transfer_id=CTI, not_before=1, not_after=1000, now=100)

    await books.change("dev-1", offered)
    await books.change("dev-1", lambda book: old.delivered(book, 1, Result.NONE))
    with pytest.raises(BookError):
        await books.change("dev-1", lambda book: old.cancelled(book, 65537, 100))
    with pytest.raises(BookError):
        await books.change("dev-2", offered)
    stored = await books.get("dev-1")
    assert stored is not None
    assert stored.book.owned_tenure().open_offers[0].message == b"message"
    await database.close()


async def test_duties_are_found_without_reading_every_book(tmp_path: Path) -> None:
    entry = new.expect(BookEntry("dev-1", bytes(32)), CTI)
    database = await database_with(tmp_path, entry)
    async with database.reading() as connection:
        assert await fleet.find_devices(connection, partner_duty=True) == []
        assert [one.endpoint for one in await fleet.find_devices(connection, ca_duty=False)] == ["dev-1"]
        assert await fleet.find_devices(connection, endpoints=[]) == []
        assert (await fleet.device_of(connection, bytes(32))) is not None
        assert (await fleet.device_of(connection, b"x" * 32)) is None
    await database.close()
