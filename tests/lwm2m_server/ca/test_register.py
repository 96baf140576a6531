"""The SQLite register keeps the contract, and keeps it over a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from device_pki.fingerprints import fingerprint
from lwm2m_server.store.database import Database
from lwm2m_server.store.enrollment_listing import list_labels
from lwm2m_server.store.enrollment_register import SqlEnrollmentRegister
from lwm2m_server.testing.register_contract import DEVICE, NOW, OTHER, UUIDS, EnrollmentRegisterContract


class TestSqlEnrollmentRegister(EnrollmentRegisterContract):
    @pytest.fixture
    async def register(self, tmp_path: Path) -> AsyncIterator[SqlEnrollmentRegister]:
        database = await Database.open(tmp_path / "ca.db")
        yield SqlEnrollmentRegister(database)
        await database.close()


async def test_two_processes_see_each_others_writes(tmp_path: Path) -> None:
    first, second = [await Database.open(tmp_path / "ca.db") for _ in range(2)]
    label = await SqlEnrollmentRegister(first).add_devices("sp1", UUIDS[0], [DEVICE, OTHER], NOW)
    register = SqlEnrollmentRegister(second)
    assert await register.label("sp1", UUIDS[0]) == label
    await register.set_entry(label.text, fingerprint(DEVICE), open_=False, revoke=None, now=NOW)
    assert not (await SqlEnrollmentRegister(first).entry(label.text, fingerprint(DEVICE))).open
    [listed] = await list_labels(second)
    assert (listed.label, listed.devices, listed.open_devices) == (label, 2, 1)
    assert [entry.endpoint for entry in await register.entries(label.text)] == ["dev-1", "dev-2"]
    for database in (first, second):
        await database.close()


async def test_a_serial_number_is_looked_up_by_index(tmp_path: Path) -> None:
    """However much was issued and revoked: no table is read through."""
    database = await Database.open(tmp_path / "ca.db")
    plans: list[str] = []
    async with database.reading() as connection:
        for table in ("ca_revocations", "ca_certificates", "ca_factory_certificates"):
            query = f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE serial_number = '7'"
            plans += [row.detail for row in (await connection.execute(text(query))).all()]
    await database.close()
    assert len(plans) == 3
    assert all(plan.startswith("SEARCH") and "INDEX" in plan for plan in plans), plans


async def test_a_label_without_devices_is_listed(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "ca.db")
    register = SqlEnrollmentRegister(database)
    label = await register.add_devices("sp1", UUIDS[0], [], NOW)
    [listed] = await list_labels(database)
    assert (listed.label, listed.devices, listed.open_devices) == (label, 0, 0)
    await database.close()
