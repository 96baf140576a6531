"""Duties towards the own CA, and its revocation list."""

from __future__ import annotations

from uuid import UUID, uuid5

import httpx
import structlog

from enrollment.ca_client import REVOKE_ALL, CaApiError, CaClient, Enroll
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.books import Books
from lwm2m_server.fleet.trust import DeviceTrust
from lwm2m_server.store import fleet as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.fleet import Device
from trust_transfer.provider import new, old
from trust_transfer.provider.book import BookEntry
from trust_transfer.provider.duties import CaDuty, CloseAndRevoke, RevokeAttemptKey, duties

log = structlog.get_logger()


def transfer_label(base: UUID, transfer_id: bytes) -> UUID:
    """The label for the devices of one incoming transfer: a label never outlives the epoch it was made for."""
    return uuid5(base, transfer_id.hex())


class CaWork:
    """One pass works off every duty towards the CA; each is repeated until the CA confirms it."""

    def __init__(
        self, database: Database, books: Books, ca: CaClient, trust: DeviceTrust, *, label: UUID, clock: Clock
    ) -> None:
        self._database = database
        self._books = books
        self._ca = ca
        self._trust = trust
        self._label = label
        self._clock = clock

    async def run(self, _key: str) -> bool:
        """Make one pass; True when something is left."""
        async with self._database.reading() as connection:
            waiting = await store.find_devices(connection, ca_duty=True)
        done = True
        for device in waiting:
            for duty in duties(device.book, self._clock.seconds()):
                if isinstance(duty, CloseAndRevoke | RevokeAttemptKey):
                    done = await self._do(duty, device) and done
        if waiting:
            done = await self.refresh_crl() and done
        return not done

    async def _do(self, duty: CaDuty, device: Device) -> bool:
        try:
            if isinstance(duty, CloseAndRevoke):
                label = self._label_of_epoch(device, duty.epoch)
                await self._ca.set_device(label, duty.fingerprint, enroll=Enroll.CLOSED, revoke=REVOKE_ALL)
                await self._books.change(device.endpoint, lambda book: old.revocation_confirmed(book, duty.epoch))
            else:
                label = transfer_label(self._label, duty.transfer_id)
                enroll = _enroll_after_release(device.book, duty.transfer_id)
                await self._ca.set_device(label, duty.fingerprint, enroll=enroll, revoke=duty.key)
                await self._books.change(device.endpoint, lambda book: new.key_revocation_confirmed(book, duty.key))
        except (CaApiError, httpx.HTTPError) as error:
            log.warning("ca_duty_failed", endpoint=device.endpoint, duty=type(duty).__name__, error=repr(error))
            return False
        log.info("revocation_confirmed", endpoint=device.endpoint, duty=type(duty).__name__)
        return True

    def _label_of_epoch(self, device: Device, epoch: int) -> UUID:
        """The label the device enrolled under during that tenure: that of the transfer it came by, else the first."""
        arrival = next(tenure.arrival for tenure in device.book.tenures if tenure.epoch == epoch)
        return UUID(device.label) if arrival is None else transfer_label(self._label, arrival.transfer_id)

    async def refresh_crl(self) -> bool:
        """Fetch the CA's revocation lists; False when they could not be had."""
        try:
            self._trust.update(*await self._ca.crls())
        except (CaApiError, httpx.HTTPError) as error:
            log.warning("crl_not_fetched", error=repr(error))
            return False
        return True


def _enroll_after_release(book: BookEntry, transfer_id: bytes) -> Enroll:
    """The label stays open while the transfer may be offered again, or the device arrived by it and is here."""
    arrived = book.tenure is not None and book.tenure.arrival is not None
    here = arrived and book.tenure.arrival.transfer_id == transfer_id  # type: ignore[union-attr]
    expected = any(known.transfer_id == transfer_id for known in book.awaited)
    return Enroll.OPEN if here or expected else Enroll.CLOSED
