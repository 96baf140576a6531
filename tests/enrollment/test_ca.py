"""The built-in CA keeps the contract; its list is republished when it must be, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from cose.token_keys import load_token_key
from device_pki.issue import Issuer, root_ca
from device_pki.revocation import RevocationStatus, parse_crl
from enrollment.ca.backend import CaBackendError
from enrollment.ca.builtin import BuiltinCa
from enrollment.ca.revocations import RevocationPublisher
from lwm2m_server.store.database import Database
from lwm2m_server.store.enrollment_register import SqlEnrollmentRegister
from lwm2m_server.testing.ca_contract import FactoryCaContract
from lwm2m_server.testing.ca_contract import request as csr
from tests.device_pki.builders import HARDWARE, NOW, YEAR, root
from tests.enrollment.world import CountingCa
from tests.tokens import Token

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CA1 = root().sub("CA1")


class TestBuiltinCa(FactoryCaContract):
    @property
    def now(self) -> datetime:
        return NOW

    @pytest.fixture
    def ca(self) -> BuiltinCa:
        return BuiltinCa(CA1.issuer, CA1.above, timedelta(days=90), DAY, hardware_type=HARDWARE)

    async def test_a_list_holds_what_was_asked_for(self, ca: BuiltinCa) -> None:
        revoked = {7: NOW, 2**158: NOW - DAY}
        parsed = parse_crl(await ca.revocation_list(revoked, 5, NOW), CA1.certificate, NOW)
        assert (parsed.number, parsed.serials) == (5, frozenset(revoked))
        assert parsed.next_update == NOW + DAY


class TestTokenCa(FactoryCaContract):
    """The same CA with its key in a PKCS#11 token."""

    @property
    def now(self) -> datetime:
        return NOW

    @pytest.fixture(params=["object=firmware", "object=large"])
    def ca(self, token: Token, request: pytest.FixtureRequest) -> Iterator[BuiltinCa]:
        with closing(load_token_key(token.uri(request.param))) as key:
            issuer = Issuer(root_ca(key, "CA in a token", YEAR), key)
            yield BuiltinCa(issuer, (), timedelta(days=90), DAY, hardware_type=HARDWARE)


async def test_a_token_that_is_gone_is_a_ca_that_cannot_serve(token: Token) -> None:
    key = load_token_key(token.uri())
    issuer = Issuer(root_ca(key, "CA in a token", YEAR), key)
    key.close()
    with pytest.raises(CaBackendError, match="token"):
        await BuiltinCa(issuer, (), timedelta(days=90), DAY).issue_factory(csr(), NOW)


class UpstreamCa(CountingCa):
    """An authority that numbers a list of its own, and makes a new one only for new revocations."""

    def __init__(self, number: int) -> None:
        super().__init__(CA1)
        self.number = number
        self.revoked: dict[int, datetime] = {}
        self.list = b""

    async def revocation_list(self, revoked: Mapping[int, datetime], number: int, now: datetime) -> bytes:
        if not self.list or not revoked.keys() <= self.revoked.keys():
            self.number += 1
            self.revoked.update(revoked)
            self.list = await super().revocation_list(self.revoked, self.number, now)
        else:
            self.calls += 1
        return self.list


class Publishing:
    def __init__(self, database: Database) -> None:
        self.now = NOW
        self.ca: CountingCa = CountingCa(CA1)
        self.register = SqlEnrollmentRegister(database)
        self.publisher = self.another()

    def another(self) -> RevocationPublisher:
        return RevocationPublisher(self.register, self.ca, interval=HOUR, clock=lambda: self.now)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Publishing]:
    database = await Database.open(tmp_path / "ca.db")
    yield Publishing(database)
    await database.close()


async def test_nothing_new_is_signed_once(world: Publishing) -> None:
    assert len({await world.publisher.current() for _ in range(3)}) == 1
    assert await world.another().current() == await world.publisher.current()
    assert world.ca.calls == 1


async def test_a_list_may_be_dated_after_it_was_ordered(world: Publishing, monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority elsewhere makes it by its own clock, which goes on meanwhile."""
    sign = world.ca.revocation_list

    async def sign_later(revoked: Mapping[int, datetime], number: int, now: datetime) -> bytes:
        world.now += timedelta(seconds=2)
        return await sign(revoked, number, world.now)

    monkeypatch.setattr(world.ca, "revocation_list", sign_later)
    assert parse_crl(await world.publisher.current(), CA1.certificate, world.now).this_update == world.now


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


class TestListOfItsOwn:
    """The authority numbers its list; what it publishes counts, and is not asked for all the time."""

    @pytest.fixture
    def upstream(self, world: Publishing) -> UpstreamCa:
        world.ca = UpstreamCa(40)
        world.publisher = world.another()
        return world.ca

    async def test_its_number_counts(self, world: Publishing, upstream: UpstreamCa) -> None:
        await world.register.revoke_serial(7, NOW + DAY, NOW)
        parsed = parse_crl(await world.publisher.current(), CA1.certificate, NOW)
        assert (parsed.number, parsed.serials) == (41, frozenset({7}))

    async def test_a_list_that_did_not_change_is_confirmed_for_an_interval(
        self, world: Publishing, upstream: UpstreamCa
    ) -> None:
        first = await world.publisher.current()
        world.now = NOW + HOUR
        for _ in range(3):
            assert await world.publisher.current() == first
        assert upstream.calls == 2
        upstream.revoked[9] = NOW
        await world.register.revoke_serial(9, NOW + DAY, NOW)
        assert 9 not in parse_crl(first, CA1.certificate, NOW).serials
        upstream.list = b""
        assert 9 in parse_crl(await world.publisher.current(), CA1.certificate, world.now).serials

    async def test_a_list_that_lacks_a_revocation_is_not_published(
        self, world: Publishing, upstream: UpstreamCa
    ) -> None:
        first = await world.publisher.current()
        upstream.revoked[9] = NOW  # it believes the list at hand has it
        await world.register.revoke_serial(9, NOW + DAY, NOW)
        with pytest.raises(CaBackendError, match="lacks 1"):
            await world.publisher.current()
        published = await world.register.published_list()
        assert published is not None and published.der == first

    async def test_a_list_with_a_lower_number_is_not_published(self, world: Publishing, upstream: UpstreamCa) -> None:
        await world.publisher.current()
        upstream.number, upstream.list = 3, b""
        world.now = NOW + HOUR
        with pytest.raises(CaBackendError, match="number 4, after 41"):
            await world.publisher.current()
