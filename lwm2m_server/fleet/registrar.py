"""The registration interface at work: admission by the book, registrations in the store, sessions at the gateway.

Everything a device is told here was stored before (protocol.md, rule 12). The endpoint name is that of the verified
certificate, from the first contact on; what the device says about it may only repeat it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.ext.asyncio import AsyncConnection

from cose.keys import thumbprint
from device_pki.fingerprints import fingerprint
from device_pki.identity import PeerIdentity
from device_pki.keys import public_key
from device_pki.roles import Role
from lwm2m_server.fleet.clock import Clock
from lwm2m_server.fleet.gateway import Gateway
from lwm2m_server.fleet.trust import DeviceTrust
from lwm2m_server.protocol import registration as interface
from lwm2m_server.protocol.registration import Deregister, Register, RegistrationRate, Update
from lwm2m_server.store import firmware as firmware_store
from lwm2m_server.store import fleet as fleet_store
from lwm2m_server.store import registrations as store
from lwm2m_server.store import transfers as transfer_store
from lwm2m_server.store.database import Database
from lwm2m_server.store.fleet import Device
from secure_coap.association import Association
from secure_coap.errors import Forbidden, NotFound, ServiceUnavailable, TooManyRequests, Unauthorized
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from trust_transfer.provider import new, old
from trust_transfer.provider.admission import Admission, Identity, Kind, admit
from trust_transfer.provider.book import BookEntry, BookError

log = structlog.get_logger()
_DER = Encoding.DER
RETRY_AFTER: Final = 30
"""Seconds a device is asked to wait while no fresh revocation list is here (Max-Age of 5.03)."""


def admission_of(device: Device | None, peer: PeerIdentity) -> Admission:
    """What a verified peer may be here. A factory certificate must be the very one of the list."""
    if device is None:
        return admit(None, Identity.FACTORY, b"")
    if peer.role is Role.OPERATIONAL_DEVICE:
        return admit(device.book, Identity.OPERATIONAL, peer.key_thumbprint)
    if fingerprint(peer.certificate) != device.fingerprint:
        return Admission(Kind.REFUSED, "another factory certificate than the one registered for this endpoint")
    return admit(device.book, Identity.FACTORY, thumbprint(public_key(peer.certificate)))


class Registrar:
    """Answers the registration interface. `on_contact` hears of every device that registered or updated.

    `backdate`: seconds the own CA sets notBefore before the moment of issue.
    """

    def __init__(
        self,
        database: Database,
        gateway: Gateway,
        trust: DeviceTrust,
        clock: Clock,
        *,
        backdate: int,
        on_contact: Callable[[str], None],
    ) -> None:
        self._backdate = backdate
        self._database = database
        self._gateway = gateway
        self._trust = trust
        self._clock = clock
        self._on_contact = on_contact
        self._rate = RegistrationRate()

    async def handle(self, request: Request, association: Association) -> Response:
        """Answer one request of a device; raises `CoapError` for a refusal."""
        peer = association.peer
        if not isinstance(peer, PeerIdentity) or peer.endpoint is None:
            raise Unauthorized("register over DTLS with a device certificate")
        self._check_session(peer)
        asked = interface.parse(request)
        if isinstance(asked, Register):
            response = await self._register(asked, peer, peer.endpoint)
        elif isinstance(asked, Update):
            response = await self._update(asked, peer, peer.endpoint)
        else:
            return await self._deregister(asked, peer.endpoint)
        self._gateway.attach(peer.endpoint, association)
        self._on_contact(peer.endpoint)
        return response

    def _check_session(self, peer: PeerIdentity) -> None:
        """A final answer ends a transfer's step for good: only what is wrong with the device may get one (rule 12)."""
        refusal = self._trust.refusal(peer)
        if refusal is None:
            return
        log.warning("session_refused", endpoint=peer.endpoint, reason=refusal.reason)
        if refusal.final:
            raise Unauthorized(refusal.reason)
        raise ServiceUnavailable("certificates cannot be checked now", max_age=RETRY_AFTER)

    async def _register(self, asked: Register, peer: PeerIdentity, endpoint: str) -> Response:
        if asked.endpoint not in {None, endpoint}:
            log.warning("registration_refused", endpoint=endpoint, reason="another device's name")
            raise Forbidden("ep is not the name of the certificate")
        if not self._rate.admit(endpoint, time.monotonic()):
            raise TooManyRequests("too many registrations", max_age=60)
        now = self._clock.now()
        handle = secrets.token_bytes(interface.HANDLE_SIZE)
        certificate = peer.certificate.public_bytes(_DER)
        async with self._database.transaction() as connection:
            kind = await self._admit(connection, peer, endpoint)
            await store.put(
                connection,
                store.Registration(
                    endpoint=endpoint,
                    handle=handle,
                    certificate=certificate,
                    lifetime=asked.lifetime,
                    version=asked.version,
                    binding=asked.binding,
                    links=asked.links,
                    registered_at=now,
                    updated_at=now,
                ),
            )
        log.info("registered", endpoint=endpoint, admission=kind.value, lifetime=asked.lifetime)
        return Response(Code.CREATED, location_path=("rd", handle.hex()))

    async def _admit(self, connection: AsyncConnection, peer: PeerIdentity, endpoint: str) -> Kind:
        """Decide, and store what the registration changes in the book."""
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
                await firmware_store.order_push(
                    connection, device.endpoint, transfer.update_first, install=True, now=now, again=True
                )
                return

    async def _update(self, asked: Update, peer: PeerIdentity, endpoint: str) -> Response:
        now = self._clock.now()
        async with self._database.transaction() as connection:
            found = await self._own(connection, asked.handle, endpoint)
            if found.expires_at < now or found.certificate != peer.certificate.public_bytes(_DER):
                raise NotFound("no such registration")
            device = await fleet_store.device(connection, endpoint)
            if not admission_of(device, peer).allowed:
                await store.remove(connection, endpoint)
                raise NotFound("no such registration")
            changed = replace(
                found,
                lifetime=found.lifetime if asked.lifetime is None else asked.lifetime,
                binding=asked.binding or found.binding,
                links=asked.links or found.links,
                updated_at=now,
            )
            await store.put(connection, changed)
        return Response(Code.CHANGED)

    async def _deregister(self, asked: Deregister, endpoint: str) -> Response:
        async with self._database.transaction() as connection:
            await self._own(connection, asked.handle, endpoint)
            await store.remove(connection, endpoint)
        self._gateway.forget(endpoint)
        log.info("deregistered", endpoint=endpoint)
        return Response(Code.DELETED)

    @staticmethod
    async def _own(connection: AsyncConnection, handle: bytes, endpoint: str) -> store.Registration:
        """The registration of this very device; another's handle is answered like an unknown one."""
        found = await store.by_handle(connection, handle)
        if found is None or found.endpoint != endpoint:
            raise NotFound("no such registration")
        return found

    async def expire(self) -> None:
        """End registrations whose lifetime has passed."""
        async with self._database.transaction() as connection:
            ended = await store.remove_expired(connection, self._clock.now())
        for endpoint in ended:
            self._gateway.forget(endpoint)
            log.info("registration_expired", endpoint=endpoint)
        self._rate.forget(time.monotonic())
