"""The servers devices meet: the product's EST server, and a small LwM2M server, both over the product's CoAP stack."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from device_pki.directory import CertificateDirectory
from device_pki.encodings import Certificate
from device_pki.identity import PeerIdentity
from device_pki.path import PathError, verify_path
from device_pki.roles import Role
from enrollment.ca.builtin import BuiltinCa
from enrollment.cms.signed import Signer
from enrollment.credentials import CertificateResolver, certificate_identity, pinned_identity
from enrollment.est.server import EstServer
from enrollment.est.service import EstEvent
from enrollment.register import LabelPolicy
from lwm2m_server.store.database import Database
from lwm2m_server.store.enrollment_register import SqlEnrollmentRegister
from secure_coap.association import Association
from secure_coap.channels.dtls import DtlsServerConfig
from secure_coap.channels.oscore import EdhocServerConfig, OscoreServerConfig
from secure_coap.endpoint import CoapServer
from secure_coap.errors import CoapError, Forbidden, NotFound, TransportError
from secure_coap.exchange import Request, Response
from secure_coap.handlers import Handler
from secure_coap.numbers.codes import Code
from secure_coap.numbers.parameters import TransmissionParameters
from tests.device_client.pki import HOST, Identified, Pki, Provider

FAST = TransmissionParameters(ack_timeout=0.3)
PATIENCE = 60.0
"""Seconds after which a wait ends that will never be fulfilled, however busy the machine."""


Now = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def verifier(
    *classes: tuple[Role, x509.Certificate], now: Now = utc_now
) -> Callable[[Sequence[Certificate]], PeerIdentity]:
    """Accepts a peer of any of these classes; the last refusal counts."""

    def verify(chain: Sequence[Certificate]) -> PeerIdentity:
        refusal: PathError | None = None
        for role, anchor in classes:
            try:
                path = verify_path(chain[0], chain[1:], anchors=[anchor], role=role, now=now())
                return PeerIdentity.of(path)
            except PathError as error:
                refusal = error
        assert refusal is not None
        raise refusal

    return verify


def server_config(
    identity: Identified, *classes: tuple[Role, x509.Certificate], now: Now = utc_now
) -> DtlsServerConfig:
    return DtlsServerConfig([identity.certificate], identity.key, verifier(*classes, now=now))


@dataclass(frozen=True)
class Security:
    """What a server's socket is protected by: DTLS, or for the compact profile OSCORE."""

    dtls: DtlsServerConfig | None = None
    oscore: OscoreServerConfig | None = None

    @classmethod
    def of(
        cls,
        identity: Identified,
        *classes: tuple[Role, x509.Certificate],
        now: Now,
        known: CertificateDirectory | None,
        static: ec.EllipticCurvePrivateKey | None = None,
    ) -> Security:
        """`known`: the factory certificates devices refer to; None: DTLS."""
        if known is None:
            return cls(dtls=server_config(identity, *classes, now=now))
        shown = certificate_identity(identity.key, [identity.certificate], by_reference=False)
        resolver = CertificateResolver(verifier(*classes, now=now), known)
        pinned = None if static is None else pinned_identity(static)
        return cls(oscore=OscoreServerConfig(EdhocServerConfig([shown], resolver, clock=now, static=pinned)))

    @property
    def scheme(self) -> str:
        return "coaps" if self.oscore is None else "coap"

    async def bind(self, port: int, handler: Handler) -> CoapServer:
        return await CoapServer.bind(HOST, port, dtls=self.dtls, oscore=self.oscore, handler=handler, parameters=FAST)


@dataclass
class EstPeer:
    """A CA with its register, as devices reach it."""

    server: CoapServer
    register: SqlEnrollmentRegister
    outcomes: list[EstEvent]
    port: int
    """Where devices find it: its own port, or that of a relay before it."""
    scheme: str = "coaps"
    known: CertificateDirectory = field(default_factory=CertificateDirectory)
    """The factory certificates that EDHOC's references are looked up in."""
    server_keys: bool = True
    """Whether labels allow the CA to make keys."""
    refuse: CoapError | None = None
    """What every request is answered with while it is set."""
    requests: int = 0

    async def label(self, certificates: Sequence[x509.Certificate]) -> str:
        """Register factory certificates; returns the CA-URI."""
        now, uuid = datetime.now(UTC), uuid4()
        label = await self.register.add_devices("provider", uuid, certificates, now)
        await self.register.set_policy("provider", uuid, LabelPolicy(server_keys=self.server_keys), now)
        for certificate in certificates:
            self.known.add(certificate)
        return f"{self.scheme}://{HOST}:{self.port}/est/{label.text}"

    async def close_entry(self, uri: str, fingerprint: bytes) -> None:
        await self._set_entry(uri, fingerprint, open_=False)

    async def open_entry(self, uri: str, fingerprint: bytes) -> None:
        await self._set_entry(uri, fingerprint, open_=True)

    async def _set_entry(self, uri: str, fingerprint: bytes, *, open_: bool) -> None:
        label = uri.rsplit("/", 1)[-1]
        await self.register.set_entry(label, fingerprint, open_=open_, revoke=None, now=datetime.now(UTC))


@asynccontextmanager
async def est_peer(
    folder: Path,
    pki: Pki,
    provider: Provider,
    certificate_lifetime: timedelta = timedelta(days=30),
    now: Now = utc_now,
    *,
    compact: bool = False,
) -> AsyncIterator[EstPeer]:
    database = await Database.open(folder / f"{provider.name}-ca.sqlite")
    register = SqlEnrollmentRegister(database)
    ca = BuiltinCa(provider.ca, (), certificate_lifetime, timedelta(hours=1))
    outcomes: list[EstEvent] = []

    def observe(event: EstEvent) -> None:
        outcomes.append(event)

    signer = Signer(provider.est.certificate, provider.est.key)
    est = EstServer(register, ca, clock=now, observe=observe, signer=signer)
    known = CertificateDirectory()
    security = Security.of(
        provider.est,
        (Role.OPERATIONAL_DEVICE, provider.ca.certificate),
        (Role.FACTORY_DEVICE, pki.permanent.certificate),
        now=now,
        known=known if compact else None,
        static=provider.edhoc_key,
    )

    async def handle(request: Request, association: Association) -> Response:
        peer.requests += 1
        if peer.refuse is not None:
            raise peer.refuse
        return await est.handle(request, association)

    server = await security.bind(0, handle)
    peer = EstPeer(server, register, outcomes, server.address[1], security.scheme, known)
    try:
        yield peer
    finally:
        await server.close()
        await database.close()


@dataclass
class Seen:
    """A registration or update as it came."""

    endpoint: str
    role: Role | None
    key: bytes
    association: Association


@dataclass
class ServerPeer:
    """An LwM2M server that takes every device its certificate check lets in, and can be told to refuse."""

    server: CoapServer = field(init=False)
    refuse: CoapError | None = None
    refuse_keys_but: Collection[bytes] | None = None
    """The only operational keys (thumbprints) taken; None: all."""
    registrations: list[Seen] = field(default_factory=list)
    updates: list[Seen] = field(default_factory=list)
    refused_keys: list[bytes] = field(default_factory=list)
    departures: int = 0
    links: str = ""
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    on_contact: Callable[[Seen], None] | None = None
    payloads: dict[str, bytes] = field(default_factory=dict)
    """What devices fetch beneath `fw`."""
    port: int = 0
    """Where devices find it: its own port, or that of a relay before it."""
    scheme: str = "coaps"
    known: CertificateDirectory = field(default_factory=CertificateDirectory)

    @property
    def uri(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}"

    async def handle(self, request: Request, association: Association) -> Response:
        if request.path[:1] == ("fw",) and request.path[1] in self.payloads:
            return Response(Code.CONTENT, self.payloads[request.path[1]])
        if request.path[:1] != ("rd",):
            raise NotFound
        peer = association.peer
        assert isinstance(peer, PeerIdentity) and peer.endpoint is not None
        seen = Seen(peer.endpoint, peer.role, peer.key_thumbprint, association)
        if self.refuse is not None:
            raise self.refuse
        if self.refuse_keys_but is not None and seen.key not in self.refuse_keys_but:
            self.refused_keys.append(seen.key)
            raise Forbidden("not this key")
        if request.method is Code.DELETE:
            self.departures += 1
            return Response(Code.DELETED)
        registering = len(request.path) == 1
        if registering:
            assert f"ep={seen.endpoint}" in request.query
            self.links = request.payload.decode()
        (self.registrations if registering else self.updates).append(seen)
        self.heard.set()
        if self.on_contact is not None:
            self.on_contact(seen)
        return (
            Response(Code.CREATED, location_path=("rd", secrets.token_hex(8)))
            if registering
            else Response(Code.CHANGED)
        )

    async def registered(self, count: int = 1) -> Seen:
        """Wait for the so many-th registration."""
        return await self._wait(self.registrations, count)

    async def updated(self, count: int = 1) -> Seen:
        return await self._wait(self.updates, count)

    async def ask(self, request: Request) -> Response:
        """Send a request over the session the device spoke on last."""
        last = max(self.registrations[-1:] + self.updates[-1:], key=lambda seen: seen.association.opened_at)
        return await asyncio.wait_for(self.server.request(last.association, request), PATIENCE)

    async def all_registered(self, endpoints: Collection[str], since: int = 0) -> None:
        """Wait until each of these has registered after the first `since` registrations; some may do so repeatedly."""
        async with asyncio.timeout(PATIENCE):
            while not set(endpoints) <= {seen.endpoint for seen in self.registrations[since:]}:
                self.heard.clear()
                await self.heard.wait()

    async def settled(self, endpoints: Collection[str]) -> None:
        """These devices know that they are registered: they answer over the session of their last registration."""
        for endpoint in endpoints:
            await asyncio.wait_for(self._answers(endpoint), PATIENCE)

    async def _answers(self, endpoint: str) -> None:
        """A device that did not hear of its registration in time is silent where it was, and registers again."""
        while True:
            last = next(seen for seen in reversed(self.registrations) if seen.endpoint == endpoint)
            with contextlib.suppress(TransportError):
                await self.server.request(last.association, Request(Code.GET, ("3", "0")))
                return
            await asyncio.sleep(0.02)

    async def _wait(self, among: list[Seen], count: int) -> Seen:
        async with asyncio.timeout(PATIENCE):
            while len(among) < count:
                self.heard.clear()
                await self.heard.wait()
        return among[count - 1]


@asynccontextmanager
async def server_peer(
    pki: Pki, provider: Provider, port: int = 0, now: Now = utc_now, *, compact: bool = False
) -> AsyncIterator[ServerPeer]:
    peer = ServerPeer()
    security = Security.of(
        provider.server,
        (Role.OPERATIONAL_DEVICE, provider.ca.certificate),
        (Role.FACTORY_DEVICE, pki.permanent.certificate),
        now=now,
        known=peer.known if compact else None,
    )
    peer.server = await security.bind(port, peer.handle)
    peer.port, peer.scheme = peer.server.address[1], security.scheme
    try:
        yield peer
    finally:
        await peer.server.close()
