"""A standard client and bootstrap servers of every kind: good ones, wrong ones, ones that stop in the middle."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from device_client.emulator.lwm2m.transfer.trust_transfer import Nonce, transfer_object
from device_client.emulator.lwm2m.tree import ObjectTree
from device_client.emulator.plain.access_control import AccessControl
from device_client.emulator.plain.accounts import Account, Accounts
from device_client.emulator.plain.bootstrap.interface import OUT_OF_REACH, BootstrapInterface
from device_client.emulator.plain.first_accounts import first_accounts
from device_client.emulator.storage.files import DeviceFiles
from device_pki.roles import Role
from objects.formats import Format, composite, decode, encode
from objects.formats.link_format import parse
from objects.model import MODEL
from objects.nodes import Node, ObjectInstance, ObjectNode, walk
from objects.path import Path
from objects.values import Value
from secure_coap.association import Association
from secure_coap.channels.dtls import DtlsServerConfig, PskCredential
from secure_coap.endpoint import CoapServer
from secure_coap.errors import NotFound
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from tests.device_client.peers import server_config
from tests.device_client.pki import Pki, device_of
from tests.device_client.plain_world import FAST, HOST, PATIENCE, Client, Peer, peer, quick

SERVER = 101


def accounts_at(uri: str, *, server: int = SERVER, mode: int = 3) -> dict[int, ObjectNode]:
    """One account as a bootstrap server writes it."""
    security: dict[int, Value] = {0: uri, 1: False, 2: mode, 3: b"", 4: b"", 5: b"", 10: server}
    return {
        0: ObjectNode(0, {1: ObjectInstance.of(1, security)}),
        1: ObjectNode(1, {0: ObjectInstance.of(0, {0: server, 1: 60, 6: True, 7: "U"})}),
    }


@dataclass
class BootstrapPeer:
    """A bootstrap server; a test writes to the client that asked."""

    server: CoapServer = field(init=False)
    asked: asyncio.Queue[tuple[Request, Association]] = field(default_factory=asyncio.Queue)
    pack: Response | None = None

    @property
    def uri(self) -> str:
        return f"coap://{HOST}:{self.server.address[1]}"

    def handle(self, request: Request, association: Association) -> Response:
        if request.path == ("bspack",) and self.pack is not None:
            return self.pack
        if request.path != ("bs",):
            raise NotFound
        self.asked.put_nowait((request, association))
        return Response(Code.CHANGED)

    async def client(self) -> tuple[Request, Association]:
        return await asyncio.wait_for(self.asked.get(), PATIENCE)

    async def send(self, association: Association, method: Code, path: str, **members: Any) -> Response:
        segments = tuple(filter(None, path.split("/")))
        return await asyncio.wait_for(self.server.request(association, Request(method, segments, **members)), PATIENCE)

    async def put(self, association: Association, path: str, node: Node) -> Response:
        payload = encode(Format.TLV, Path.parse(path), node, MODEL)
        return await self.send(association, Code.PUT, path, payload=payload, content_format=Format.TLV)

    async def write_all(self, association: Association, nodes: dict[int, ObjectNode]) -> Code:
        """Delete, write, finish: the code of the answer to Finish."""
        assert (await self.send(association, Code.DELETE, "/")).code is Code.DELETED
        for number, node in nodes.items():
            assert (await self.put(association, f"/{number}", node)).code is Code.CHANGED
        return (await self.send(association, Code.POST, "/bs")).code


@asynccontextmanager
async def bootstrap_peer() -> AsyncIterator[BootstrapPeer]:
    made = BootstrapPeer()
    made.server = await CoapServer.bind(HOST, 0, dtls=None, handler=made.handle, parameters=FAST)
    try:
        yield made
    finally:
        await made.server.close()


@asynccontextmanager
async def bootstrapping(
    files: DeviceFiles | None = None, **members: Any
) -> AsyncIterator[tuple[BootstrapPeer, Peer, Client]]:
    async with bootstrap_peer() as bootstrap, peer() as server:
        client = Client.start(quick(bootstrap=bootstrap.uri, **members), files)
        try:
            yield bootstrap, server, client
        finally:
            await client.cut_power()


async def test_a_client_without_a_server_asks_and_registers_where_it_is_told() -> None:
    async with bootstrapping() as (bootstrap, server, _):
        request, association = await bootstrap.client()
        assert "ep=sensor" in request.query and "pct=112" in request.query
        links = {
            link.target: dict(link.attributes) for link in parse((await discovered(bootstrap, association)).payload)
        }
        assert links["/"] == {"lwm2m": "1.1"} and links["/0/0"] == {} and "/3/0" in links
        assert await bootstrap.write_all(association, accounts_at(f"coap://{HOST}:{server.port}")) is Code.CHANGED
        assert (await server.contact(1)).query("lt") == "60"


async def discovered(bootstrap: BootstrapPeer, association: Association, path: str = "/") -> Response:
    return await bootstrap.send(association, Code.GET, path, accept=Format.LINK)


async def test_what_is_written_is_discovered_read_and_deleted_again() -> None:
    async with bootstrapping() as (bootstrap, server, _):
        _, association = await bootstrap.client()
        uri = f"coap://{HOST}:{server.port}"
        for number, node in accounts_at(uri).items():
            await bootstrap.put(association, f"/{number}", node)
        links = {
            link.target: dict(link.attributes) for link in parse((await discovered(bootstrap, association)).payload)
        }
        assert links["/0/1"] == {"ssid": str(SERVER), "uri": uri} and links["/1/0"] == {"ssid": str(SERVER)}
        read = await bootstrap.send(association, Code.GET, "/1", accept=Format.TLV)
        assert decode(Format.TLV, Path(1), read.payload, MODEL) == accounts_at(uri)[1]
        assert (await bootstrap.send(association, Code.GET, "/0")).code is Code.METHOD_NOT_ALLOWED
        assert (await bootstrap.send(association, Code.DELETE, "/0/0")).code is Code.BAD_REQUEST
        assert (await bootstrap.send(association, Code.DELETE, "/1/0")).code is Code.DELETED
        assert (await bootstrap.send(association, Code.DELETE, "/1/0")).code is Code.NOT_FOUND


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        accounts_at("coap://192.0.2.1"),
        accounts_at("coaps://127.0.0.1"),
        accounts_at("coap://127.0.0.1", mode=1),
        {**accounts_at("coap://127.0.0.1"), 1: accounts_at("", server=7)[1]},
    ],
    ids=["nothing", "unprotected abroad", "scheme", "raw public key", "other id"],
)
async def test_accounts_that_cannot_be_used_are_refused_at_finish_and_may_be_mended(
    wrong: dict[int, ObjectNode],
) -> None:
    async with bootstrapping() as (bootstrap, server, _):
        _, association = await bootstrap.client()
        assert await bootstrap.write_all(association, wrong) is Code.NOT_ACCEPTABLE
        assert await bootstrap.write_all(association, accounts_at(f"coap://{HOST}:{server.port}")) is Code.CHANGED
        await server.contact(1)


async def test_a_bootstrap_that_stops_in_the_middle_leaves_the_accounts_as_they_were(tmp_path: FilePath) -> None:
    files = DeviceFiles(tmp_path / "sensor")
    async with peer() as server, bootstrap_peer() as bootstrap:
        uri = f"coap://{HOST}:{server.port}"
        client = Client.start(quick(server=uri, bootstrap=bootstrap.uri), files)
        await server.contact(1)
        await server.ask(Code.POST, "/1/0/9")
        _, association = await bootstrap.client()
        await bootstrap.send(association, Code.DELETE, "/")
        await bootstrap.put(association, "/1", accounts_at(uri)[1])
        await client.cut_power()
        client = Client.start(quick(server=uri, bootstrap=bootstrap.uri), files)
        assert (await server.contact(2)).request.path == ("rd",)
        assert client.device.accounts.servers()[0].server == 1
        await client.cut_power()


async def test_new_accounts_survive_a_power_cut_and_the_old_server_is_left(tmp_path: FilePath) -> None:
    files = DeviceFiles(tmp_path / "sensor")
    async with peer() as old, peer() as new, bootstrap_peer() as bootstrap:
        settings = quick(server=f"coap://{HOST}:{old.port}", bootstrap=bootstrap.uri)
        client = Client.start(settings, files)
        await old.contact(1)
        await old.ask(Code.POST, "/1/0/9")
        _, association = await bootstrap.client()
        await bootstrap.write_all(association, accounts_at(f"coap://{HOST}:{new.port}"))
        await new.contact(1)
        assert (await old.contact(2)).request.method is Code.DELETE
        await new.write("/1/0/1", 777)
        await new.contact(2)
        await client.cut_power()
        client = Client.start(settings, files)
        assert (await new.contact(3)).query("lt") == "777"
        await client.cut_power()


@pytest.mark.parametrize("content_format", [Format.SENML_CBOR, Format.LWM2M_CBOR], ids=str)
async def test_a_pack_brings_everything_at_once(content_format: int) -> None:
    async with bootstrapping(version="1.2") as (bootstrap, server, _):
        values: dict[Path, Value | None] = {}
        for number, node in accounts_at(f"coap://{HOST}:{server.port}").items():
            values.update(walk(Path(number), node))
        payload = composite.encode_values(content_format, values, MODEL)
        bootstrap.pack = Response(Code.CONTENT, payload, content_format=content_format)
        await server.contact(1)
        assert bootstrap.asked.empty()


async def test_credentials_that_bootstrap_writes_open_the_session(tmp_path: FilePath) -> None:
    """A pre-shared key, then a certificate whose server is judged by an anchor (Certificate Usage 2)."""
    pki = Pki.make()
    device = device_of(pki)
    key = bytes(range(16))
    private = device.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificate, anchor = (one.public_bytes(Encoding.DER) for one in (device.certificate, pki.sp1.ca.certificate))
    by_key = DtlsServerConfig(psk=lambda name: PskCredential(key, "sensor") if name == b"me" else None)
    by_certificate = server_config(pki.sp1.server, (Role.FACTORY_DEVICE, pki.permanent.certificate))
    for config, values in (
        (by_key, {2: 0, 3: b"me", 4: b"", 5: key}),
        (by_certificate, {2: 2, 3: certificate, 4: anchor, 5: private, 15: 2}),
    ):
        async with peer(config) as server, bootstrap_peer() as bootstrap:
            client = Client.start(quick(bootstrap=bootstrap.uri))
            _, association = await bootstrap.client()
            nodes = accounts_at(f"coaps://{HOST}:{server.port}")
            account = {0: f"coaps://{HOST}:{server.port}", 1: False, 10: SERVER, **values}
            nodes[0] = ObjectNode(0, {1: ObjectInstance.of(1, account)})  # type: ignore[arg-type]
            assert await bootstrap.write_all(association, nodes) is Code.CHANGED
            assert (await server.contact(1)).association.peer is not None
            await client.cut_power()


async def test_accounts_that_cannot_be_stored_are_said_so_and_the_old_ones_stay(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    files = DeviceFiles(tmp_path / "sensor")
    async with peer() as server, bootstrap_peer() as bootstrap:
        client = Client.start(quick(server=f"coap://{HOST}:{server.port}", bootstrap=bootstrap.uri), files)
        await server.contact(1)
        await server.ask(Code.POST, "/1/0/9")
        _, association = await bootstrap.client()
        with monkeypatch.context() as disk:
            disk.setattr(os, "fsync", full)
            answer = await bootstrap.write_all(association, accounts_at(f"coap://{HOST}:1"))
        assert answer is Code.INTERNAL_SERVER_ERROR
        assert [one.server for one in client.device.accounts.servers()] == [1]
        assert (await server.ask(Code.GET, "/3/0/0")).code is Code.CONTENT
        await client.cut_power()


async def test_without_a_pack_a_client_of_1_2_asks_to_be_written_to() -> None:
    async with bootstrapping(version="1.2") as (bootstrap, server, _):
        _, association = await bootstrap.client()
        assert await bootstrap.write_all(association, accounts_at(f"coap://{HOST}:{server.port}")) is Code.CHANGED
        await server.contact(1)


async def test_servers_that_are_all_lost_send_the_client_to_bootstrap() -> None:
    async with peer() as gone:
        uri = f"coap://{HOST}:{gone.port}"
        gone.refuse = lambda contact: NotFound()
        async with bootstrap_peer() as bootstrap:
            client = Client.start(quick(server=uri, bootstrap=bootstrap.uri))
            await bootstrap.client()
            await client.cut_power()


def test_the_objects_of_the_transfer_are_out_of_reach() -> None:
    """Security rule 17: whatever bootstrap is asked to do to 33001-33003 is refused, and deleting all spares them."""
    settings = quick(server="coap://127.0.0.1", bootstrap="coap://127.0.0.1:5783")
    accounts = Accounts(MODEL)
    first_accounts(accounts, settings)
    untouched = transfer_object(None, Nonce())  # type: ignore[arg-type]
    tree = ObjectTree([*accounts.objects.values(), untouched], AccessControl(accounts))
    interface = BootstrapInterface(accounts, tree, "1.1", insecure=False)
    for number in OUT_OF_REACH:
        for request in (
            Request(Code.GET, (str(number),), accept=Format.LINK),
            Request(Code.GET, (str(number), "0")),
            Request(Code.PUT, (str(number), "0", "0"), payload=b"x", content_format=Format.OPAQUE),
            Request(Code.DELETE, (str(number), "0")),
        ):
            assert interface.answer(request, None).code is Code.UNAUTHORIZED  # type: ignore[arg-type]
    everything = interface.answer(Request(Code.GET, (), accept=Format.LINK), None)  # type: ignore[arg-type]
    assert b"3300" not in everything.payload
    assert interface.answer(Request(Code.DELETE), None).code is Code.DELETED  # type: ignore[arg-type]
    assert untouched.instances and accounts.servers() != []


def test_an_account_shows_no_secret() -> None:
    assert "secret" not in repr(Account(0, "coap://x", 1, 0, b"id", b"", b"hidden"))
