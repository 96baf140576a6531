"""Registrations at rest: group commit, lazy updates, and what a start finds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from lwm2m_server.protocol.registrations import Registration
from lwm2m_server.store import registrations as store_module
from lwm2m_server.store.database import Database
from lwm2m_server.store.registrations import RegistrationStore
from lwm2m_server.store.tables import groups, registrations
from secure_coap.association import Transport


def registration(number: int) -> Registration:
    return Registration(
        f"dev-{number}", f"handle-{number}", f"dev-{number}", bytes([number]), ("192.0.2.1", 5683),
        Transport.DTLS, 60, "1.1", "UT", True, "</3/0>", 1.5, 2.5,
    )  # fmt: skip


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "server.db")
    yield opened
    await opened.close()


async def rows(database: Database) -> int:
    async with database.reading() as connection:
        return int((await connection.execute(select(func.count()).select_from(registrations))).scalar_one())


def values(one: Registration) -> list[object]:
    return [getattr(one, name) for name in Registration.__slots__]


async def stored(store: RegistrationStore, *new: Registration) -> None:
    done: list[Exception | None] = []
    for one in new:
        store.put(one, done.append)
    while len(done) < len(new):
        await asyncio.sleep(0.001)
    assert done == [None] * len(new)


async def test_what_is_stored_comes_back(database: Database) -> None:
    store = RegistrationStore(database)
    kept = [registration(number) for number in range(200)]
    await stored(store, *kept)
    found = await RegistrationStore(database).load()
    assert [values(one) for one in found] == [values(one) for one in kept]
    assert found[0].links is found[1].links
    assert found[0].owner is found[0].endpoint


async def test_many_share_a_transaction(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    transactions = 0
    write_many = database.write_many

    async def counted(work: object) -> None:
        nonlocal transactions
        transactions += 1
        await write_many(work)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "write_many", counted)
    await stored(RegistrationStore(database), *(registration(number) for number in range(250)))
    assert transactions <= 2  # the first goes alone or with the rest, never each by itself
    assert await rows(database) == 250


async def test_the_newest_row_of_a_device_counts_and_the_others_go(database: Database) -> None:
    store = RegistrationStore(database)
    first, second = registration(1), registration(1)
    second.handle = "another"
    await stored(store, first)
    done: list[Exception | None] = []
    store.put(second, done.append, former=first)
    while not done:
        await asyncio.sleep(0.001)
    assert await rows(database) == 2
    restarted = RegistrationStore(database)
    assert [one.handle for one in await restarted.load()] == ["another"]
    await restarted.flush()
    assert await rows(database) == 1
    third = registration(3)
    await stored(restarted, third)
    assert third.serial > second.serial


async def test_the_end_of_a_registration_is_stored_with_every_row_it_had(database: Database) -> None:
    store = RegistrationStore(database)
    one = registration(1)
    await stored(store, one)
    store.put(one)  # changed twice: one row is written, one being written, one never
    store.put(one)
    done: list[Exception | None] = []
    store.remove(one, done.append)
    while not done:
        await asyncio.sleep(0.001)
    assert await RegistrationStore(database).load() == []
    await store.flush()
    assert await rows(database) == 0


async def test_an_update_is_stored_a_little_later(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FLUSH", 0.05)
    store = RegistrationStore(database)
    one, other = registration(1), registration(2)
    await stored(store, one, other)
    one.updated_at = 77.0
    store.touch(one)
    await stored(store, registration(3))  # another transaction does not take it along
    assert {found.updated_at for found in await RegistrationStore(database).load()} == {2.5}
    while (found := await RegistrationStore(database).load())[0].updated_at != 77.0:
        await asyncio.sleep(0.01)
    assert found[1].updated_at == 2.5


async def test_flush_leaves_nothing_behind(database: Database) -> None:
    store = RegistrationStore(database)
    one = registration(1)
    store.put(one)
    one.updated_at = 77.0
    store.touch(one)
    await store.flush()
    assert [found.updated_at for found in await RegistrationStore(database).load()] == [77.0]
    assert store.waiting == 0


async def test_who_waits_is_told_that_it_failed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_: object) -> None:
        raise OSError("no space left on device")

    store = RegistrationStore(database)
    with monkeypatch.context() as patch:
        patch.setattr(database, "write_many", full)
        done: list[Exception | None] = []
        store.put(registration(1), done.append)
        while not done:
            await asyncio.sleep(0.001)
        assert isinstance(done[0], OSError)
    await stored(store, registration(2))
    assert [one.endpoint for one in await RegistrationStore(database).load()] == ["dev-2"]


async def test_batches_are_all_or_nothing_and_take_turns(database: Database) -> None:
    names = "INSERT INTO device_groups (name) VALUES (?)"
    await database.write_many([(names, [(f"g{number}",) for number in range(100)])])
    with pytest.raises(Exception, match="UNIQUE"):
        await database.write_many([(names, [("new",)]), (names, [("g1",)])])

    async def slow() -> None:
        async with database.transaction() as connection:
            await connection.execute(groups.insert().values(name="slow"))
            await asyncio.sleep(0.05)

    await asyncio.gather(slow(), database.write_many([(names, [("quick",)])]))
    async with database.reading() as connection:
        found = {row.name for row in await connection.execute(select(groups))}
    assert len(found) == 102
    assert "new" not in found
