"""Receipts on their way: batched, signed once, sent until acknowledged, never twice under way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import PrivateKey, generate_private_key, thumbprint
from device_pki import issue
from device_pki.fingerprints import fingerprint
from device_pki.issue import Issuer, Validity
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.outbox import Outbox
from lwm2m_server.provider_keys import Credential
from lwm2m_server.store import fleet, partners, transfers
from lwm2m_server.store.database import Database
from lwm2m_server.store.fleet import Device
from lwm2m_server.store.transfers import Kind, Transfer
from tests.lwm2m_server.test_partner_profiles import profile
from trust_transfer.messages.jws import verify_detached
from trust_transfer.messages.numbers import JwsTyp, Result, State
from trust_transfer.messages.receipts import decode_receipts
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.values import SuitDigest
from trust_transfer.provider import new
from trust_transfer.provider.book import BookEntry, verify_report

CTI = b"\x07" * 16
VALIDITY = Validity.lasting(datetime.now(UTC), timedelta(days=1))
CA_KEY = generate_private_key()
CA = Issuer(issue.root_ca(CA_KEY, "ca", VALIDITY), CA_KEY)


@dataclass(slots=True)
class Partner:
    """The other side: answers with the next of `answers`, then 201."""

    answers: list[int | Exception] = field(default_factory=list)
    received: list[tuple[str, str, bytes, str]] = field(default_factory=list)

    def handle(self, request: httpx.Request) -> httpx.Response:
        answer = self.answers.pop(0) if self.answers else 201
        if isinstance(answer, Exception):
            raise answer
        self.received.append((request.method, request.url.path, request.content, request.headers["JWS"]))
        return httpx.Response(answer, stream=httpx.ByteStream(b""))

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.handle), base_url="https://sp2.example")


@dataclass(slots=True)
class Bench:
    database: Database
    partner: Partner
    outbox: Outbox
    key: Credential

    async def arrive(self, name: str) -> None:
        """A device commits: its receipt becomes due."""
        key = generate_private_key()
        certificate = issue.factory_device(CA, key.public_key(), name, VALIDITY)
        book = committed(new.expect(BookEntry(name, fingerprint(certificate)), CTI), key)
        row = Device(name, book.fingerprint, certificate.public_bytes(Encoding.DER), None, "", None, book)
        async with self.database.transaction() as connection:
            await fleet.add_device(connection, row, 1)

    async def due(self) -> int:
        async with self.database.reading() as connection:
            return len(await fleet.find_devices(connection, partner_duty=True))


def committed(book: BookEntry, key: PrivateKey) -> BookEntry:
    attempt = thumbprint(generate_private_key().public_key())
    report = TransferReport(
        book.endpoint, 1, CTI, 1, State.COMMITTED, Result.NONE, SuitDigest(-16, bytes(32)), (bytes(32),), attempt,
        (bytes(32),),
    )  # fmt: skip
    return new.committed(new.registered(book, attempt), verify_report(report.sign(key), key.public_key()), 5)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    database = await Database.open(tmp_path / "server.db")
    async with database.transaction() as connection:
        await partners.put(connection, profile())
        await transfers.add_transfer(connection, Transfer(CTI, False, "sp2", None, None, None, None, None, 1))
    key = generate_private_key()
    credential = Credential(key, (issue.self_signed_tls(key, "sp1", ["sp1.example"], VALIDITY),))
    partner = Partner()
    outbox = Outbox(database, credential, lambda _: partner.client(), Clock(), batch_delay=0)
    yield Bench(database, partner, outbox, credential)
    await database.close()


async def test_receipts_travel_together(bench: Bench) -> None:
    for name in ("dev-1", "dev-2", "dev-3"):
        await bench.arrive(name)
    assert not await bench.outbox.run("sp2")
    ((method, path, body, jws),) = bench.partner.received
    assert (method, path) == ("POST", f"/partner/v1/transfers/{CTI.hex()}/receipts")
    verify_detached(jws, body, bench.key.certificate, JwsTyp.RECEIPTS)
    assert len(decode_receipts(body)[1]) == 3
    assert await bench.due() == 0
    assert not await bench.outbox.run("sp2")
    assert len(bench.partner.received) == 1


@pytest.mark.parametrize("failure", [httpx.ConnectError("down"), httpx.ReadTimeout("slow"), 500, 503])
async def test_the_same_document_until_it_is_acknowledged(bench: Bench, failure: int | Exception) -> None:
    bench.partner.answers = [failure, failure]
    await bench.arrive("dev-1")
    assert await bench.outbox.run("sp2")
    await bench.arrive("dev-2")  # becomes due while the first document is under way
    assert await bench.outbox.run("sp2")
    assert await bench.due() == 2
    assert not await bench.outbox.run("sp2")
    assert await bench.due() == 0
    assert [len(decode_receipts(body)[1]) for _, _, body, _ in bench.partner.received][-2:] == [1, 1]
    assert len({body for _, _, body, _ in bench.partner.received}) == 2  # the same bytes each time
    assert await stored(bench) == {0: True, 1: True}


@pytest.mark.parametrize("status", [404, 409, 422])
async def test_a_refused_document_holds_back_no_other(bench: Bench, status: int) -> None:
    bench.partner.answers = [status, status]
    await bench.arrive("dev-1")
    assert await bench.outbox.run("sp2")
    await bench.arrive("dev-2")
    assert await bench.outbox.run("sp2")
    assert await stored(bench) == {0: False, 1: True}
    assert not await bench.outbox.run("sp2")
    assert await stored(bench) == {0: True, 1: True}


async def test_one_report_that_is_refused_holds_back_no_other(bench: Bench) -> None:
    for name in ("dev-1", "dev-2", "dev-3"):
        await bench.arrive(name)
    bench.partner.answers = [422]
    while await bench.outbox.run("sp2"):
        if len(bench.partner.received) == 1:
            bench.partner.answers = [422]  # the first half again holds what is refused
    assert await bench.due() == 0
    assert all((await stored(bench)).values())
    reports = [receipt.report for _, _, body, _ in bench.partner.received[2:] for receipt in decode_receipts(body)[1]]
    assert len(set(reports)) == 3


async def stored(bench: Bench) -> dict[int, bool]:
    """Numbers of the receipts documents, and whether each was acknowledged."""
    async with bench.database.reading() as connection:
        documents = await transfers.find_documents(connection, CTI, Kind.RECEIPTS)
    return {document.number: document.acknowledged_at is not None for document in documents}


async def test_another_partner_gets_nothing(bench: Bench) -> None:
    await bench.arrive("dev-1")
    assert not await bench.outbox.run("sp3")
    assert bench.partner.received == []
