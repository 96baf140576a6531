"""Devices at rest: what a query of many names finds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lwm2m_server.store import fleet
from lwm2m_server.store.database import Database
from lwm2m_server.store.fleet import Device
from trust_transfer.provider.book import from_factory


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "sp.sqlite")
    yield opened
    await opened.close()


def _device(number: int) -> Device:
    name = f"dev-{number:02d}"
    book = from_factory(name, bytes([number]) * 32, 0)
    return Device(name, book.fingerprint, b"certificate", None, "label", None, book)


async def test_more_names_than_a_statement_takes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "MAX_PARAMETERS", 3)
    async with database.transaction() as connection:
        for number in (4, 1, 9, 7, 3, 0, 8):
            await fleet.add_device(connection, _device(number), 0)
    async with database.reading() as connection:
        names = {f"dev-{number:02d}" for number in range(8)}
        found = [device.endpoint for device in await fleet.find_devices(connection, endpoints=names)]
        assert found == ["dev-00", "dev-01", "dev-03", "dev-04", "dev-07"]
        assert await fleet.find_devices(connection, endpoints=set()) == []
        assert len(await fleet.find_devices(connection)) == 7


async def test_more_names_than_sqlite_takes(database: Database) -> None:
    async with database.transaction() as connection:
        await fleet.add_device(connection, _device(5), 0)
    async with database.reading() as connection:
        names = {f"dev-{number:02d}" for number in range(40_000)}
        assert [device.endpoint for device in await fleet.find_devices(connection, endpoints=names)] == ["dev-05"]
