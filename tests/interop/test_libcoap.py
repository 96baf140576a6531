"""libcoap (C) against our CoAP engine without DTLS, in both roles.

| operation | libcoap's client, our server | our client, libcoap's server |
| --- | --- | --- |
| GET | small; 20,000 bytes by Block2, after an Echo | small; 20,000 bytes by Block2; separate response |
| PUT | 20,000 bytes by Block1 | 20,000 bytes by Block1, creating a resource |
| POST, FETCH, iPATCH | 4,000 bytes in blocks of 64 | |
| DELETE | with a diagnostic error | yes |
| Observe | | notifications, cancelled |
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from secure_coap.association import Association
from secure_coap.endpoint import CoapClient, CoapServer
from secure_coap.errors import TransportError
from secure_coap.exchange import Request, Response
from secure_coap.numbers import Code
from tests.interop import libcoap

HOST = "127.0.0.1"
LARGE = bytes(range(200)) * 100


@pytest.fixture
def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        found: int = probe.getsockname()[1]
        return found


@pytest.fixture
async def uri() -> AsyncIterator[str]:
    """Our server: what is put can be got; other methods give the length back; nothing can be deleted."""
    stored = [b"small"]

    async def handler(request: Request, association: Association) -> Response:
        match request.method:
            case Code.GET:
                return Response(Code.CONTENT, stored[0], content_format=request.accept)
            case Code.PUT:
                stored[0] = request.payload
                return Response(Code.CHANGED)
            case Code.DELETE:
                return Response(Code.NOT_FOUND, b"not to be deleted")
        return Response(Code.CHANGED, f"{request.method.name} {len(request.payload)}".encode())

    server = await CoapServer.bind(HOST, 0, dtls=None, handler=handler)
    yield f"coap://{HOST}:{server.address[1]}/stored"
    await server.close()


async def test_its_client_gets_and_puts(uri: str, tmp_path: Path) -> None:
    assert await libcoap.client(uri, "get", "-A", "42", folder=tmp_path) == b"small"
    await libcoap.client(uri, "put", "-b", "1024", body=LARGE, folder=tmp_path)
    assert await libcoap.client(uri, "get", folder=tmp_path) == LARGE


@pytest.mark.parametrize("method", ["post", "fetch", "ipatch"])
async def test_its_client_sends_a_body_in_small_blocks(uri: str, method: str, tmp_path: Path) -> None:
    answer = await libcoap.client(uri, method, "-b", "64", body=LARGE[:4000], folder=tmp_path)
    assert answer == f"{method.upper()} 4000".encode()


async def test_its_client_is_told_our_error(uri: str, tmp_path: Path) -> None:
    assert await libcoap.client(uri, "delete", folder=tmp_path) == b"4.04 not to be deleted\n"


async def test_our_client_uses_its_server(port: int) -> None:
    async with libcoap.server(port, "-d", "10"):
        client = await CoapClient.connect(HOST, port, dtls=None)
        assert b"libcoap" in (await client.request(Request(Code.GET))).payload
        assert (await client.request(Request(Code.PUT, ("made",), payload=LARGE))).code == Code.CREATED
        assert (await client.request(Request(Code.GET, ("made",)))).payload == LARGE
        assert (await client.request(Request(Code.DELETE, ("made",)))).code == Code.DELETED
        assert (await client.request(Request(Code.GET, ("made",)))).code == Code.NOT_FOUND
        await client.close()


async def test_its_server_answers_separately(port: int) -> None:
    async with libcoap.server(port):
        client = await CoapClient.connect(HOST, port, dtls=None)
        response = await client.request(Request(Code.GET, ("async",), query=("1",)))
        assert (response.code, response.payload) == (Code.CONTENT, b"done")
        await client.close()


async def test_our_client_observes_its_server(port: int) -> None:
    news: asyncio.Queue[Response | TransportError] = asyncio.Queue()
    async with libcoap.server(port):
        client = await CoapClient.connect(HOST, port, dtls=None)
        first, observation = await client.observe(Request(Code.GET, ("time",)), news.put_nowait)
        numbers, payloads = [first.observe], [first.payload]
        async with asyncio.timeout(15):
            while payloads[-1] == payloads[0] or len(numbers) < 3:  # the time, in whole seconds
                notification = await news.get()
                assert isinstance(notification, Response)
                numbers.append(notification.observe)
                payloads.append(notification.payload)
        assert None not in numbers
        assert len(set(numbers)) == len(numbers)
        assert (await observation.cancel()).observe is None
        await client.close()
    assert news.empty()
