"""What is done for a device while it can be reached: read where it stands, keep the book, work off its duties.

The order of a pass: report first (it settles what was open), then firmware, then the duties of the book. No message is
delivered while a push is under way: the agreed state has to be on the device before the message that names it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from cryptography import x509

from cose.keys import PublicKey
from device_pki.identity import PeerIdentity
from device_pki.keys import public_key
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.admission import admission_of
from lwm2m_server.fleet.books import Books
from lwm2m_server.fleet.comparison import arrival_deviations
from lwm2m_server.fleet.definitions import ENROLLMENT, TRANSFER
from lwm2m_server.fleet.offer_delivery import OfferDelivery
from lwm2m_server.fleet.suit_reports import SuitReports
from lwm2m_server.fleet.truststores import account_instance
from lwm2m_server.protocol.errors import DeviceError, DeviceRefused
from lwm2m_server.protocol.object_links import links_of
from lwm2m_server.server.device import Device
from lwm2m_server.server.firmware.service import Firmware
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.server.sessions import DeviceOffline
from lwm2m_server.store import fleet as fleet_store
from lwm2m_server.store import transfers as transfer_store
from lwm2m_server.store.database import Database
from lwm2m_server.store.fleet import Device as DeviceRow
from objects.errors import ObjectsError
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import State
from trust_transfer.provider import new, old
from trust_transfer.provider.admission import Kind
from trust_transfer.provider.book import BookEntry, BookError, Delivery, Offer, verify_report
from trust_transfer.provider.duties import AcknowledgeReport, Cancel, Deliver, DeviceDuty, OrderEnrollment, duties

log = structlog.get_logger()

_STATE = TRANSFER["State"]
_RESULT = TRANSFER["Result"]
_REPORT = TRANSFER["Report"]
_START = TRANSFER["Start"]
_CANCEL = TRANSFER["Cancel"]
_ACKNOWLEDGE = TRANSFER["Acknowledge Report"]
_ENROLL = ENROLLMENT["Enroll"]

_ENROLL_PAUSE = 5.0
"""Seconds before an order to enroll is repeated: the device is at it."""
_DECIDED = {State.COMMITTED, State.FELL_BACK}


class DeviceWork:
    """One pass of a device's worker. `on_book_changed` hears when partner or CA duties may have arisen."""

    def __init__(
        self,
        database: Database,
        books: Books,
        *,
        server: Lwm2mServer,
        offers: OfferDelivery,
        firmware: Firmware,
        reports: SuitReports,
        clock: Clock,
        permanent_anchor: bytes,
        on_book_changed: Callable[[], None],
    ) -> None:
        self._database = database
        self._books = books
        self._server = server
        self._offers = offers
        self._firmware = firmware
        self._reports = reports
        self._clock = clock
        self._permanent_anchor = permanent_anchor
        self._on_book_changed = on_book_changed
        self._ordered: dict[str, float] = {}

    async def run(self, endpoint: str) -> bool:
        """Make one pass; True when something is left that can be tried again without a new contact."""
        session = self._server.sessions.session(endpoint)
        async with self._database.reading() as connection:
            row = await fleet_store.device(connection, endpoint)
        registration = self._server.registrations.get(endpoint)
        peer = None if session is None else session.peer
        if not isinstance(peer, PeerIdentity) or row is None or registration is None:
            return False
        device = self._server.device(endpoint)
        try:
            match admission_of(row, peer).kind:
                case Kind.REFUSED:
                    return False
                case Kind.UPDATE_SESSION:
                    return await self._firmware.run(device)
                case kind:
                    return await self._managed(row, device, registration.links, kind)
        except DeviceOffline as offline:
            log.info("device_offline", endpoint=endpoint, reason=str(offline))
            return False
        except (DeviceError, ObjectsError) as error:
            event = "device_refused" if isinstance(error, DeviceRefused) else "device_answer_unusable"
            log.warning(event, endpoint=endpoint, error=str(error)[:300])
            return True

    async def _managed(self, row: DeviceRow, device: Device, links: str, kind: Kind) -> bool:
        state = await self._read_state(row, device) if TRANSFER.id in links_of(links) else None
        if state in _DECIDED and await self._take_report(row, device):
            self._on_book_changed()
        if kind is Kind.PROVISIONAL:
            return await self._settle_provisional(row, device)
        pushing = kind is Kind.OPERATIONAL and await self._firmware.run(device)
        if not pushing:
            await self._reports.collect(device, links, _factory_key(row))
        due = [duty for duty in await self._due(row.endpoint) if not (pushing and isinstance(duty, Deliver))]
        done = [not pushing] + [await self._do(duty, row, device, links) for duty in due]
        done.append(await self._start(row.endpoint, device))
        return not all(done)

    async def _settle_provisional(self, row: DeviceRow, device: Device) -> bool:
        """Its decision may not be readable yet: it is stored on the answer the device has only just received."""
        book = await self._book(row.endpoint)
        acknowledgements = [duty for duty in duties(book, self._clock.seconds()) if isinstance(duty, AcknowledgeReport)]
        for duty in acknowledgements:
            await self._acknowledge(duty, row.endpoint, device)
        return book.tenure is None

    async def _read_state(self, row: DeviceRow, device: Device) -> State | None:
        state, result = await device.read_value(_STATE), await device.read_value(_RESULT)
        if (state, result) != (row.state, row.result):
            async with self._database.transaction() as connection:
                await fleet_store.change_device(connection, row.endpoint, state=state, result=result)
        try:
            return State(state)  # type: ignore[arg-type]
        except ValueError:
            log.warning("unknown_state", endpoint=row.endpoint, state=state)
            return None

    async def _take_report(self, row: DeviceRow, device: Device) -> bool:
        """Verify and book the device's decision; True when the book has changed."""
        raw = await device.read_value(_REPORT)
        if not isinstance(raw, bytes) or not raw:
            return False
        try:
            signed = verify_report(raw, _factory_key(row))
            now = self._clock.seconds()
            if signed.report.state is State.COMMITTED:
                book = await self._books.change(row.endpoint, lambda book: new.committed(book, signed, now))
            else:
                book = await self._books.change(row.endpoint, lambda book: old.fell_back(book, signed, now))
        except (MessageError, BookError) as error:
            log.warning("report_refused", endpoint=row.endpoint, reason=str(error))
            return False
        log.info("report_stored", endpoint=row.endpoint, state=signed.report.state.name, seq=signed.report.seq)
        await self._compare(row.endpoint, signed.report.transfer_id)
        return book != row.book

    async def _compare(self, endpoint: str, transfer_id: bytes) -> None:
        """A device that trusts other than agreed is owned all the same, and its operator is told."""
        async with self._database.reading() as connection:
            row = await fleet_store.device(connection, endpoint)
            assert row is not None, "devices are never deleted"
            found = await arrival_deviations(connection, row, transfer_id, self._permanent_anchor)
        if found:
            log.warning("report_deviates", endpoint=endpoint, deviations=found)

    async def _book(self, endpoint: str) -> BookEntry:
        device = await self._books.get(endpoint)
        assert device is not None, "devices are never deleted"
        return device.book

    async def _due(self, endpoint: str) -> list[DeviceDuty]:
        due = duties(await self._book(endpoint), self._clock.seconds())
        return [duty for duty in due if isinstance(duty, DeviceDuty)]

    async def _do(self, duty: DeviceDuty, row: DeviceRow, device: Device, links: str) -> bool:
        """One duty; True when it is done, False when it has to be tried again. A refused one does not stop the rest."""
        try:
            return await self._attempt(duty, row, device, links)
        except DeviceRefused as refused:
            log.warning("duty_refused", endpoint=row.endpoint, duty=type(duty).__name__, error=str(refused))
            return False

    async def _attempt(self, duty: DeviceDuty, row: DeviceRow, device: Device, links: str) -> bool:
        match duty:
            case Deliver():
                return await self._offers.deliver(duty, row.endpoint, device, links)
            case Cancel():
                return await self._cancel(duty, row.endpoint, device)
            case AcknowledgeReport():
                return await self._acknowledge(duty, row.endpoint, device)
            case OrderEnrollment():
                return await self._order_enrollment(row.endpoint, device, links)

    async def _cancel(self, duty: Cancel, endpoint: str, device: Device) -> bool:
        """A refusal proves nothing: the report or a receipt will settle the offer (rule 7)."""
        try:
            await device.execute(_CANCEL.path(), str(duty.seq))
        except DeviceRefused as refused:
            log.info("cancel_refused", endpoint=endpoint, seq=duty.seq, error=str(refused))
            return False
        await self._books.change(endpoint, lambda book: old.cancelled(book, duty.seq, self._clock.seconds()))
        log.info("cancelled", endpoint=endpoint, seq=duty.seq)
        return True

    async def _acknowledge(self, duty: AcknowledgeReport, endpoint: str, device: Device) -> bool:
        try:
            await device.execute(_ACKNOWLEDGE.path(), str(duty.seq))
        except DeviceRefused:
            if await device.read_value(_STATE) in _DECIDED:
                raise
            # It has stopped repeating the report: an earlier acknowledgement arrived, its answer did not.
        side = new if duty.committed else old
        await self._books.change(endpoint, lambda book: side.report_acknowledged(book, duty.seq))
        return True

    async def _order_enrollment(self, endpoint: str, device: Device, links: str) -> bool:
        """Ends when the device registers with its new certificate; repeated now and then until it does."""
        if time.monotonic() - self._ordered.get(endpoint, -_ENROLL_PAUSE) < _ENROLL_PAUSE:
            return False
        await device.execute(_ENROLL.path(account_instance(links)))
        self._ordered[endpoint] = time.monotonic()
        log.info("enrollment_ordered", endpoint=endpoint)
        return False

    async def _start(self, endpoint: str, device: Device) -> bool:
        """Start what the operator wants started, once the device has accepted it and its window is open."""
        async with self._database.reading() as connection:
            messages = await transfer_store.find_messages(connection, endpoint=endpoint)
        done = True
        for message in (message for message in messages if message.start):
            offer = _open_offer(await self._book(endpoint), message.seq)
            if offer is None:
                await self._start_done(message)
            elif offer.delivery is Delivery.ACCEPTED and offer.not_before <= self._clock.seconds():
                done = await self._execute_start(message, device) and done
        return done

    async def _execute_start(self, message: transfer_store.Message, device: Device) -> bool:
        try:
            await device.execute(_START.path())
        except DeviceRefused as refused:
            log.info("start_refused", endpoint=message.endpoint, error=str(refused))
            state = await device.read_value(_STATE)
            if state == State.ACCEPTED:
                return False
        await self._start_done(message)
        return True

    async def _start_done(self, message: transfer_store.Message) -> None:
        async with self._database.transaction() as connection:
            await transfer_store.set_start(connection, message, False)


def _open_offer(book: BookEntry, seq: int) -> Offer | None:
    tenure = book.tenure
    if tenure is None:
        return None
    return next((offer for offer in tenure.open_offers if tenure.seq(offer) == seq), None)


def _factory_key(row: DeviceRow) -> PublicKey:
    return public_key(x509.load_der_x509_certificate(row.certificate))
