"""A device with its servers: made at the factory, run in this process, watched by the servers' side only."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import PrivateKey, authority_key
from device_client.emulator import factory
from device_client.emulator.device import EmulatedDevice
from device_client.emulator.life.parts import Surroundings
from device_client.emulator.log import device_logger
from device_client.emulator.settings import RunSettings
from device_client.emulator.status import status
from device_client.emulator.storage.files import DeviceFiles
from device_client.emulator.storage.identity import Installed
from device_pki import issue
from device_pki.fingerprints import fingerprint
from device_pki.keys import public_key
from objects.arguments import render
from objects.definition import ResourceDefinition
from objects.formats import Format, decode, encode
from objects.model import MODEL
from objects.nodes import MultipleResource, Resource
from secure_coap.errors import TransportError
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from suit.envelope import parse_envelope, sign
from suit.manifest import Manifest
from suit.templates import CONFIGURATION_URI, IMAGE_URI
from tests.device_client.peers import PATIENCE, EstPeer, ServerPeer, est_peer, server_peer
from tests.device_client.pki import Pki, Provider
from tests.device_client.relay import relay_to
from trust_transfer.device.minimum import SERVER_KEYS
from trust_transfer.messages.numbers import AnchorRole, Form
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.transfer_message import Terms, endorsed_message, plain_message
from trust_transfer.messages.values import Anchor, Destination, EnrollmentProfile, Limits, SuitDigest, seq_value

FIRMWARE_IMAGE = b"first image" * 20
CONFIGURATION = b"agreed configuration"
VENDOR, CLASS = bytes(range(16)), bytes(range(16, 32))
SETTINGS = RunSettings(
    ack_timeout=0.2, max_retransmit=2, handshake_timeout=3.0, retry_min=0.05, retry_max=0.4, lifetime=20
)
DTLS = EnrollmentProfile(0, 0, 0)
TRANSFER = MODEL["Trust Transfer"]
ENROLLMENT = MODEL["Enrollment"]
FALLBACK = MODEL["Fallback"]
FIRMWARE = MODEL["Firmware Update"]


def read(resource: ResourceDefinition) -> Request:
    return Request(Code.GET, resource.path().segments)


def write(resource: ResourceDefinition, value: bytes | str | int) -> Request:
    chosen = Format.OPAQUE if isinstance(value, bytes) else Format.TEXT
    payload = encode(chosen, resource.path(), Resource(resource.id, value), MODEL)
    return Request(Code.PUT, resource.path().segments, payload=payload, content_format=chosen)


def execute(resource: ResourceDefinition, *arguments: int) -> Request:
    payload = render(dict(enumerate(arguments)))
    return Request(Code.POST, resource.path().segments, payload=payload, content_format=0 if payload else None)


@dataclass
class WallClock:
    """The time everybody of a world agrees on; moved ahead, days pass at once."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def seconds(self) -> int:
        return int(self().timestamp())


@dataclass
class World:
    """One device between two providers."""

    data: Path
    pki: Pki
    endpoint: str
    factory_certificate: x509.Certificate
    ca1: EstPeer
    ca2: EstPeer
    sp1: ServerPeer
    sp2: ServerPeer
    ca1_uri: str
    ca2_uri: str
    settings: RunSettings = SETTINGS
    profile: EnrollmentProfile = DTLS
    clock: WallClock = field(default_factory=lambda: WallClock())
    running: list[Device] = field(default_factory=list)

    def status(self) -> dict[str, object]:
        return dict(status(self.data, self.endpoint))

    def files(self) -> DeviceFiles:
        return factory.device_files(self.data, self.endpoint)

    def switch_on(self, files: DeviceFiles | None = None) -> Device:
        device = Device.start(files or self.files(), self.settings, self.endpoint, self.clock)
        self.running.append(device)
        return device

    async def until(self, condition: Callable[[dict[str, object]], bool]) -> dict[str, object]:
        """Wait until the device's own files say so."""
        async with asyncio.timeout(PATIENCE):
            while not condition(current := self.status()):
                await asyncio.sleep(0.02)
        return current

    async def until_state(self, state: str) -> dict[str, object]:
        return await self.until(lambda current: current["state"] == state)

    # ---- what SP1 does ----

    def agreed_manifest(self, key: PrivateKey | None = None, image: bytes = FIRMWARE_IMAGE) -> bytes:
        manifest = Manifest.reset_to(
            sequence_number=1, image=image, configuration=CONFIGURATION, vendor_id=VENDOR, class_id=CLASS
        )
        return sign(manifest, key or self.pki.sp1.firmware_key, {CONFIGURATION_URI: CONFIGURATION})

    def update_manifest(self, image: bytes, sequence: int = 1, key: PrivateKey | None = None) -> bytes:
        manifest: Manifest = Manifest.firmware_update(
            sequence_number=sequence, image=image, vendor_id=VENDOR, class_id=CLASS
        )
        return sign(manifest, key or self.pki.sp1.firmware_key, {IMAGE_URI: image})

    def template(
        self,
        *,
        update_first: bool = False,
        before: int = -60,
        after: int = 3600,
        agreed: bytes | None = None,
        pinned_key: bytes | None = None,
    ) -> TransferTemplate:
        digest = parse_envelope(agreed or self.agreed_manifest()).digest
        now = int(time.time())
        return TransferTemplate(
            issuer="sp2",
            audience="sp1",
            not_before=now + before,
            not_after=now + after,
            issued_at=now - 100,
            transfer_id=bytes(16),
            destination=Destination(
                enroll_uri=self.ca2_uri,
                update_uri=self.sp2.uri,
                update_first=update_first,
                ra_uri=None,
                agreed_state=SuitDigest(digest.alg, digest.digest),
                anchors=(Anchor(AnchorRole.ENROLL | AnchorRole.UPDATE, self.pki.sp2.anchor),),
                profile=replace(self.profile, keygen=0),
                authorities=self.pki.sp2.authorities,
                pinned_key=pinned_key,
            ),
        )

    def terms(self, n: int = 1, epoch: int = 0, limits: Limits | None = None) -> Terms:
        return Terms(self.endpoint, seq_value(epoch, n), self.sp1.uri, limits=limits)

    def message(
        self, template: TransferTemplate | None = None, terms: Terms | None = None, form: Form = Form.ENDORSED
    ) -> bytes:
        template, terms = template or self.template(), terms or self.terms()
        if form is Form.PLAIN:
            return plain_message(template, terms, self.pki.sp1.transfer_key)
        return endorsed_message(template.sign(self.pki.sp2.transfer_key), terms, self.pki.sp1.transfer_key)

    async def prepare(self, agreed: bytes | None = None) -> None:
        """Everything that must be on the device before the message: endorser, anchor, agreed state."""
        endorser = self.pki.endorser(self.pki.sp2).public_bytes(Encoding.DER)
        await self.ok(self.sp1, write(TRANSFER["Endorser"], endorser))
        await self.add_anchor(self.pki.sp2)
        await self.ok(self.sp1, write(FIRMWARE["Package"], agreed or self.agreed_manifest()))
        await self.ok(self.sp1, write(FIRMWARE["Package"], b""))

    async def add_anchor(self, provider: Provider) -> None:
        resource = ENROLLMENT["Trust Anchors"]
        der = provider.ca.certificate.public_bytes(Encoding.DER)
        payload = encode(Format.TLV, resource.path(), MultipleResource(resource.id, {9: der}), MODEL)
        request = Request(Code.POST, resource.path().segments, payload=payload, content_format=Format.TLV)
        await self.ok(self.sp1, request)

    async def ok(self, server: ServerPeer, request: Request) -> Response:
        response = await server.ask(request)
        assert response.code.is_success, response
        return response

    async def value(self, server: ServerPeer, resource: ResourceDefinition) -> object:
        response = await self.ok(server, read(resource))
        assert response.content_format is not None
        node = decode(response.content_format, resource.path(), response.payload, MODEL)
        assert isinstance(node, Resource)
        return node.value

    def acknowledge_reports(self, *servers: ServerPeer) -> list[bytes]:
        """Let servers do what a provider does after each contact: read the report and acknowledge it."""
        reports: list[bytes] = []
        tasks: set[asyncio.Task[None]] = set()

        async def serve(server: ServerPeer) -> None:
            # A device that is cut off meanwhile does not answer; it contacts the server again.
            with contextlib.suppress(TransportError, TimeoutError):
                response = await server.ask(read(TRANSFER["Report"]))
                if response.code is Code.CONTENT:
                    reports.append(response.payload)
                    sequence = await server.ask(read(TRANSFER["Sequence"]))
                    await server.ask(execute(TRANSFER["Acknowledge Report"], int(sequence.payload)))

        def contact(server: ServerPeer) -> None:
            task = asyncio.ensure_future(serve(server))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        for server in servers:
            server.on_contact = lambda _, server=server: contact(server)
        return reports


@dataclass
class Device:
    """A device that runs."""

    off: asyncio.Event
    task: asyncio.Task[None]

    @classmethod
    def start(cls, files: DeviceFiles, settings: RunSettings, endpoint: str, clock: WallClock) -> Device:
        off = asyncio.Event()
        outside = Surroundings(settings, device_logger(endpoint), random.Random(1), clock.seconds)
        return cls(off, asyncio.create_task(EmulatedDevice(files, outside).run(off)))

    async def switch_off(self) -> None:
        self.off.set()
        await asyncio.wait_for(self.task, PATIENCE)

    async def cut_power(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


def installed(
    pki: Pki,
    certificate: x509.Certificate,
    ca_uri: str,
    server_uri: str,
    form: Form,
    profile: EnrollmentProfile = DTLS,
    both: bool = False,
) -> Installed:
    """`both`: the device may be told to use the other protocol, too."""
    return Installed(
        certificate=certificate,
        permanent_anchor=pki.permanent.certificate,
        ca_uri=ca_uri,
        ca_anchor=pki.sp1.ca.certificate,
        server_uri=server_uri,
        server_anchor=pki.sp1.ca.certificate,
        transfer_authority=authority_key(pki.sp1.transfer_key.public_key()),
        firmware_authority=authority_key(pki.sp1.firmware_key.public_key()),
        minimum_form=form,
        lab=True,
        vendor_id=VENDOR,
        class_id=CLASS,
        lifetime=60,
        installed_at=int(time.time()) - 86400,
        profile=(profile.protocol, profile.request, profile.keygen),
        protocols=(0b11 if both else 1 << profile.protocol) | (SERVER_KEYS if profile.keygen else 0),
    )


def factory_certificate(pki: Pki, csr: bytes) -> x509.Certificate:
    request = x509.load_der_x509_csr(csr)
    endpoint = str(request.subject.get_attributes_for_oid(x509.NameOID.SERIAL_NUMBER)[0].value)
    validity = issue.Validity.unlimited(datetime.now(UTC))
    return issue.factory_device(pki.permanent, public_key(request), endpoint, validity)


@asynccontextmanager
async def world(
    folder: Path,
    pki: Pki,
    *,
    form: Form = Form.ENDORSED,
    certificate_lifetime: timedelta = timedelta(days=30),
    settings: RunSettings = SETTINGS,
    profile: EnrollmentProfile = DTLS,
    both: bool = False,
    loss: float = 0.0,
    seed: int = 1,
) -> AsyncIterator[World]:
    """Servers up, one device made and installed, not yet switched on; `loss`: disturbed links to all servers."""
    clock = WallClock()
    async with AsyncExitStack() as stack:
        compact = profile.protocol == 1
        ca1 = await stack.enter_async_context(
            est_peer(folder, pki, pki.sp1, certificate_lifetime, clock, compact=compact)
        )
        ca2 = await stack.enter_async_context(est_peer(folder, pki, pki.sp2, now=clock, compact=compact))
        sp1 = await stack.enter_async_context(server_peer(pki, pki.sp1, now=clock, compact=compact))
        sp2 = await stack.enter_async_context(server_peer(pki, pki.sp2, now=clock, compact=compact))
        for peer in (ca1, ca2, sp1, sp2) if loss else ():
            relay = await stack.enter_async_context(relay_to(peer.server.address, loss, seed))
            peer.port = relay.port
        data = folder / "devices"
        [csr] = factory.make(data, 1)
        certificate = factory_certificate(pki, csr)
        ca1_uri, ca2_uri = await ca1.label([certificate]), await ca2.label([certificate])
        for peer in (sp1, sp2):
            peer.known.add(certificate)
        birth = installed(pki, certificate, ca1_uri, sp1.uri, form, profile, both)
        endpoint = factory.install(data, birth, FIRMWARE_IMAGE)
        scene = World(data, pki, endpoint, certificate, ca1, ca2, sp1, sp2, ca1_uri, ca2_uri, settings, profile, clock)
        try:
            yield scene
        finally:
            for device in scene.running:
                await device.cut_power()


def factory_fingerprint(scene: World) -> bytes:
    return fingerprint(scene.factory_certificate)
