"""The device-management role: the LwM2M server for devices with keys, certificates or neither, and its admin API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cose.keys import PublicKey, UnusableKey, load_private_key, load_public_key, same_key
from device_pki.directory import CertificateDirectory
from device_pki.encodings import Certificate
from device_pki.identity import PeerIdentity
from device_pki.keys import public_key
from device_pki.path import PathError, PathReason, verify_path
from device_pki.roles import Role
from enrollment.credentials import CertificateResolver, certificate_identity
from lwm2m_server.api.admin import create_app
from lwm2m_server.api.operator_token import renew as renew_token
from lwm2m_server.api.serving import serving
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.manifest_registry import ManifestRegistry
from lwm2m_server.fleet.registered_reports import RegisteredReports
from lwm2m_server.fleet.suit_reports import SuitReports
from lwm2m_server.protocol.registration_limits import RegistrationLimits
from lwm2m_server.provider_keys import KeyRole, KeysError, certificate_path, key_path, presented, read_chain
from lwm2m_server.roles.firmware import announce, announce_oscore, start_firmware
from lwm2m_server.roles.garbage import settle
from lwm2m_server.server.bootstrapping import Bootstrapper
from lwm2m_server.server.crl_files import CrlFiles
from lwm2m_server.server.firmware.service import Firmware
from lwm2m_server.server.revocation import DeviceRevocation
from lwm2m_server.server.server import DATABASE, Lwm2mServer
from lwm2m_server.settings import Address, DmSettings
from lwm2m_server.store.database import Database
from objects.firmware import PullProtocol
from objects.model import MODEL, ObjectModel
from secure_coap.channels.dtls import DtlsServerConfig
from secure_coap.channels.oscore import EdhocServerConfig, OscoreServerConfig
from secure_coap.numbers.parameters import TransmissionParameters

log = structlog.get_logger()

FIRMWARE: Final = "firmware"
"""The folder of images."""
UPKEEP: Final = 60.0
"""Seconds between two looks at the operator's token, and at what is no longer kept."""
CRL_LOOK: Final = 2.0
"""Seconds between two looks for changed revocation lists, which end the sessions they name."""
SESSION_LOOK: Final = 30.0
"""Seconds between two looks for sessions whose certificate, or its CA's list, has expired meanwhile."""


@dataclass(frozen=True, slots=True)
class RunningDm:
    """Where a started server listens (None: not at all), and the server itself."""

    nosec: tuple[str, int] | None
    dtls: tuple[str, int] | None
    oscore: tuple[str, int] | None
    tcp: tuple[str, int] | None
    tls: tuple[str, int] | None
    admin: tuple[str, int]
    server: Lwm2mServer
    firmware: Firmware


async def run_dm(settings: DmSettings, announce: Callable[[RunningDm], None] | None = None) -> None:
    """Run until cancelled. Raises `KeysError` when a key or certificate is wrong, OSError when a port is taken."""
    async with running_dm(settings) as running:
        settle()
        listening = {name: getattr(running, name) for name in ("nosec", "dtls", "oscore", "tcp", "tls", "admin")}
        log.info("dm_ready", **listening)
        if announce is not None:
            announce(running)
        await asyncio.Event().wait()


@asynccontextmanager
async def running_dm(settings: DmSettings, clock: Clock | None = None) -> AsyncIterator[RunningDm]:
    """Serve inside the block. Raises like `run_dm`."""
    clock = clock or Clock()
    database = await Database.open(settings.data / DATABASE)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        anchors = [anchor for path in settings.device_anchors for anchor in read_chain(path)]
        revocation = _revocation(settings, anchors, clock)
        server = Lwm2mServer(
            database,
            endpoint_rule=settings.endpoint_rule,
            revocation=revocation,
            model=_model(settings),
            limits=RegistrationLimits(**settings.registration.model_dump()),
            clock=clock,
            parameters=TransmissionParameters(
                ack_timeout=settings.coap.ack_timeout, max_retransmit=settings.coap.max_retransmit
            ),
            queue=settings.queue,
        )
        await stack.enter_async_context(server)
        if revocation is not None:
            stack.push_async_callback(revocation.ocsp.close)
            await stack.enter_async_context(_watching(CrlFiles(settings.device_crls, revocation), revocation, server))
        bootstrapper = Bootstrapper(server, settings.endpoint_rule, revocation)
        stack.push_async_callback(bootstrapper.close)
        reports = SuitReports(database, clock)
        registered = RegisteredReports(server, reports)
        firmware = Firmware(server, settings.data / FIRMWARE, settings.firmware, afterwards=registered.collect)
        await start_firmware(stack, firmware, settings.firmware)
        for endpoint in await reports.missing():
            firmware.look_after(endpoint)
        nosec, dtls, oscore, tcp, tls = await _bind(settings, server, DeviceVerifier(anchors, clock, revocation))
        announce(firmware, PullProtocol.COAP, nosec)
        announce(firmware, PullProtocol.COAPS, dtls)
        announce_oscore(firmware, oscore)
        announce(firmware, PullProtocol.COAP_TCP, tcp)
        announce(firmware, PullProtocol.COAPS_TCP, tls)
        await renew_token(database, settings.data, clock.seconds(), at_start=True)
        manifests = ManifestRegistry(database, firmware.images, _authorities(settings))
        app = create_app(server, firmware, manifests, bootstrapper=bootstrapper)
        with _listening("admin_bind", settings.admin_bind):
            admin = await stack.enter_async_context(serving(app, *settings.admin_bind))
        upkeep = asyncio.create_task(_upkeep(settings, server, firmware))
        try:
            yield RunningDm(nosec, dtls, oscore, tcp, tls, admin, server, firmware)
        finally:
            upkeep.cancel()
            await asyncio.gather(upkeep, return_exceptions=True)


def _revocation(settings: DmSettings, anchors: Sequence[x509.Certificate], clock: Clock) -> DeviceRevocation | None:
    """What the settings say about revocation; None when they say nothing."""
    if not settings.device_crls and not settings.device_ocsp:
        return None
    return DeviceRevocation(
        anchors,
        clock,
        points=settings.device_crl_points,
        responders={issuer: source.url for source in settings.device_ocsp for issuer in read_chain(source.issuer)},
        policy=settings.revocation_failure,
    )


_Bound = tuple[str, int] | None


async def _bind(
    settings: DmSettings, server: Lwm2mServer, verifier: DeviceVerifier
) -> tuple[_Bound, _Bound, _Bound, _Bound, _Bound]:
    """Listen where the settings say: UDP without security, with DTLS, with OSCORE; TCP without security, with TLS."""
    nosec = dtls = oscore = tcp = tls = None
    if settings.nosec_bind is not None:
        with _listening("nosec_bind", settings.nosec_bind):
            nosec = await server.bind(*settings.nosec_bind, nosec_anywhere=settings.nosec_anywhere)
    if settings.dtls_bind is not None:
        secured = _secured(settings, server, verifier)
        with _listening("dtls_bind", settings.dtls_bind):
            dtls = await server.bind(*settings.dtls_bind, dtls=secured)
    if settings.oscore_bind is not None:
        with _listening("oscore_bind", settings.oscore_bind):
            oscore = await server.bind(*settings.oscore_bind, oscore=_oscore(settings, server, verifier))
    if settings.tcp_bind is not None:
        with _listening("tcp_bind", settings.tcp_bind):
            tcp = await server.bind_tcp(*settings.tcp_bind, nosec_anywhere=settings.nosec_anywhere)
    if settings.tls_bind is not None:
        secured = _secured(settings, server, verifier)
        if not secured.certificate_chain:
            raise KeysError("tls_bind needs a certificate of the server: there are no pre-shared keys over TLS")
        with _listening("tls_bind", settings.tls_bind):
            tls = await server.bind_tcp(*settings.tls_bind, tls=secured)
    return nosec, dtls, oscore, tcp, tls


@contextmanager
def _listening(setting: str, address: Address) -> Iterator[None]:
    """An address that cannot be listened on is named with its setting."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{setting} = {address.host}:{address.port}: {error.strerror}; choose another address") from error


def _model(settings: DmSettings) -> ObjectModel:
    return MODEL if settings.definitions is None else MODEL.extended(ObjectModel.load(settings.definitions))


def _authorities(settings: DmSettings) -> list[PublicKey]:
    """The keys whose manifests are taken. Raises `KeysError`."""
    try:
        return [load_public_key(path) for path in settings.firmware_authorities]
    except (UnusableKey, OSError) as error:
        raise KeysError(f"firmware_authorities: {error}") from error


def _secured(settings: DmSettings, server: Lwm2mServer, verifier: DeviceVerifier) -> DtlsServerConfig:
    """Pre-shared keys always; certificates too once the server has one."""
    certificate = settings.certificate or certificate_path(settings.data, KeyRole.DTLS)
    if settings.certificate is None and not certificate.exists():
        return DtlsServerConfig(psk=server.credentials.find)
    chain = read_chain(certificate)
    key = _key(settings.key or key_path(settings.data, KeyRole.DTLS))
    if not same_key(key.public_key(), public_key(chain[0])):
        raise KeysError(f"{certificate} is not the certificate of the server's key")
    return DtlsServerConfig(presented(chain), key, verifier, server.credentials.find)


def _oscore(settings: DmSettings, server: Lwm2mServer, verifier: DeviceVerifier) -> OscoreServerConfig:
    """Contexts that devices were given always; EDHOC with certificates too once the server has one.

    The role holds no device's certificate beforehand, so devices show theirs and do not refer to it.
    """
    secured = _secured(settings, server, verifier)
    if secured.private_key is None:
        return OscoreServerConfig(contexts=server.oscore_contexts)
    shown = certificate_identity(secured.private_key, secured.certificate_chain, by_reference=False)
    resolver = CertificateResolver(verifier, CertificateDirectory())
    return OscoreServerConfig(
        EdhocServerConfig([shown], resolver, clock=verifier.clock.datetime), server.oscore_contexts
    )


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_private_key(path)
    except UnusableKey as error:
        raise KeysError(str(error)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeysError(f"{path} must be a P-256 key")
    return key


@dataclass(frozen=True, slots=True)
class DeviceVerifier:
    """Lets in devices whose certificate the anchors issued: for clientAuth, or directly and for nothing special.

    With `revocation` only while every certificate below the anchor is known to be good, or can be asked about.
    """

    anchors: Sequence[x509.Certificate]
    clock: Clock
    revocation: DeviceRevocation | None = None

    def __call__(self, chain: Sequence[Certificate]) -> PeerIdentity:
        """The identity a presented chain (leaf first) proves; raises `PathError`."""
        if not chain:
            raise PathError(PathReason.NO_CERTIFICATE)
        try:
            try:
                return self._identity(chain, Role.OPERATIONAL_DEVICE)
            except PathError as error:
                if error.reason is not PathReason.EXTENDED_KEY_USAGE:
                    raise
            return self._identity(chain, Role.FACTORY_DEVICE)
        except PathError as error:
            log.warning("handshake_refused", reason=error.reason.value)
            raise

    def _identity(self, chain: Sequence[Certificate], role: Role) -> PeerIdentity:
        now = self.clock.datetime()
        return PeerIdentity.of(
            verify_path(chain[0], chain[1:], anchors=self.anchors, role=role, now=now, revocation=self.revocation)
        )


@asynccontextmanager
async def _watching(files: CrlFiles, revocation: DeviceRevocation, server: Lwm2mServer) -> AsyncIterator[None]:
    """Let the files decide from now on who may stay; raises `CrlFileError` for those that cannot be used."""
    files.load()
    watch = asyncio.create_task(_watch(files, revocation, server), name="revocation")
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _watch(files: CrlFiles, revocation: DeviceRevocation, server: Lwm2mServer) -> None:
    looked = server.clock.now()
    while True:
        await asyncio.sleep(CRL_LOOK)
        try:
            changed = await asyncio.to_thread(files.reread)
            if changed or server.clock.now() - looked >= SESSION_LOOK:
                looked = server.clock.now()
                await revocation.refresh(association.peer for association in server.associations)
                await server.end_refused(revocation.refusal)
        except Exception:
            log.exception("revocation_not_checked")


async def _upkeep(settings: DmSettings, server: Lwm2mServer, firmware: Firmware) -> None:
    while True:
        await asyncio.sleep(UPKEEP)
        try:
            await renew_token(server.database, settings.data, server.clock.seconds())
            await firmware.tidy()
        except Exception:
            log.exception("upkeep_failed")
