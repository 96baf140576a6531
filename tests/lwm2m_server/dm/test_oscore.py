"""Devices with an OSCORE context: registered, read, written, observed, in blocks both ways, over restarts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from device_pki.directory import CertificateDirectory
from device_pki.encodings import Certificate
from device_pki.identity import PeerIdentity
from device_pki.path import verify_path
from device_pki.roles import Role
from enrollment.credentials import CertificateResolver, certificate_identity
from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.clock import Clock
from lwm2m_server.roles import dev
from lwm2m_server.roles.dm import RunningDm
from lwm2m_server.server.credentials import CredentialError, CredentialTaken
from lwm2m_server.server.oscore_contexts import OscoreContexts
from lwm2m_server.store.database import Database
from secure_coap.association import Association, Transport
from secure_coap.channels.dtls import DtlsClientConfig
from secure_coap.channels.oscore import EdhocClientConfig, MemoryContexts, OscoreClientConfig, PresharedContext
from secure_coap.endpoint import CoapClient
from secure_coap.errors import HandshakeFailed, TransportError
from secure_coap.exchange import Request, Response
from secure_coap.message import decode
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option
from secure_coap.oscore.option import OscoreOption
from tests.device_client.pki import root
from tests.lwm2m_server.dm.test_role import ANY, running, tls_of
from tests.lwm2m_server.server.running import QUICK
from tests.lwm2m_server.server.test_registering import register, update
from tests.lwm2m_server.sp.device import until

LINKS = b'</>;ct="60 112",</1/0>,</3/0>;ver=1.1,</5/0>'
LARGE = b"x" * 5000


class OscoreDevice:
    """A device's side of a context, with two resources: one that is told, one that is large."""

    def __init__(self, context: PresharedContext) -> None:
        self.store = MemoryContexts([context])
        self.context = context
        self.written = b""
        self.client: CoapClient
        self.notifiers: list[Any] = []

    @asynccontextmanager
    async def connected(self, address: tuple[str, int]) -> AsyncIterator[CoapClient]:
        known = self.store.find(self.context.recipient_id, self.context.id_context)
        config = OscoreClientConfig(context=known, contexts=self.store)
        self.client = await CoapClient.connect(*address, oscore=config, handler=self.handle, parameters=QUICK)
        try:
            yield self.client
        finally:
            await self.client.close()

    def handle(self, request: Request, association: Association) -> Response:
        if request.method is Code.PUT:
            self.written = request.payload
            return Response(Code.CHANGED)
        if request.path == ("3", "0", "13"):
            self.notifiers.append(self.client.notifier(request))
            return Response(Code.CONTENT, b"1", content_format=0)
        return Response(Code.CONTENT, LARGE, content_format=0)


def device_of(made: dict[str, str]) -> OscoreDevice:
    """The device that was given what the admin API has shown once."""
    return OscoreDevice(
        PresharedContext(
            "device",
            bytes.fromhex(made["master_secret"]),
            bytes.fromhex(made["sender_id"]),
            bytes.fromhex(made["recipient_id"]),
            bytes.fromhex(made["master_salt"]),
        )
    )


async def test_a_whole_life(tmp_path: Path) -> None:
    async with running(tmp_path, oscore_bind=ANY, device_anchors=()) as (role, admin):
        made = (await admin.post("/api/v1/oscore-contexts", json={"endpoint": "urn:dev:1"})).json()
        device = device_of(made)
        assert role.oscore is not None
        async with device.connected(role.oscore) as client:
            assert (await register(client, "ep=somebody-else", links=LINKS)).code is Code.FORBIDDEN
            registered = await register(client, "ep=urn:dev:1", "lwm2m=1.1", links=LINKS)
            assert registered.code is Code.CREATED
            server_side = role.server.device("urn:dev:1")
            session = role.server.sessions.session("urn:dev:1")
            assert session is not None and session.transport is Transport.OSCORE
            assert await server_side.read("/3/0/0") == LARGE.decode()
            await server_side.write("/5/0/0", LARGE)
            assert len(device.written) >= len(LARGE)
            async with await server_side.observe("/3/0/13") as subscription:
                news = aiter(subscription)
                assert (await anext(news)).samples
                device.notifiers[0].notify(Response(Code.CONTENT, b"2", content_format=0), confirmable=True)
                assert (await anext(news)).samples[0].value == 2
            assert await update(client, registered.location_path) is Code.CHANGED
        listed = (await admin.get("/api/v1/oscore-contexts")).json()
        assert [one["endpoint"] for one in listed] == ["urn:dev:1"]
        assert "master_secret" not in listed[0]


async def test_a_removed_context_ends_its_association(tmp_path: Path) -> None:
    async with running(tmp_path, oscore_bind=ANY, device_anchors=()) as (role, admin):
        made = (await admin.post("/api/v1/oscore-contexts", json={"endpoint": "urn:dev:1"})).json()
        assert role.oscore is not None
        async with device_of(made).connected(role.oscore) as client:
            assert (await register(client, "lwm2m=1.1", links=LINKS)).code is Code.CREATED
            assert (await admin.delete(f"/api/v1/oscore-contexts/{made['name']}")).status_code == 200
            with pytest.raises(TransportError):
                await client.request(Request(Code.POST, ("rd",)), timeout=2)
        assert (await admin.delete(f"/api/v1/oscore-contexts/{made['name']}")).status_code == 404


async def test_after_a_restart_the_device_shows_that_it_is_there(tmp_path: Path) -> None:
    async with running(tmp_path, oscore_bind=ANY, device_anchors=()) as (role, admin):
        made = (await admin.post("/api/v1/oscore-contexts", json={"endpoint": "urn:dev:1"})).json()
        device = device_of(made)
        assert role.oscore is not None
        async with device.connected(role.oscore) as client:
            location = (await register(client, "lwm2m=1.1", links=LINKS)).location_path
        assert role.server.coap_counters()["freshness_asked"] == 0
    async with running(tmp_path, oscore_bind=ANY, device_anchors=()) as (role, admin):
        assert role.oscore is not None
        async with device.connected(role.oscore) as client:
            assert await update(client, location) is Code.CHANGED
            assert role.server.coap_counters()["freshness_asked"] == 1
            await role.server.device("urn:dev:1").read("/3/0/0")


async def test_contexts_are_not_shared_and_not_replaced(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "server.db")
    try:
        contexts = OscoreContexts(database, Clock())
        secret = bytes(range(16))
        made = await contexts.put("a", secret, b"\x00", b"\x01")
        for taken in ((secret, b"\x00", b"\x02"), (bytes(16), b"\x00", b"\x01")):
            with pytest.raises(CredentialTaken):
                await contexts.put("b", *taken)
        for wrong in ((b"short", b"\x00", b"\x02"), (bytes(16), b"\x02", b"\x02"), (bytes(16), b"", bytes(8))):
            with pytest.raises(CredentialError):
                await contexts.put("b", *wrong)
        await contexts.reserve(made.name, 256)
        with pytest.raises(CredentialError):
            await contexts.reserve(made.name, 256)
        again = OscoreContexts(database, Clock())
        await again.load()
        (found,) = again
        assert found.reserved == 256
        assert contexts.find(b"\x01", None) == found
        for _ in range(6):
            await contexts.make("c")
        assert len(contexts.of("c")) == 4
    finally:
        await database.close()


async def test_37_no_nonce_comes_twice_though_the_server_is_killed(tmp_path: Path) -> None:
    """Security test 37, one node: the process is killed while it talks, and an old request is refused afterwards."""
    database = await Database.open(tmp_path / "server.db")
    made = await OscoreContexts(database, Clock()).make("urn:dev:1")
    await database.close()
    device = OscoreDevice(
        PresharedContext("device", made.master_secret, made.recipient_id, made.sender_id, made.master_salt)
    )
    recorder = await Recorder.start()
    location: tuple[str, ...] = ()
    for _ in range(2):
        async with serving(tmp_path) as port:
            recorder.server = ("127.0.0.1", port)
            async with device.connected(recorder.address) as client:
                location = (await register(client, "lwm2m=1.1", links=LINKS)).location_path
                for _ in range(5):
                    assert await update(client, location) is Code.CHANGED
    async with serving(tmp_path) as port:
        recorder.server = ("127.0.0.1", port)
        answers = len(recorder.answers)
        for count, request in enumerate(recorder.requests[:8], 1):
            recorder.replay(request)
            await until(lambda expected=answers + count: len(recorder.answers) >= expected)
    sizes = {len(decode(answer).payload) for answer in recorder.answers[answers:]}
    assert sizes == {1 + 9 + 8 + 1}, "each is asked for an Echo, under protection; none is carried out"
    own = [number for number in recorder.partial_ivs if number is not None]
    assert len(own) == len(set(own))
    recorder.close()


class Recorder(asyncio.DatagramProtocol):
    """Stands between a device and a server that comes and goes, and writes down what they say."""

    def __init__(self) -> None:
        self.server = ("127.0.0.1", 0)
        self.requests: list[bytes] = []
        self.answers: list[bytes] = []
        self.device: tuple[str, int] | None = None
        self._transport: asyncio.DatagramTransport

    @classmethod
    async def start(cls) -> Recorder:
        loop = asyncio.get_running_loop()
        _, recorder = await loop.create_datagram_endpoint(cls, local_addr=("127.0.0.1", 0))
        return recorder

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._transport.get_extra_info("sockname")
        return host, port

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr == self.server:
            self.answers.append(data)
            if self.device is not None:
                self._transport.sendto(data, self.device)
        else:
            self.device = addr
            self.requests.append(data)
            self._transport.sendto(data, self.server)

    def replay(self, request: bytes) -> None:
        self._transport.sendto(request, self.server)

    @property
    def partial_ivs(self) -> list[int | None]:
        """The numbers the server has chosen nonces by, message by message."""
        found: list[int | None] = []
        for answer in dict.fromkeys(self.answers):
            value = decode(answer).value(Option.OSCORE)
            own = OscoreOption.decode(value).partial_iv if value else b""
            found.append(int.from_bytes(own, "big") if own else None)
        return found

    def close(self) -> None:
        self._transport.close()


SERVE = """
import asyncio, sys
from pathlib import Path
from lwm2m_server.server.server import Lwm2mServer
from secure_coap.channels.oscore import OscoreServerConfig

async def main():
    async with Lwm2mServer.open(Path(sys.argv[1])) as server:
        _, port = await server.bind("127.0.0.1", 0, oscore=OscoreServerConfig(contexts=server.oscore_contexts))
        print(port, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[int]:
    """A server in a process of its own, and its port."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, str(folder), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        while not (line := (await process.stdout.readline()).strip()).isdigit():
            assert line, "the server ended"
        yield int(line)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()


@asynccontextmanager
async def certified(
    role: RunningDm, ca: CaDirectory, dtls: DtlsClientConfig, *, by_reference: bool = False
) -> AsyncIterator[CoapClient]:
    """A device with the certificate of a DTLS configuration, by EDHOC."""
    assert role.oscore is not None and dtls.private_key is not None

    def verify(chain: Sequence[Certificate]) -> PeerIdentity:
        anchors, now = [ca.issuer().certificate], datetime.now(UTC)
        path = verify_path(chain[0], chain[1:], anchors=anchors, role=Role.SERVER, now=now, host="127.0.0.1")
        return PeerIdentity.of(path)

    own = certificate_identity(dtls.private_key, dtls.certificate_chain, by_reference=by_reference)
    resolver = CertificateResolver(verify, CertificateDirectory())
    config = OscoreClientConfig(edhoc=EdhocClientConfig(own, resolver, padded_to=112))
    client = await CoapClient.connect(*role.oscore, oscore=config, parameters=QUICK)
    try:
        yield client
    finally:
        await client.close()


async def test_devices_with_certificates_come_by_edhoc_to_the_same_address(tmp_path: Path) -> None:
    dev.prepare(tmp_path)
    ca = CaDirectory(tmp_path / "ca")
    async with running(tmp_path, oscore_bind=ANY) as (role, admin):
        async with certified(role, ca, tls_of(ca, "by-certificate")) as client:
            assert (await register(client, "ep=somebody-else")).code is Code.FORBIDDEN
            assert (await register(client)).code is Code.CREATED
            listed = {one["endpoint"]: one["transport"] for one in (await admin.get("/api/v1/devices")).json()}
            assert listed == {"by-certificate": "oscore"}
        made = (await admin.post("/api/v1/oscore-contexts", json={"endpoint": "urn:dev:1"})).json()
        assert role.oscore is not None
        async with device_of(made).connected(role.oscore) as client:
            assert (await register(client, "ep=urn:dev:1")).code is Code.CREATED


async def test_a_certificate_nobody_vouches_for_does_not_come_in_by_edhoc(tmp_path: Path) -> None:
    dev.prepare(tmp_path)
    ca, stranger = CaDirectory(tmp_path / "ca"), root("Stranger")
    async with running(tmp_path, oscore_bind=ANY) as (role, _):
        for config in (tls_of(ca, "device-1", issuer=stranger), tls_of(ca, "device-1")):
            by_reference = config.certificate_chain[0].issuer == ca.issuer().certificate.subject
            with pytest.raises((HandshakeFailed, TransportError)):
                async with certified(role, ca, config, by_reference=by_reference) as client:
                    await register(client)
