"""What partners send: verified, then stored, then acknowledged. A partner sees its own transfers only.

Each document is checked whole before anything of it is stored: signature by the pinned key, form, and that it says
what was agreed. Rejecting writes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog
from cryptography import x509
from sqlalchemy.ext.asyncio import AsyncConnection

from device_pki.keys import public_key
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.agreement import check_template
from lwm2m_server.fleet.books import change_book
from lwm2m_server.fleet.errors import Contradiction, Rejected, Unknown
from lwm2m_server.fleet.factory_certificates import read_bag
from lwm2m_server.fleet.partners import PartnerProfile
from lwm2m_server.settings import SpSettings
from lwm2m_server.store import firmware as firmware_store
from lwm2m_server.store import fleet as fleet_store
from lwm2m_server.store import queue as queue_store
from lwm2m_server.store import transfers as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.transfers import Document, Kind, Transfer
from trust_transfer.messages.device_update_info import DeviceUpdateInfo, transfer_id
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.jws import verify_detached
from trust_transfer.messages.numbers import JwsTyp
from trust_transfer.messages.receipts import Receipt, decode_receipts, decode_releases
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.provider import new, old
from trust_transfer.provider.book import BookEntry, BookError, SignedReport, verify_report

log = structlog.get_logger()

THIS_TRANSFER: Final = "this transfer"
"""What a partner is told does not exist: the same words whether it is unknown or somebody else's (rule 36)."""
MAX_CHUNKS: Final = 1024
MAX_BAGS: Final = 1024

T = TypeVar("T")
_Change = Callable[[BookEntry, SignedReport, int], BookEntry]


@dataclass(frozen=True, slots=True)
class _Settlement:
    """A verified document of receipts or releases, and what each of its reports does to a book."""

    kind: Kind
    body: bytes
    jws: str
    transfer_id: bytes
    receipts: tuple[Receipt, ...]
    change: _Change


class Inbox:
    """Takes the partner API's documents. Every method returns True when it stored, False for the same bytes again.

    They raise `Unknown`, `Contradiction` (other bytes under the same name) and `Rejected`. `on_book_changed` hears of
    receipts and releases that were stored.
    """

    def __init__(
        self, database: Database, settings: SpSettings, clock: Clock, on_book_changed: Callable[[], None]
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._on_book_changed = on_book_changed

    async def put_devices(self, partner: PartnerProfile, cti: bytes, number: int, body: bytes, jws: str) -> bool:
        """A chunk of the device list; the first one makes the transfer known."""
        _verify(jws, body, partner, JwsTyp.DEVICES)
        with_result = _decoded(lambda: DeviceUpdateInfo.decode(body))
        position, count = with_result.chunk or (0, 1)
        if position != number or count > MAX_CHUNKS:
            raise Rejected(f"the chunk says it is {position} of {count}, the path says {number}")
        async with self._database.transaction() as connection:
            known = await store.get_transfer(connection, cti)
            if known is not None:
                _check_owner(known, partner, outgoing=False)
                if await _stored_before(connection, cti, Kind.DEVICES, number, body):
                    return False
            await _check_transfer_id(connection, cti, number, count, body)
            new_transfer = Transfer(
                cti, False, partner.name, with_result.group, None, None, None, None, self._clock.seconds()
            )
            await store.add_transfer(connection, new_transfer)
            await store.add_document(connection, self._document(cti, Kind.DEVICES, number, body, jws))
        log.info("device_list_received", partner=partner.name, transfer=cti.hex(), chunk=number, chunks=count)
        return True

    async def put_bag(self, partner: PartnerProfile, cti: bytes, number: int, body: bytes) -> bool:
        """A bag of factory certificates; whether they are those of the list is checked when it is accepted."""
        if number >= MAX_BAGS:
            raise Rejected(f"at most {MAX_BAGS} bags")
        read_bag(body)

        async def check(_connection: AsyncConnection, transfer: Transfer) -> None:
            _check_owner(transfer, partner, outgoing=False)

        return await self._put(cti, self._document(cti, Kind.BAG, number, body, None), check)

    async def put_template(self, partner: PartnerProfile, cti: bytes, body: bytes) -> bool:
        """The partner's signed template: taken only if it says what was agreed."""
        template = _decoded(lambda: TransferTemplate.parse(body, partner.transfer_key))

        async def check(connection: AsyncConnection, transfer: Transfer) -> None:
            _check_owner(transfer, partner, outgoing=True)
            chunks = await store.find_documents(connection, cti, Kind.DEVICES)
            entries = [entry for chunk in chunks for entry in DeviceUpdateInfo.decode(chunk.body).entries]
            check_template(template, transfer, entries, partner, self._settings)

        return await self._put(cti, self._document(cti, Kind.TEMPLATE, 0, body, None), check)

    async def post_receipts(self, partner: PartnerProfile, cti: bytes, body: bytes, jws: str) -> bool:
        """Committed reports of devices given away: they close the book and make revoking due (rule 16)."""
        _verify(jws, body, partner, JwsTyp.RECEIPTS)
        named, receipts = _decoded(lambda: decode_receipts(body))
        return await self._settle(
            partner, cti, _Settlement(Kind.RECEIPTS, body, jws, named, receipts, old.received_receipt)
        )

    async def post_releases(self, partner: PartnerProfile, cti: bytes, body: bytes, jws: str) -> bool:
        """Fell-back reports of devices expected here: they end their attempt keys (rule 19)."""
        _verify(jws, body, partner, JwsTyp.RELEASES)
        named, releases = _decoded(lambda: decode_releases(body))
        return await self._settle(partner, cti, _Settlement(Kind.RELEASES, body, jws, named, releases, _released))

    async def _settle(self, partner: PartnerProfile, cti: bytes, sent: _Settlement) -> bool:
        if sent.transfer_id != cti:
            raise Rejected("the document is about another transfer than its path", "wrong_transfer")
        now = self._clock.seconds()
        async with self._database.transaction() as connection:
            transfer = await store.get_transfer(connection, cti)
            _check_owner(transfer, partner, outgoing=sent.kind is Kind.RECEIPTS)
            known = await store.find_documents(connection, cti, sent.kind)
            if any(document.body == sent.body for document in known):
                return False
            for receipt in sent.receipts:
                await _book_receipt(connection, cti, receipt, sent.change, now)
            number = await store.next_number(connection, cti, sent.kind)
            await store.add_document(connection, self._document(cti, sent.kind, number, sent.body, sent.jws))
        log.info("document_received", partner=partner.name, document=sent.kind, reports=len(sent.receipts))
        self._on_book_changed()
        return True

    async def _put(
        self, cti: bytes, document: Document, check: Callable[[AsyncConnection, Transfer], Awaitable[None]]
    ) -> bool:
        async with self._database.transaction() as connection:
            transfer = await store.get_transfer(connection, cti)
            if transfer is None:
                raise Unknown(THIS_TRANSFER)
            await check(connection, transfer)
            if await _stored_before(connection, cti, document.kind, document.number, document.body):
                return False
            await store.add_document(connection, document)
        log.info("document_received", transfer=cti.hex(), document=document.kind, number=document.number)
        return True

    def _document(self, cti: bytes, kind: Kind, number: int, body: bytes, jws: str | None) -> Document:
        return Document(cti, kind, number, False, body, jws, self._clock.seconds(), None)


def _released(book: BookEntry, signed: SignedReport, _now: int) -> BookEntry:
    return new.received_release(book, signed)


async def _book_receipt(connection: AsyncConnection, cti: bytes, receipt: Receipt, change: _Change, now: int) -> None:
    device = await fleet_store.device_of(connection, receipt.fingerprint)
    if device is None:
        raise Rejected(f"no device has the fingerprint {receipt.fingerprint.hex()[:16]}…", "unknown_device")
    factory_key = public_key(x509.load_der_x509_certificate(device.certificate))
    signed = _decoded(lambda: verify_report(receipt.report, factory_key))
    if signed.report.transfer_id != cti:
        raise Rejected(f"the report of {device.endpoint} is about another transfer", "wrong_transfer")
    try:
        book = await change_book(connection, device.endpoint, lambda book: change(book, signed, now), now)
    except BookError as error:
        raise Rejected(str(error), "report_refused") from error
    if book.tenure is None:  # an order of this stay must not be carried out in another one
        await firmware_store.end(connection, device.endpoint, now)
        await queue_store.end(connection, device.endpoint, now)


async def _stored_before(connection: AsyncConnection, cti: bytes, kind: Kind, number: int, body: bytes) -> bool:
    stored = await store.get_document(connection, cti, kind, number)
    if stored is not None and stored.body != body:
        raise Contradiction(f"{kind}/{number} is stored with other bytes; a stored document never changes")
    return stored is not None


async def _check_transfer_id(connection: AsyncConnection, cti: bytes, number: int, count: int, body: bytes) -> None:
    """The transfer id is the hash of the list: judged with the chunk that completes it."""
    chunks = {chunk.number: chunk.body for chunk in await store.find_documents(connection, cti, Kind.DEVICES)}
    chunks[number] = body
    for stored in chunks.values():
        if (DeviceUpdateInfo.decode(stored).chunk or (0, 1))[1] != count:
            raise Rejected("the chunks disagree on how many there are")
    if len(chunks) == count and transfer_id([chunks[i] for i in range(count)]) != cti:
        raise Rejected("the transfer id is not the hash of the device list", "wrong_transfer")


def _check_owner(transfer: Transfer | None, partner: PartnerProfile, *, outgoing: bool) -> None:
    """A transfer of somebody else's, or of the other direction, does not exist for this partner."""
    if transfer is None or transfer.partner != partner.name or transfer.outgoing is not outgoing:
        raise Unknown(THIS_TRANSFER)


def _verify(jws: str, body: bytes, partner: PartnerProfile, typ: JwsTyp) -> None:
    _decoded(lambda: verify_detached(jws, body, partner.document_certificate, typ))


def _decoded(decode: Callable[[], T]) -> T:
    try:
        return decode()
    except MessageError as error:
        raise Rejected.of(error) from error
