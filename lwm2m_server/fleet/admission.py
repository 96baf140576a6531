"""Who registers at a service provider: admission by the book (registry.md, "Logging in at a server").

What a registration changes in the book is stored before the registration itself, and that before the answer
(protocol.md, rule 12). The endpoint name is that of the verified certificate, from the first contact on; what the
device says about it may only repeat it.
"""

from __future__ import annotations

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from cose.keys import thumbprint
from device_pki.identity import PeerIdentity
from device_pki.keys import public_key
from device_pki.roles import Role
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.manifests import order_manifest
from lwm2m_server.fleet.trust import DeviceTrust
from lwm2m_server.protocol.registration import Register
from lwm2m_server.protocol.registrations import Registration
from lwm2m_server.store import fleet as fleet_store
from lwm2m_server.store import transfers as transfer_store
from lwm2m_server.store.database import Database
from lwm2m_server.store.fleet import Device
from secure_coap.association import Association
from secure_coap.errors import Forbidden, Unauthorized
from trust_transfer.provider import new, old
from trust_transfer.provider.admission import Admission, Identity, Kind, admit
from trust_transfer.provider.book import BookEntry, BookError

log = structlog.get_logger()


def admission_of(device: Device | None, peer: PeerIdentity) -> Admission:
    """What a verified peer may be here. A factory certificate must be the very one of the list."""
    if device is None:
        return admit(None, Identity.FACTORY, b"")
    if peer.role is Role.OPERATIONAL_DEVICE:
        return admit(device.book, Identity.OPERATIONAL, peer.key_thumbprint)
    if peer.fingerprint != device.fingerprint:
        return Admission(Kind.REFUSED, "another factory certificate than the one registered for this endpoint")
    return admit(device.book, Identity.FACTORY, thumbprint(public_key(peer.certificate)))


class BookAdmission:
    """The `server.admission.Admission` of a service provider.

    `backdate`: seconds the own CA sets notBefore before the moment of issue.
    """

    def __init__(self, database: Database, trust: DeviceTrust, clock: Clock, *, backdate: int) -> None:
        self._database = database
        self._trust = trust
        self._clock = clock
        self._backdate = backdate

    def check(self, association: Association) -> None:
        """Only devices whose certificate still counts; raises `Unauthorized`, `ServiceUnavailable`."""
        peer = _peer(association)
        refusal = self._trust.refusal(peer)
        if refusal is not None:
            refusal.answer(peer)

    async def admit(self, asked: Register, association: Association) -> str:
        """Decide, and store what the registration changes in the book."""
        peer = _peer(association)
        endpoint = str(peer.endpoint)
        if asked.endpoint not in {None, endpoint}:
            log.warning("registration_refused", endpoint=endpoint, reason="another device's name")
            raise Forbidden("ep is not the name of the certificate")
        async with self._database.transaction() as connection:
            kind = await self._admit(connection, peer, endpoint)
        log.info("admitted", endpoint=endpoint, admission=kind.value, lifetime=asked.lifetime)
        return endpoint

    async def keeps(self, registration: Registration, association: Association) -> bool:
        """Whether the book still lets the device in."""
        async with self._database.reading() as connection:
            device = await fleet_store.device(connection, registration.endpoint)
        return admission_of(device, _peer(association)).allowed

    def takes_orders(self, association: Association) -> bool:
        """One with its factory certificate takes the orders of a transfer only (registry.md, "Logging in")."""
        return _peer(association).role is Role.OPERATIONAL_DEVICE

    async def _admit(self, connection: AsyncConnection, peer: PeerIdentity, endpoint: str) -> Kind:
        device = await fleet_store.device(connection, endpoint)
        admission = admission_of(device, peer)
        if device is None or not admission.allowed:
            log.warning("registration_refused", endpoint=endpoint, reason=admission.reason)
            raise Forbidden("not a device of this server")
        try:
            book = self._book_after(device.book, admission.kind, peer)
        except BookError as error:
            log.warning("registration_refused", endpoint=endpoint, reason=str(error))
            raise Forbidden("not a device of this server") from error
        if book != device.book:
            await fleet_store.put_book(connection, book, self._clock.seconds())
        if admission.kind is Kind.UPDATE_SESSION:
            await self._order_update(connection, device)
        return admission.kind

    def _book_after(self, book: BookEntry, kind: Kind, peer: PeerIdentity) -> BookEntry:
        if kind is Kind.OPERATIONAL:
            issued_at = int(peer.certificate.not_valid_before_utc.timestamp()) + self._backdate
            return old.registered(book, issued_at=issued_at)
        if kind is Kind.PROVISIONAL:
            return new.registered(book, peer.key_thumbprint)
        return book

    async def _order_update(self, connection: AsyncConnection, device: Device) -> None:
        """In an update session the device takes the manifest its transfer names, each time it comes for it."""
        for expected in reversed(device.book.awaited):
            transfer = await transfer_store.get_transfer(connection, expected.transfer_id)
            if expected.update_first and transfer is not None and transfer.update_first is not None:
                now = self._clock.seconds()
                await order_manifest(
                    connection, device.endpoint, transfer.update_first, install=True, now=now, again=True
                )
                return


def _peer(association: Association) -> PeerIdentity:
    peer = association.peer
    if not isinstance(peer, PeerIdentity) or peer.endpoint is None:
        raise Unauthorized("register over DTLS with a device certificate")
    return peer
