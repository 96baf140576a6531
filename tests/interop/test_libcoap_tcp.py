"""libcoap (C) against our CoAP over TCP (RFC 8323), in both roles: bodies, observing; its client over TLS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509

from device_pki.identity import PeerIdentity
from secure_coap.association import Association
from secure_coap.errors import TransportError
from secure_coap.exchange import Request, Response
from secure_coap.numbers import Code
from secure_coap.tcp_endpoint import CoapTcpClient, CoapTcpServer
from tests.interop import libcoap, libcoap_dtls
from tests.secure_coap.pki import hierarchy

HOST = "127.0.0.1"
LARGE = bytes(range(200)) * 100


@pytest.fixture
def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        found: int = probe.getsockname()[1]
        return found


async def test_its_client_with_our_server(tmp_path: Path) -> None:
    stored = [b"small"]

    def handler(request: Request, association: Association) -> Response:
        if request.method is Code.PUT:
            stored[0] = request.payload
            return Response(Code.CHANGED)
        return Response(Code.CONTENT, stored[0])

    server = await CoapTcpServer.bind(HOST, 0, tls=None, handler=handler)
    uri = f"coap+tcp://{HOST}:{server.address[1]}/stored"
    assert await libcoap.client(uri, "get", folder=tmp_path) == b"small"
    await libcoap.client(uri, "put", body=LARGE, folder=tmp_path)
    assert stored[0] == LARGE
    assert await libcoap.client(uri, "get", folder=tmp_path) == LARGE
    await server.close()


async def connected(port: int) -> CoapTcpClient:
    """A client of the server at this port, as soon as that one listens."""
    async with asyncio.timeout(libcoap.WAIT):
        while True:
            try:
                return await CoapTcpClient.connect(HOST, port, tls=None)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)


async def test_our_client_with_its_server(port: int) -> None:
    async with libcoap.server(port, "-d", "10"):
        client = await connected(port)
        assert b"libcoap" in (await client.request(Request(Code.GET))).payload
        created = await client.request(Request(Code.PUT, ("new",), payload=LARGE))
        assert created.code == Code.CREATED
        assert (await client.request(Request(Code.GET, ("new",)))).payload == LARGE
        heard: asyncio.Queue[Response | TransportError] = asyncio.Queue()
        _, observation = await client.observe(Request(Code.GET, ("time",)), heard.put_nowait)
        assert observation.active
        news = await asyncio.wait_for(heard.get(), 10)
        assert isinstance(news, Response) and news.code == Code.CONTENT
        await observation.cancel()
        await client.close()


def verify(chain: Sequence[x509.Certificate]) -> PeerIdentity:
    """Its OpenSSL client sends the first certificate of its file only: the server knows the CA between."""
    leaf, *others = chain
    return hierarchy().verify_device((leaf, *(others or hierarchy().device.chain[1:])))


@pytest.mark.parametrize("library", libcoap_dtls.Library)
async def test_its_client_over_tls(library: libcoap_dtls.Library, tmp_path: Path) -> None:
    names: list[str | None] = []

    def handler(request: Request, association: Association) -> Response:
        names.append(association.peer.endpoint if association.peer is not None else None)
        return Response(Code.CONTENT, b"over TLS")

    server = await CoapTcpServer.bind(HOST, 0, tls=hierarchy().server_config(verify), handler=handler)
    identity = libcoap_dtls.by_certificate(hierarchy().device, tmp_path)
    answer = await libcoap_dtls.client(library, f"coaps+tcp://{HOST}:{server.address[1]}/x", *identity)
    assert b"over TLS" in answer
    assert names == ["device-1"]
    await server.close()
