"""Firmware of a standard client: written, fetched by every protocol, cut off, taken up again, refused, installed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path as FilePath
from typing import Any

import pytest

from device_client.emulator.lwm2m.firmware.fetching import fetch
from device_client.emulator.lwm2m.firmware.packages import MAX_PACKAGE, PackageRefused, Scratch
from device_client.emulator.storage.files import DeviceFiles
from objects.firmware import UpdateResult, UpdateState
from objects.formats import Format
from objects.nodes import Resource
from secure_coap.association import Association
from secure_coap.endpoint import CoapServer
from secure_coap.errors import NotFound, ServiceUnavailable
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option
from tests.device_client.plain_world import FAST, HOST, PATIENCE, Client, Peer, peer, quick, registered

PACKAGE = bytes(range(256)) * 40
VERSION = sha256(PACKAGE).hexdigest()[:12]


async def until(server: Peer, path: str, value: int) -> None:
    """Ask until a resource has this value."""
    async with asyncio.timeout(PATIENCE):
        while await server.read(path) != Resource(int(path.rpartition("/")[2]), value):
            await asyncio.sleep(0.01)


async def write_package(server: Peer, path: str = "/5/0/0") -> Response:
    return await server.ask(Code.PUT, path, payload=PACKAGE, content_format=Format.OPAQUE)


async def write_uri(server: Peer, uri: str, path: str = "/5/0/1") -> Response:
    return await server.ask(Code.PUT, path, payload=uri.encode(), content_format=Format.TEXT)


async def test_a_written_package_is_installed_and_the_client_comes_back_with_it() -> None:
    async with registered(install_seconds=0.0) as (server, _):
        assert (await server.ask(Code.POST, "/5/0/2")).code is Code.METHOD_NOT_ALLOWED
        assert (await write_package(server)).code is Code.CHANGED
        assert await server.read("/5/0/3") == Resource(3, UpdateState.DOWNLOADED)
        assert (await server.ask(Code.POST, "/5/0/2")).code is Code.CHANGED
        assert (await server.contact(2)).request.path == ("rd",)
        assert await server.read("/5/0/5") == Resource(5, UpdateResult.SUCCESS)
        assert await server.read("/5/0/7") == Resource(7, VERSION)


async def test_an_empty_package_or_uri_sets_it_back_and_cancel_says_so() -> None:
    async with registered() as (server, _):
        await write_package(server)
        await server.ask(Code.PUT, "/5/0/0", payload=b"", content_format=Format.OPAQUE)
        assert await server.read("/5/0/3") == Resource(3, UpdateState.IDLE)
        await write_package(server)
        assert (await write_uri(server, "")).code is Code.CHANGED
        assert await server.read("/5/0/3") == Resource(3, UpdateState.IDLE)
    async with registered(version="1.2") as (server, _):
        await write_package(server)
        assert (await server.ask(Code.POST, "/5/0/10")).code is Code.CHANGED
        assert await server.read("/5/0/5") == Resource(5, UpdateResult.CANCELLED)


@pytest.mark.parametrize(
    ("uri", "result"),
    [
        ("no uri", UpdateResult.INVALID_URI),
        ("ftp://127.0.0.1/x", UpdateResult.UNSUPPORTED_PROTOCOL),
        ("http://192.0.2.1/x", UpdateResult.INVALID_URI),
        ("coap://192.0.2.1/x", UpdateResult.INVALID_URI),
        ("coaps://127.0.0.1/x", UpdateResult.INVALID_URI),
    ],
)
async def test_a_uri_the_client_may_not_go_to_is_refused(uri: str, result: UpdateResult) -> None:
    async with registered() as (server, _):
        assert (await write_uri(server, uri)).code is Code.BAD_REQUEST
        assert await server.read("/5/0/5") == Resource(5, result)


class Depot:
    """A CoAP server with one package: it stops answering after some blocks, until it is asked again."""

    def __init__(self, stops: int = 0, tag: bytes = b"one") -> None:
        self.stops = stops
        self.tag = tag
        self.asked: list[bytes] = []

    def handle(self, request: Request, association: Association) -> Response:
        if request.path != ("fw", "image"):
            raise NotFound
        self.asked.append(b"")
        if self.stops and len(self.asked) == 1:
            raise ServiceUnavailable
        return Response(Code.CONTENT, PACKAGE, options=((Option.ETAG, self.tag),))


@asynccontextmanager
async def depot(made: Depot) -> AsyncIterator[CoapServer]:
    server = await CoapServer.bind(HOST, 0, dtls=None, handler=made.handle, parameters=FAST)
    try:
        yield server
    finally:
        await server.close()


async def test_a_package_is_fetched_over_coap() -> None:
    async with registered(install_seconds=0.0) as (server, _), depot(Depot()) as there:
        observed = await server.observe("/5/0/3")
        assert (await write_uri(server, f"coap://{HOST}:{there.address[1]}/fw/image")).code is Code.CHANGED
        states = [(await observed.next()).payload for _ in range(2)]
        assert states == [b"1", b"2"]
        await server.ask(Code.POST, "/5/0/2")
        await server.contact(2)
        assert await server.read("/5/0/7") == Resource(7, VERSION)


async def test_a_server_that_is_busy_is_asked_again_and_one_without_the_package_is_not() -> None:
    async with registered() as (server, _), depot(Depot(stops=1)) as there:
        await write_uri(server, f"coap://{HOST}:{there.address[1]}/fw/image")
        await until(server, "/5/0/3", UpdateState.DOWNLOADED)
        await write_uri(server, f"coap://{HOST}:{there.address[1]}/nothing")
        await until(server, "/5/0/5", UpdateResult.INVALID_URI)


class WebServer:
    """Speaks just enough HTTP; the first answer breaks off in the middle."""

    def __init__(self, breaks: int = 1) -> None:
        self.breaks = breaks
        self.ranges: list[str] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        wanted = next((line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("range: ")), "")
        self.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        body = PACKAGE[start:]
        status = "206 Partial Content" if wanted else "200 OK"
        writer.write(f'HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nETag: "one"\r\n\r\n'.encode())
        writer.write(body[: len(body) // 2] if len(self.ranges) <= self.breaks else body)
        await writer.drain()
        writer.close()


async def test_a_broken_download_over_http_goes_on_where_it_ended() -> None:
    web = WebServer()
    listening = await asyncio.start_server(web.handle, HOST, 0)
    uri = f"http://{HOST}:{listening.sockets[0].getsockname()[1]}/image"
    async with registered() as (server, _), listening:
        await write_uri(server, uri)
        await until(server, "/5/0/3", UpdateState.DOWNLOADED)
    assert web.ranges == ["", f"bytes={len(PACKAGE) // 2}-"]


async def test_a_download_goes_on_after_a_power_cut(tmp_path: FilePath) -> None:
    files = DeviceFiles(tmp_path / "sensor")
    web = WebServer(breaks=1)
    listening = await asyncio.start_server(web.handle, HOST, 0)
    uri = f"http://{HOST}:{listening.sockets[0].getsockname()[1]}/image"
    async with peer() as server, listening:
        settings = quick(server=f"coap://{HOST}:{server.port}", install_seconds=0.0)
        client = Client.start(settings, files)
        await server.contact(1)
        await write_uri(server, uri)
        while not Scratch(files, "firmware/firmware.package").size():
            await asyncio.sleep(0.001)
        await client.cut_power()
        client = Client.start(settings, files)
        await server.contact(2)
        await until(server, "/5/0/3", UpdateState.DOWNLOADED)
        await server.ask(Code.POST, "/5/0/2")
        await server.contact(3)
        assert await server.read("/5/0/7") == Resource(7, VERSION)
        await client.cut_power()
    assert web.ranges[1].startswith("bytes=")


async def test_nobody_there_is_a_lost_connection_in_the_end() -> None:
    async with depot(Depot()) as there:
        port = there.address[1]
    async with registered() as (server, _):
        await write_uri(server, f"http://{HOST}:{port}/image")
        await until(server, "/5/0/5", UpdateResult.CONNECTION_LOST)
        assert await server.read("/5/0/3") == Resource(3, UpdateState.IDLE)


async def test_components_are_updated_alone_or_together() -> None:
    async with registered(install_seconds=0.0) as (server, _):
        assert await server.read("/33629/1/14") == Resource(14, "modem")
        await write_package(server, "/33629/0/0")
        linked = {"payload": b"0='</33629/1>'", "content_format": 0}
        assert (await server.ask(Code.POST, "/33629/0/2", **linked)).code is Code.METHOD_NOT_ALLOWED
        assert await server.read("/33629/0/5") == Resource(5, UpdateResult.CONFLICTING_STATE)
        await write_package(server, "/33629/1/0")
        assert (await server.ask(Code.POST, "/33629/0/2", payload=b"0='x'", content_format=0)).code is Code.BAD_REQUEST
        assert (await server.ask(Code.POST, "/33629/0/2", **linked)).code is Code.CHANGED
        await server.contact(2)
        await until(server, "/33629/0/5", UpdateResult.SUCCESS)
        await until(server, "/33629/1/5", UpdateResult.SUCCESS)


async def test_a_package_beyond_the_limit_is_refused_before_it_is_kept(tmp_path: FilePath) -> None:
    class Endless:
        async def pieces(self, offset: int, etag: bytes) -> AsyncIterator[Any]:
            from device_client.emulator.lwm2m.firmware.fetching import Piece

            yield Piece(0, b"x", total=MAX_PACKAGE + 1)

    scratch = Scratch(DeviceFiles(tmp_path), "package")
    with pytest.raises(PackageRefused):
        await fetch(Endless(), scratch, b"", lambda *_: None)
    assert scratch.size() == 0
