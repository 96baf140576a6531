"""The EST servers of a CA - over DTLS, over OSCORE, over HTTPS - and whom they let in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final, NoReturn

import structlog
from cryptography import x509

from device_pki.encodings import Certificate
from device_pki.identity import PeerIdentity
from device_pki.path import PathError, PathReason, verify_path
from device_pki.revocation import RevocationSource
from device_pki.roles import Role
from enrollment.cms.signed import Signer
from enrollment.credentials import CertificateResolver, certificate_identity, pinned_identity
from enrollment.est.server import EstServer
from enrollment.est.service import EstEvent
from lwm2m_server.api.ca import CaService
from lwm2m_server.api.est import Identify, create_app
from lwm2m_server.api.mutual_tls import verifying_server_context
from lwm2m_server.api.serving import serving
from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.problem import Problem
from lwm2m_server.server.revocation import DeviceRevocation, SessionRefusal
from lwm2m_server.settings import CaSettings
from secure_coap.association import Address, Association
from secure_coap.channels.dtls import DtlsServerConfig
from secure_coap.channels.oscore import EdhocServerConfig, OscoreServerConfig
from secure_coap.endpoint import CoapServer
from secure_coap.exchange import Request, Response
from secure_coap.handlers import Handler
from secure_coap.numbers import TransmissionParameters

_OTHER_CLASS: Final = frozenset({PathReason.NO_PATH, PathReason.NOT_DIRECT})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class EstAddresses:
    """Where EST is served."""

    dtls: Address
    oscore: Address | None
    https: Address | None


@asynccontextmanager
async def serving_est(
    settings: CaSettings, directory: CaDirectory, service: CaService, factory: DeviceRevocation | None
) -> AsyncIterator[EstAddresses]:
    """Serve EST inside the block: over DTLS and, where they are set, over OSCORE and HTTPS."""
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
        oscore = https = None
        if settings.oscore_bind is not None:
            static = directory.static_key()
            edhoc = EdhocServerConfig(
                [certificate_identity(key, chain, by_reference=settings.oscore_reference)],
                CertificateResolver(verify, service.known),
                clock=service.clock,
                static=None if static is None else pinned_identity(static),
            )
            compact = await bind(*settings.oscore_bind, oscore=OscoreServerConfig(edhoc))
            stack.push_async_callback(compact.close)
            oscore = compact.address
        if settings.est_https_bind is not None:
            app = create_app(est.service, _identify(verify, factory))
            anchors = [*service.permanent_anchors, *service.ca.chain, *service.ca.earlier]
            context = verifying_server_context(directory.est.certificate, directory.est.key, anchors)
            https = await stack.enter_async_context(serving(app, *settings.est_https_bind, tls=context))
        yield EstAddresses(dtls.address, oscore, https)


def _guarded(
    handle: Callable[[Request, Association], Awaitable[Response]], factory: DeviceRevocation | None
) -> Handler:
    """Whoever is here with a factory certificate may ask only while it is known to be good."""
    if factory is None:
        return handle

    async def guarded(request: Request, association: Association) -> Response:
        peer = association.peer
        if isinstance(peer, PeerIdentity):
            refusal = await _refusal(peer, factory)
            if refusal is not None:
                refusal.answer(peer)
        return await handle(request, association)

    return guarded


def _identify(verify: DeviceVerifier, factory: DeviceRevocation | None) -> Identify:
    """Who a client over HTTPS is, judged like a device over secure CoAP."""

    async def identify(leaf: x509.Certificate) -> PeerIdentity:
        peer = verify([leaf])
        refusal = None if factory is None else await _refusal(peer, factory)
        if refusal is not None and refusal.final:
            raise PathError(PathReason.REVOKED, refusal.reason)
        if refusal is not None:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "certificates cannot be checked now")
        return peer

    return identify


async def _refusal(peer: PeerIdentity, factory: DeviceRevocation) -> SessionRefusal | None:
    """Why a factory certificate is not known to be good."""
    if peer.role is not Role.FACTORY_DEVICE:
        return None
    waiting = factory.ready(peer)
    if waiting is not None:
        await waiting
    return factory.refusal(peer)


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
        own = (self.service.ca.chain[0], *self.service.ca.earlier)
        try:
            return self._identity(presented, own, Role.OPERATIONAL_DEVICE, self.service.publisher.index)
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
