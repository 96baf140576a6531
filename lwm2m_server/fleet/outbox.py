"""What goes out to partners and to the own CA, until it is acknowledged.

Documents are stored whole before the first byte is sent; receipts and releases that wait while one document is under
way travel together in the next. A 2xx answer is an acknowledgement, everything else is tried again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from enum import Enum
from http import HTTPStatus
from typing import Final

import httpx
import structlog
from cryptography import x509
from sqlalchemy.ext.asyncio import AsyncConnection

from device_pki.keys import public_key
from enrollment.bounded_http import bounded_request
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.books import Change, change_book
from lwm2m_server.fleet.partners import PartnerProfile
from lwm2m_server.provider_keys import Credential
from lwm2m_server.store import fleet as fleet_store
from lwm2m_server.store import partners as partner_store
from lwm2m_server.store import transfers as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.transfers import Document, Kind
from trust_transfer.messages.jws import sign_detached
from trust_transfer.messages.numbers import JwsTyp
from trust_transfer.messages.receipts import (
    Receipt,
    decode_receipts,
    decode_releases,
    encode_receipts,
    encode_releases,
)
from trust_transfer.messages.report import TransferReport
from trust_transfer.provider import new, old
from trust_transfer.provider.duties import SendReceipt, SendRelease, duties

log = structlog.get_logger()

MAX_BATCH: Final = 500
"""Reports in one document; well below the size limit of the partner API."""
MAX_ANSWER: Final = 64 * 1024
"""Bytes of the largest answer a partner may give."""
_ABOUT_CONTENT: Final = frozenset({HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})
_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_ORDER: Final = (Kind.DEVICES, Kind.BAG, Kind.TEMPLATE, Kind.RECEIPTS, Kind.RELEASES)
"""A partner knows a transfer by its device list: that goes first."""


class _Answer(Enum):
    """What became of a document that was sent."""

    STORED = "stored"
    REFUSED = "refused"
    NONE = "none"


class Outbox:
    """One pass sends everything due to one partner. `client_for` gives the HTTP client pinned to it.

    `batch_delay`: seconds a report waits for others.
    """

    def __init__(
        self,
        database: Database,
        document_key: Credential,
        client_for: Callable[[PartnerProfile], httpx.AsyncClient],
        clock: Clock,
        *,
        batch_delay: float,
    ) -> None:
        self._database = database
        self._batch_delay = batch_delay
        self._key = document_key
        self._client_for = client_for
        self._clock = clock

    async def run(self, partner: str) -> bool:
        """Make one pass; True when something could not be delivered."""
        if await self._more(partner):
            await asyncio.sleep(self._batch_delay)  # others that become due meanwhile travel along
        async with self._database.transaction() as connection:
            await self._batch(connection, partner)
            waiting = await _waiting(connection, partner)
            profile = await partner_store.find(connection, partner)
        if profile is None or not waiting:
            return False
        client = self._client_for(profile)
        left = False
        for document in waiting:
            answer = await self._send(client, partner, document)
            if answer is _Answer.NONE:
                return True
            left = left or answer is _Answer.REFUSED
        return left or await self._more(partner)

    async def _more(self, partner: str) -> bool:
        """Whether receipts or releases are due that no document carries yet."""
        async with self._database.reading() as connection:
            return bool(await _unbatched(connection, partner, self._clock.seconds()))

    async def _batch(self, connection: AsyncConnection, partner: str) -> None:
        """Put reports that are due, and in no document yet, into signed documents."""
        now = self._clock.seconds()
        for (transfer_id, kind), due in (await _unbatched(connection, partner, now)).items():
            for start in range(0, len(due), MAX_BATCH):
                await self._add(connection, transfer_id, kind, due[start : start + MAX_BATCH])

    async def _add(self, connection: AsyncConnection, transfer_id: bytes, kind: Kind, reports: list[Receipt]) -> None:
        """Sign a document of these reports and make it due."""
        number = await store.next_number(connection, transfer_id, kind)
        body = _encode(transfer_id, kind, reports)
        jws = sign_detached(body, self._key.private_key, self._key.certificate, _TYP[kind])
        document = Document(transfer_id, kind, number, True, body, jws, self._clock.seconds(), None)
        await store.add_document(connection, document)

    async def _send(self, client: httpx.AsyncClient, partner: str, document: Document) -> _Answer:
        try:
            response = await bounded_request(
                client,
                "POST" if document.kind in _TYP else "PUT",
                _path(document),
                limit=MAX_ANSWER,
                content=document.body,
                headers=_headers(document),
            )
        except httpx.HTTPError as error:
            log.info("partner_unreachable", partner=partner, error=repr(error))
            return _Answer.NONE
        if not response.is_success:
            return await self._refused(partner, document, response)
        await self._acknowledged(document)
        log.info("document_acknowledged", partner=partner, document=document.kind, number=document.number)
        return _Answer.STORED

    async def _refused(self, partner: str, document: Document, response: httpx.Response) -> _Answer:
        """Some answers are about the partner; any other about this document, and no reason to hold back the next."""
        status, detail = response.status_code, response.text[:500]
        log.warning("partner_refused", partner=partner, document=document.kind, status=status, detail=detail)
        if response.is_server_error or status in _LATER:
            return _Answer.NONE
        if status in _ABOUT_CONTENT and len(_reports_in(document)) > 1:
            await self._halve(document)
        return _Answer.REFUSED

    async def _halve(self, document: Document) -> None:
        """One report the partner does not take keeps no other from it: they travel in two documents from now on."""
        reports = list(_reports_in(document))
        middle = len(reports) // 2
        async with self._database.transaction() as connection:
            for half in (reports[:middle], reports[middle:]):
                await self._add(connection, document.transfer_id, document.kind, half)
            await store.remove_document(connection, document)

    async def _acknowledged(self, document: Document) -> None:
        now = self._clock.seconds()
        async with self._database.transaction() as connection:
            await store.acknowledge(connection, document, now)
            for receipt in _reports_in(document):
                device = await fleet_store.device_of(connection, receipt.fingerprint)
                assert device is not None, "only reports of booked devices are sent"
                factory_key = public_key(x509.load_der_x509_certificate(device.certificate))
                seq = TransferReport.parse(receipt.report, factory_key).seq
                await change_book(connection, device.endpoint, _mark(document.kind, seq), now)


_TYP: Final = {Kind.RECEIPTS: JwsTyp.RECEIPTS, Kind.RELEASES: JwsTyp.RELEASES}

_Due = dict[tuple[bytes, Kind], list[Receipt]]


async def _unbatched(connection: AsyncConnection, partner: str, now: int) -> _Due:
    """Reports due to a partner that no document on its way carries."""
    due: _Due = defaultdict(list)
    for device in await fleet_store.find_devices(connection, partner_duty=True):
        for duty in duties(device.book, now):
            if isinstance(duty, SendReceipt | SendRelease):
                kind = Kind.RECEIPTS if isinstance(duty, SendReceipt) else Kind.RELEASES
                due[duty.transfer_id, kind].append(Receipt(duty.fingerprint, duty.at, duty.report))
    for transfer_id, kind in list(due):
        transfer = await store.get_transfer(connection, transfer_id)
        if transfer is None or transfer.partner != partner:
            del due[transfer_id, kind]
            continue
        under_way = {
            receipt.report
            for document in await store.find_documents(connection, transfer_id, kind)
            if document.outgoing and document.acknowledged_at is None
            for receipt in _reports_in(document)
        }
        due[transfer_id, kind] = [receipt for receipt in due[transfer_id, kind] if receipt.report not in under_way]
    return {name: receipts for name, receipts in due.items() if receipts}


async def _waiting(connection: AsyncConnection, partner: str) -> list[Document]:
    waiting = []
    for document in await store.unacknowledged(connection):
        transfer = await store.get_transfer(connection, document.transfer_id)
        if transfer is not None and transfer.partner == partner:
            waiting.append(document)
    return sorted(waiting, key=lambda document: (_ORDER.index(document.kind), document.number))


def _encode(transfer_id: bytes, kind: Kind, receipts: list[Receipt]) -> bytes:
    return (encode_receipts if kind is Kind.RECEIPTS else encode_releases)(transfer_id, receipts)


def _reports_in(document: Document) -> tuple[Receipt, ...]:
    if document.kind is Kind.RECEIPTS:
        return decode_receipts(document.body)[1]
    return decode_releases(document.body)[1] if document.kind is Kind.RELEASES else ()


def _mark(kind: Kind, seq: int) -> Change:
    if kind is Kind.RECEIPTS:
        return lambda book: new.receipt_acknowledged(book, seq)
    return lambda book: old.release_acknowledged(book, seq)


def _path(document: Document) -> str:
    base = f"/partner/v1/transfers/{document.transfer_id.hex()}/{document.kind}"
    return f"{base}/{document.number}" if document.kind in {Kind.DEVICES, Kind.BAG} else base


def _headers(document: Document) -> dict[str, str]:
    headers = {"content-type": "application/cwt" if document.kind is Kind.TEMPLATE else "application/cbor"}
    return headers if document.jws is None else {**headers, "JWS": document.jws}
