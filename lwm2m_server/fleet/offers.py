"""The old provider's orders to devices: offer, start, cancel (life cycle, step 7).

Every order may be repeated: what is done already stays as it is. An order stores what it decides and returns; carrying
it out is the device workers', which read it from the store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from cose.keys import PrivateKey
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.books import change_book
from lwm2m_server.fleet.errors import Contradiction, FleetError, NotReady, Unknown
from lwm2m_server.fleet.manifests import order_manifest
from lwm2m_server.fleet.transfer_lookup import complete_list, find_transfer, listed_devices
from lwm2m_server.store import fleet as fleet_store
from lwm2m_server.store import transfers as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.fleet import Device
from lwm2m_server.store.transfers import Kind, Message, Transfer
from trust_transfer.messages.device_update_info import (
    DeviceInfo,
)
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Form
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.transfer_message import Terms, endorsed_message, narrowed_window, plain_message
from trust_transfer.messages.values import seq_value
from trust_transfer.provider import old
from trust_transfer.provider.book import BookEntry, BookError, Offer

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Offered:
    """What `transfer offer` did: seq by device, and why the others got none."""

    seqs: Mapping[str, int]
    skipped: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Offering:
    """A transfer and its template, read and as the partner signed it."""

    transfer: Transfer
    template: TransferTemplate
    raw: bytes


class Offers:
    """Makes, starts and takes back offers.

    `fallback_uri` gives this server's URI as a device, by endpoint name, reaches it; `wake_device` hears of new work.
    """

    def __init__(
        self,
        database: Database,
        transfer_key: PrivateKey,
        fallback_uri: Callable[[str], str],
        *,
        clock: Clock,
        wake_device: Callable[[str], None],
    ) -> None:
        self._database = database
        self._key = transfer_key
        self._fallback_uri = fallback_uri
        self._clock = clock
        self._wake_device = wake_device

    async def offer(self, cti: bytes) -> Offered:
        """Make, sign and book a TransferMessage for each device that has no open offer of this transfer."""
        async with self._database.transaction() as connection:
            transfer = await find_transfer(connection, cti, outgoing=True)
            stored = await store.get_document(connection, cti, Kind.TEMPLATE, 0)
            if stored is None:
                raise NotReady(f"{transfer.partner} has not sent its template: it runs `transfer accept {cti.hex()}`")
            template = TransferTemplate.parse(stored.body, None)
            chunks = await complete_list(connection, cti)
            seqs, skipped = {}, {}
            offering = _Offering(transfer, template, stored.body)
            for endpoint, info in (await listed_devices(connection, chunks)).items():
                try:
                    seqs[endpoint] = await self._offer_one(connection, offering, endpoint, info)
                except (BookError, MessageError, FleetError) as error:
                    skipped[endpoint] = str(error)
        for endpoint in seqs:
            self._wake_device(endpoint)
        log.info("transfer_offered", transfer=cti.hex(), offered=len(seqs), skipped=len(skipped))
        return Offered(seqs, skipped)

    async def _offer_one(
        self, connection: AsyncConnection, offering: _Offering, endpoint: str, info: DeviceInfo
    ) -> int:
        transfer, template = offering.transfer, offering.template
        device = await fleet_store.device(connection, endpoint)
        if device is None:
            raise Unknown(f"device {endpoint!r}")
        tenure = device.book.owned_tenure()
        for standing in tenure.open_offers:
            if standing.transfer_id == transfer.transfer_id:
                return tenure.seq(standing)
            raise Contradiction(f"an offer of transfer {standing.transfer_id.hex()} is open; cancel it first")
        now = self._clock.seconds()
        if now >= min(info.latest, template.not_after):
            raise NotReady("the window has passed; prepare a new transfer")
        assert transfer.agreed_state is not None and transfer.form is not None, "every outgoing transfer has both"
        seq, form = old.next_seq(device.book), Form(transfer.form)
        terms = terms_for(form, endpoint, info, template, seq=seq, fallback=self._fallback_uri(endpoint), now=now)
        message = write_message(form, template, offering.raw, terms, self._key)
        window = narrowed_window(template, terms.not_before, terms.not_after)
        await change_book(connection, endpoint, _booking(seq, message, transfer, window, now), now)
        await store.add_message(connection, Message(transfer.transfer_id, endpoint, seq, message))
        await order_manifest(connection, endpoint, transfer.agreed_state, install=False, now=now, again=True)
        return seq

    async def start(self, cti: bytes, endpoints: Collection[str] | None = None) -> list[str]:
        """Have devices begin as soon as their window is open, without the jitter; returns whom this concerns."""
        concerned = []
        async with self._database.transaction() as connection:
            await find_transfer(connection, cti, outgoing=True)
            for device in await _devices_of(connection, cti, endpoints):
                tenure = device.book.tenure
                open_seqs = {tenure.seq(one) for one in _open_offers(device, cti)} if tenure else set()
                for message in await store.find_messages(connection, transfer_id=cti, endpoint=device.endpoint):
                    if message.seq in open_seqs:
                        await store.set_start(connection, message, True)
                        concerned.append(device.endpoint)
        for endpoint in concerned:
            self._wake_device(endpoint)
        return concerned

    async def cancel(self, cti: bytes, endpoints: Collection[str] | None = None) -> list[str]:
        """Take open offers back: Cancel is repeated until the device proves how it ended."""
        concerned = []
        now = self._clock.seconds()
        async with self._database.transaction() as connection:
            await find_transfer(connection, cti, outgoing=True)
            for device in await _devices_of(connection, cti, endpoints):
                for standing in _open_offers(device, cti):
                    seq = seq_value(device.book.owned_tenure().epoch, standing.n)
                    await change_book(connection, device.endpoint, _withdrawal(seq), now)
                    concerned.append(device.endpoint)
        for endpoint in concerned:
            self._wake_device(endpoint)
        log.info("transfer_cancelled", transfer=cti.hex(), devices=len(concerned))
        return concerned


def terms_for(
    form: Form, endpoint: str, info: DeviceInfo, template: TransferTemplate, *, seq: int, fallback: str, now: int
) -> Terms:
    """What makes the template one device's message, and nothing that would only repeat the template.

    A window is named where the device's own is narrower; an endorsed message is dated by the template in it.
    """
    return Terms(
        audience=endpoint,
        seq=seq,
        fallback_uri=fallback,
        not_before=info.earliest if info.earliest > template.not_before else None,
        not_after=info.latest if info.latest < template.not_after else None,
        issued_at=now if form is Form.PLAIN else None,
    )


def write_message(form: Form, template: TransferTemplate, raw: bytes, terms: Terms, key: PrivateKey) -> bytes:
    """The device's signed message in either form; `raw` is the template as the partner signed it."""
    return endorsed_message(raw, terms, key) if form is Form.ENDORSED else plain_message(template, terms, key)


async def _devices_of(connection: AsyncConnection, cti: bytes, endpoints: Collection[str] | None) -> list[Device]:
    listed = set(await listed_devices(connection, await complete_list(connection, cti)))
    if endpoints is not None:
        if foreign := set(endpoints) - listed:
            raise Unknown(f"device {min(foreign)!r} in transfer {cti.hex()}")
        listed = set(endpoints)
    return await fleet_store.find_devices(connection, endpoints=listed)


def _open_offers(device: Device, cti: bytes) -> list[Offer]:
    tenure = device.book.tenure
    return [offer for offer in tenure.open_offers if offer.transfer_id == cti] if tenure else []


def _booking(
    seq: int, message: bytes, transfer: Transfer, window: tuple[int, int], now: int
) -> Callable[[BookEntry], BookEntry]:
    begin, end = window
    return lambda book: old.offer(
        book, seq, message, transfer_id=transfer.transfer_id, not_before=begin, not_after=end, now=now
    )


def _withdrawal(seq: int) -> Callable[[BookEntry], BookEntry]:
    return lambda book: old.withdraw(book, seq)
