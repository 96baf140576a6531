"""The CA role: EST over DTLS for devices, the CA API over mutual TLS for providers, one register behind both."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, NoReturn

import structlog
from cryptography import x509

from cose.keys import authority_key
from device_pki.certificates import load_certificate
from device_pki.encodings import Certificate
from device_pki.identity import PeerIdentity
from device_pki.ocsp.responder import SerialStatus
from device_pki.path import PathError, PathReason, verify_path
from device_pki.revocation import RevocationSource
from device_pki.roles import Role
from enrollment.ca.backend import CaBackend, CaBackendError
from enrollment.ca.ocsp import OcspResponder
from enrollment.ca.revocations import RevocationPublisher
from enrollment.cms.signed import Signer
from enrollment.credentials import CertificateResolver, certificate_identity, pinned_identity
from enrollment.est.server import EstServer
from enrollment.est.service import EstEvent
from lwm2m_server.api.ca import CaService, create_app
from lwm2m_server.api.mutual_tls import pinned_server_context
from lwm2m_server.api.serving import serving
from lwm2m_server.api.status import create_app as create_status_app
from lwm2m_server.ca.backends import opened_backend
from lwm2m_server.ca.directory import CaDirectory, read_certificates
from lwm2m_server.ca.providers import ProviderPins
from lwm2m_server.clock import Clock
from lwm2m_server.roles.garbage import settle
from lwm2m_server.server.factory_revocation import factory_revocation
from lwm2m_server.server.revocation import DeviceRevocation
from lwm2m_server.settings import CaSettings
from lwm2m_server.store.database import Database
from lwm2m_server.store.enrollment_listing import factory_certificates
from lwm2m_server.store.enrollment_register import SqlEnrollmentRegister
from secure_coap.association import Address, Association
from secure_coap.channels.dtls import DtlsServerConfig
from secure_coap.channels.oscore import EdhocServerConfig, OscoreServerConfig
from secure_coap.endpoint import CoapServer
from secure_coap.exchange import Request, Response
from secure_coap.handlers import Handler
from secure_coap.numbers import TransmissionParameters

REFRESH: Final = 1.0
"""Seconds between two looks for what the operator's commands changed."""
_OTHER_CLASS: Final = frozenset({PathReason.NO_PATH, PathReason.NOT_DIRECT})

Now = Callable[[], datetime]

log = structlog.get_logger()


def utc_now() -> datetime:
    """Return the present time, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class RunningCa:
    """Where a started CA listens."""

    est: tuple[str, int]
    api: tuple[str, int]
    oscore: tuple[str, int] | None = None
    """The EST server for the compact profile."""
    status: tuple[str, int] | None = None
    """Where anybody may fetch the revocation list and ask OCSP."""


async def run_ca(settings: CaSettings) -> None:
    """Run until cancelled. Raises `CaDirectoryError` when the folder is not ready, OSError when a port is taken."""
    async with running_ca(settings) as running:
        settle()
        log.info("ca_ready", name=settings.name, est=running.est, api=running.api, status=running.status)
        await asyncio.Event().wait()


@asynccontextmanager
async def running_ca(settings: CaSettings, clock: Now = utc_now) -> AsyncIterator[RunningCa]:
    """Serve inside the block. Raises like `run_ca`."""
    directory = CaDirectory(settings.data)
    async with AsyncExitStack() as stack:
        database = await Database.open(directory.database)
        stack.push_async_callback(database.close)
        backend = await stack.enter_async_context(opened_backend(directory, settings))
        service, pins = await _service(settings, directory, database, backend, clock)
        https = directory.checked_https()
        context = pinned_server_context(https.certificate, https.key, [])
        pins.refresh(context)
        factory = await stack.enter_async_context(
            factory_revocation(
                service.permanent_anchors,
                settings.permanent_crls,
                settings.permanent_ocsp,
                Clock(lambda: clock().timestamp()),
            )
        )
        est, oscore = await stack.enter_async_context(_est(settings, directory, service, factory))
        api = await stack.enter_async_context(serving(create_app(service), *settings.api_bind, tls=context))
        status = None
        if settings.status_bind is not None:
            public = create_status_app(service.publisher, _responder(settings, directory, service))
            status = await stack.enter_async_context(serving(public, *settings.status_bind))
        upkeep = asyncio.create_task(_upkeep(service, pins, context))
        try:
            yield RunningCa(est, api, oscore, status)
        finally:
            upkeep.cancel()
            await asyncio.gather(upkeep, return_exceptions=True)


async def _service(
    settings: CaSettings, directory: CaDirectory, database: Database, backend: CaBackend, clock: Now
) -> tuple[CaService, ProviderPins]:
    register = SqlEnrollmentRegister(database)
    interval = timedelta(seconds=settings.crl_interval)
    publisher = RevocationPublisher(register, backend, interval=interval, clock=clock)
    try:
        await publisher.current()
    except CaBackendError as error:  # an authority elsewhere may come later; until then nobody is let in or enrolled
        log.warning("revocation_list_not_published", reason=str(error))
    anchors = [c for path in settings.permanent_anchors for c in read_certificates(path)]
    pins = ProviderPins(directory, settings.peers)
    static = directory.static_key()
    service = CaService(
        register,
        backend,
        publisher,
        pins,
        anchors,
        settings.public_uri,
        clock,
        oscore_uri=settings.oscore_uri,
        edhoc_key=None if static is None else authority_key(static.public_key()),
    )
    if settings.oscore_bind is not None:
        async for der in factory_certificates(database):
            service.known.add(load_certificate(der))
    return service, pins


def _responder(settings: CaSettings, directory: CaDirectory, service: CaService) -> OcspResponder:
    publisher, issuer = service.publisher, service.ca.chain[0]

    async def status_of(serial_number: int) -> SerialStatus:
        status = await service.register.serial_status(serial_number)
        return status if status.issued else SerialStatus(directory.has_issued(serial_number))

    def mark() -> int:
        newest = publisher.index.newest(issuer)
        return -1 if newest is None else newest.number

    lifetime = timedelta(seconds=settings.ocsp_lifetime)
    return OcspResponder(service.ca, status_of, mark=mark, lifetime=lifetime, clock=service.clock)


@asynccontextmanager
async def _est(
    settings: CaSettings, directory: CaDirectory, service: CaService, factory: DeviceRevocation | None
) -> AsyncIterator[tuple[Address, Address | None]]:
    """The EST server over DTLS and, where it is set, for the compact profile over OSCORE; where they listen."""
    chain, key = directory.est_identity(service.clock())
    signer = Signer(chain[0], key)
    est = EstServer(service.register, service.ca, clock=service.clock, observe=_log_request, signer=signer)
    parameters = TransmissionParameters(
        ack_timeout=settings.coap.ack_timeout, max_retransmit=settings.coap.max_retransmit
    )
    bind = partial(CoapServer.bind, handler=_guarded(est.handle, factory), parameters=parameters)
    verify = DeviceVerifier(service, factory)
    async with AsyncExitStack() as stack:
        dtls = await bind(*settings.bind, dtls=DtlsServerConfig(chain, key, verify))
        stack.push_async_callback(dtls.close)
        if settings.oscore_bind is None:
            yield dtls.address, None
            return
        static = directory.static_key()
        edhoc = EdhocServerConfig(
            [certificate_identity(key, chain, by_reference=False)],
            CertificateResolver(verify, service.known),
            clock=service.clock,
            static=None if static is None else pinned_identity(static),
        )
        oscore = await bind(*settings.oscore_bind, oscore=OscoreServerConfig(edhoc))
        stack.push_async_callback(oscore.close)
        yield dtls.address, oscore.address


def _guarded(
    handle: Callable[[Request, Association], Awaitable[Response]], factory: DeviceRevocation | None
) -> Handler:
    """Whoever is here with a factory certificate may ask only while it is known to be good."""
    if factory is None:
        return handle

    async def guarded(request: Request, association: Association) -> Response:
        peer = association.peer
        if isinstance(peer, PeerIdentity) and peer.role is Role.FACTORY_DEVICE:
            waiting = factory.ready(peer)
            if waiting is not None:
                await waiting
            refusal = factory.refusal(peer)
            if refusal is not None:
                refusal.answer(peer)
        return await handle(request, association)

    return guarded


async def _upkeep(service: CaService, pins: ProviderPins, context: ssl.SSLContext) -> None:
    """Keep the revocation list fresh, and act on what operator commands changed beside this process.

    Apart from each other: one bad file of an operator's must not stop what every device depends on.
    """
    while True:
        await asyncio.sleep(REFRESH)
        try:
            await service.publisher.current()
        except Exception:
            log.exception("revocation_list_not_published")
        try:
            pins.refresh(context)
        except Exception:
            log.exception("providers_not_pinned")


@dataclass(frozen=True, slots=True)
class DeviceVerifier:
    """Lets in factory certificates of the permanent CA, and this CA's own operational ones unless revoked."""

    service: CaService
    factory: DeviceRevocation | None = None
    """What is known about factory certificates; None: none is revoked."""

    def __call__(self, presented: Sequence[Certificate]) -> PeerIdentity:
        """Return the identity a presented chain (leaf first) proves; raise `PathError`."""
        if not presented:
            raise PathError(PathReason.NO_CERTIFICATE)
        try:
            return self._identity(presented, self.service.permanent_anchors, Role.FACTORY_DEVICE, self.factory)
        except PathError as error:
            if error.reason not in _OTHER_CLASS:
                return _refuse(error)
        try:
            return self._identity(
                presented, self.service.ca.chain[:1], Role.OPERATIONAL_DEVICE, self.service.publisher.index
            )
        except PathError as error:
            return _refuse(error)

    def _identity(
        self,
        presented: Sequence[Certificate],
        anchors: Sequence[x509.Certificate],
        role: Role,
        revocation: RevocationSource | None,
    ) -> PeerIdentity:
        path = verify_path(
            presented[0],
            presented[1:],
            anchors=anchors,
            role=role,
            now=self.service.clock(),
            revocation=revocation,
        )
        return PeerIdentity.of(path)


def _refuse(error: PathError) -> NoReturn:
    log.warning("handshake_refused", reason=error.reason.value)
    raise error


def _log_request(event: EstEvent) -> None:
    log.info(
        "est_request",
        operation=event.operation.value,
        label=event.label,
        endpoint=event.endpoint,
        outcome=event.outcome,
    )
