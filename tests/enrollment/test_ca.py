"""The built-in CA keeps the contract; its list is republished when it must be, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from device_pki.revocation import RevocationStatus, parse_crl
from enrollment.ca.builtin import BuiltinCa
from enrollment.ca.revocations import RevocationPublisher
from lwm2m_server.store.database import Database
from lwm2m_server.store.enrollment_register import SqlEnrollmentRegister
from lwm2m_server.testing.ca_contract import CaBackendContract
from tests.device_pki.builders import HARDWARE, NOW, root
from tests.enrollment.world import CountingCa

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CA1 = root().sub("CA1")


class TestBuiltinCa(CaBackendContract):
    @property
    def now(self) -> datetime:
        return NOW

    @pytest.fixture
    def ca(self) -> BuiltinCa:
        return BuiltinCa(CA1.issuer, CA1.above, timedelta(days=90), DAY, hardware_type=HARDWARE)


class Publishing:
    def __init__(self, database: Database) -> None:
        self.now = NOW
        self.ca = CountingCa(CA1)
        self.register = SqlEnrollmentRegister(database)
        self.publisher = self.another()

    def another(self) -> RevocationPublisher:
        return RevocationPublisher(self.register, self.ca, interval=HOUR, lifetime=DAY, clock=lambda: self.now)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Publishing]:
    database = await Database.open(tmp_path / "ca.db")
    yield Publishing(database)
    await database.close()


async def test_nothing_new_is_signed_once(world: Publishing) -> None:
    assert len({await world.publisher.current() for _ in range(3)}) == 1
    assert await world.another().current() == await world.publisher.current()
    assert world.ca.calls == 1


async def test_a_revocation_is_in_the_next_list(world: Publishing) -> None:
    certificate = CA1.operational(CA1.device("dev-1")).certificate
    await world.publisher.current()
    assert world.publisher.index.status(certificate, NOW) is RevocationStatus.GOOD
    await world.register.revoke_serial(certificate.serial_number, certificate.not_valid_after_utc, NOW)
    parsed = parse_crl(await world.publisher.current(), CA1.certificate, NOW)
    assert (parsed.number, parsed.serials) == (2, frozenset({certificate.serial_number}))
    assert world.publisher.index.status(certificate, NOW) is RevocationStatus.REVOKED


async def test_the_list_is_renewed_in_time(world: Publishing) -> None:
    first = await world.publisher.current()
    world.now = NOW + HOUR
    second = await world.publisher.current()
    assert first != second
    assert parse_crl(second, CA1.certificate, world.now).this_update == world.now


async def test_many_revocations_at_a_time_share_lists(world: Publishing) -> None:
    async def revoke(serial: int) -> bytes:
        await world.register.revoke_serial(serial, NOW + DAY, NOW)
        return await world.publisher.current()

    lists = await asyncio.gather(*(revoke(serial) for serial in range(1, 21)))
    for serial, published in enumerate(lists, 1):
        assert serial in parse_crl(published, CA1.certificate, NOW).serials
    assert world.ca.calls <= 21


async def test_two_publishers_never_sign_one_number_twice(world: Publishing) -> None:
    publishers = [world.publisher, world.another()]
    seen: dict[int, bytes] = {}
    for serial in range(1, 6):
        await world.register.revoke_serial(serial, NOW + DAY, NOW)
        for published in await asyncio.gather(*(publisher.current() for publisher in publishers)):
            parsed = parse_crl(published, CA1.certificate, NOW)
            assert serial in parsed.serials
            assert seen.setdefault(parsed.number, published) == published
