"""Nothing a partner refuses holds back what it would take, and what it answers is bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from cose.keys import generate_private_key
from device_pki import issue
from device_pki.fingerprints import der, fingerprint
from enrollment.bounded_http import AnswerTooLarge, bounded_request
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.outbox import Outbox
from lwm2m_server.provider_keys import Credential
from lwm2m_server.store import fleet, transfers
from lwm2m_server.store import partners as partner_store
from lwm2m_server.store.database import Database
from lwm2m_server.store.transfers import Document, Kind, Transfer
from tests.lwm2m_server.test_outbox import CA, VALIDITY, committed
from tests.lwm2m_server.test_partner_profiles import profile
from trust_transfer.messages.receipts import decode_receipts
from trust_transfer.provider import new
from trust_transfer.provider.book import BookEntry

CTI = b"\x07" * 16
PARTNER = "sp2"


def answered(status: int, body: bytes = b"") -> httpx.Response:
    """An answer that comes as a stream, as it does from a socket."""

    async def parts() -> AsyncIterator[bytes]:
        yield body

    return httpx.Response(status, content=parts())


def endless() -> httpx.Response:
    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 64

    return httpx.Response(200, content=parts())


@dataclass(slots=True)
class OldProvider:
    """Refuses every document with the report of one of these devices, and every bag."""

    refused: set[bytes] = field(default_factory=set)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/receipts"):
            _, receipts = decode_receipts(request.content)
            return answered(422 if self.refused & {receipt.fingerprint for receipt in receipts} else 201)
        return answered(409 if request.url.path.endswith("/bags/0") else 201)


@dataclass(slots=True)
class Arrived:
    """Five devices that have committed here; their receipts are due."""

    database: Database
    outbox: Outbox
    partner: OldProvider
    fingerprints: dict[str, bytes]

    async def receipted(self) -> set[str]:
        async with self.database.reading() as connection:
            devices = await fleet.find_devices(connection)
        arrivals = {one.endpoint: one.book.owned_tenure().arrival for one in devices}
        return {name for name, arrival in arrivals.items() if arrival is not None and arrival.receipted}

    async def add_bag(self) -> None:
        async with self.database.transaction() as connection:
            await transfers.add_document(connection, Document(CTI, Kind.BAG, 0, True, b"bag", None, 1, None))


def arrival(endpoint: str) -> fleet.Device:
    key = generate_private_key()
    certificate = issue.factory_device(CA, key.public_key(), endpoint, VALIDITY)
    book = committed(new.expect(BookEntry(endpoint, fingerprint(certificate)), CTI), key)
    return fleet.Device(endpoint, book.fingerprint, der(certificate), None, "", None, book)


@pytest.fixture
async def arrived(tmp_path: Path) -> AsyncIterator[Arrived]:
    database = await Database.open(tmp_path / "server.db")
    devices = [arrival(f"dev-{number}") for number in range(5)]
    async with database.transaction() as connection:
        await partner_store.put(connection, profile())
        await transfers.add_transfer(connection, Transfer(CTI, False, PARTNER, None, None, None, None, None, 1))
        for device in devices:
            await fleet.add_device(connection, device, 1)
    partner = OldProvider()
    key = generate_private_key()
    credential = Credential(key, (issue.self_signed_tls(key, "sp1", ["sp1.example"], VALIDITY),))
    async with httpx.AsyncClient(transport=httpx.MockTransport(partner), base_url="https://sp2.example") as http:
        outbox = Outbox(database, credential, lambda _profile: http, Clock(), batch_delay=0)
        yield Arrived(database, outbox, partner, {device.endpoint: device.fingerprint for device in devices})
    await database.close()


async def test_one_report_that_is_refused_keeps_no_other_from_the_partner(arrived: Arrived) -> None:
    """A device that signs a report nobody asked for must not keep the fleet it came with from being closed."""
    arrived.partner.refused = {arrived.fingerprints["dev-3"]}
    for _ in range(5):
        assert await arrived.outbox.run(PARTNER)
    assert await arrived.receipted() == {"dev-0", "dev-1", "dev-2", "dev-4"}
    arrived.partner.refused = set()
    assert not await arrived.outbox.run(PARTNER)
    assert len(await arrived.receipted()) == 5


async def test_a_refused_document_does_not_stop_the_next(arrived: Arrived) -> None:
    await arrived.add_bag()
    assert await arrived.outbox.run(PARTNER)
    assert len(await arrived.receipted()) == 5


@pytest.mark.parametrize("answer", [lambda _: answered(200, b"x" * 101), lambda _: endless()])
async def test_answers_are_bounded(answer: Callable[[httpx.Request], httpx.Response]) -> None:
    """Rule 31: reading stops at the bound."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="https://sp2.example") as http:
        with pytest.raises(AnswerTooLarge):
            await bounded_request(http, "GET", "/", limit=100)


async def test_nothing_is_asked_for_compressed() -> None:
    """Rule 37: what is not decompressed cannot grow."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "identity"
        return answered(200, b"plain")

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="https://sp2.example") as http:
        assert (await bounded_request(http, "GET", "/", limit=100)).content == b"plain"
