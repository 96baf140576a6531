"""Listing a register: every row once, page by page, and only what was asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from device_pki.fingerprints import fingerprint
from enrollment.register import ALL, LabelPolicy
from lwm2m_server.store.database import Database
from lwm2m_server.store.enrollment_listing import CertificateFilter, list_certificates, list_labels
from lwm2m_server.store.enrollment_register import SqlEnrollmentRegister
from lwm2m_server.testing.register_contract import CA, DEVICE, NOW, OTHER, UUIDS, key_of


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "ca.db")
    yield database
    await database.close()


async def test_labels_with_policy_and_counts(database: Database) -> None:
    register = SqlEnrollmentRegister(database)
    first = await register.add_devices("sp1", UUIDS[0], [DEVICE, OTHER], NOW)
    await register.set_policy("sp1", UUIDS[0], LabelPolicy(max_devices=2), NOW)
    second = await register.add_devices("sp2", UUIDS[0], [], NOW)
    await register.set_entry(first.text, fingerprint(OTHER), open_=False, revoke=None, now=NOW)
    certificate = CA.operational()
    entry = await register.entry(first.text, fingerprint(DEVICE))
    await register.record(entry, key_of(certificate), certificate, NOW)
    found = {}
    after = ""
    while page := await list_labels(database, after=after, limit=1):
        found[page[0].label] = page[0]
        after = page[0].label.text
    assert set(found) == {first, second}
    summary = found[first]
    assert (summary.devices, summary.open_devices, summary.certificates) == (2, 1, 1)
    assert (summary.policy, summary.created_at) == (LabelPolicy(max_devices=2), NOW)
    assert (found[second].devices, found[second].certificates) == (0, 0)


async def test_certificates_page_by_page_and_by_what_is_known_of_them(database: Database) -> None:
    register = SqlEnrollmentRegister(database)
    label = await register.add_devices("sp1", UUIDS[0], [DEVICE, OTHER], NOW)
    issued = []
    for number in range(4):
        device = (DEVICE, OTHER)[number % 2]
        certificate = CA.operational()
        entry = await register.entry(label.text, fingerprint(device))
        await register.record(entry, key_of(certificate), certificate, NOW + timedelta(hours=number // 2))
        issued.append(certificate)
    await register.set_entry(label.text, fingerprint(DEVICE), open_=True, revoke=ALL, now=NOW)
    seen = []
    after = (-1, b"")
    while page := await list_certificates(database, after=after, limit=3):
        seen += page
        after = page[-1].cursor
    assert sorted(c.issued.serial_number for c in seen) == sorted(c.serial_number for c in issued)
    assert {c.endpoint: c.issued.revoked_at for c in seen} == {"dev-1": NOW, "dev-2": None}

    async def serials(wanted: CertificateFilter) -> set[int]:
        return {c.issued.serial_number for c in await list_certificates(database, wanted)}

    own = {issued[0].serial_number, issued[2].serial_number}
    assert await serials(CertificateFilter(endpoint="dev-1")) == own
    assert await serials(CertificateFilter(device=fingerprint(DEVICE), label=label.text)) == own
    assert await serials(CertificateFilter(serial_number=issued[3].serial_number)) == {issued[3].serial_number}
    assert await serials(CertificateFilter(serial_number=issued[3].serial_number, endpoint="dev-1")) == set()
    assert await serials(CertificateFilter(label="x" * 22)) == set()
