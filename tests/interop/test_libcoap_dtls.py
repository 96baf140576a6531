"""libcoap (C) over DTLS, on OpenSSL and on GnuTLS, against our CoAP endpoints in both roles."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from cryptography import x509

from device_pki.identity import PeerIdentity, PskIdentity
from secure_coap.association import Association
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig, PskCredential
from secure_coap.endpoint import CoapClient, CoapServer
from secure_coap.errors import HandshakeFailed
from secure_coap.exchange import Request, Response
from secure_coap.numbers import Code
from tests.interop import libcoap_dtls as libcoap
from tests.interop.libcoap_dtls import KEY, Library
from tests.secure_coap.pki import HOST, hierarchy

LARGE = b"a large body, which needs several blocks. " * 100
CREDENTIALS = {b"libcoap": PskCredential(KEY.encode(), "endpoint-1")}

pytestmark = pytest.mark.parametrize("library", Library)


class Seen:
    """Our server, and who has asked it."""

    def __init__(self) -> None:
        self.peers: list[object] = []

    async def handle(self, request: Request, association: Association) -> Response:
        self.peers.append(association.peer)
        return Response(Code.CONTENT, LARGE if request.path == ("large",) else b"small")


def verify(chain: Sequence[x509.Certificate]) -> PeerIdentity:
    """Its OpenSSL client sends the first certificate of its file only: the server knows the CA between."""
    leaf, *others = chain
    return hierarchy().verify_device((leaf, *(others or hierarchy().device.chain[1:])))


@pytest.fixture
async def ours() -> AsyncIterator[tuple[str, Seen]]:
    own, seen = hierarchy().server, Seen()
    config = DtlsServerConfig(own.chain, own.key, verify, psk=CREDENTIALS.get)
    server = await CoapServer.bind(HOST, 0, dtls=config, handler=seen.handle)
    yield f"coaps://{HOST}:{server.address[1]}", seen
    await server.close()


@pytest.fixture
def port() -> int:
    """A free port whose successor is free, too."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((HOST, 0))
            found: int = probe.getsockname()[1]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second:
                try:
                    second.bind((HOST, found + 1))
                except OSError:
                    continue
                return found


@pytest.mark.parametrize(("path", "body"), [("small", b"small"), ("large", LARGE)])
async def test_its_client_by_key(library: Library, ours: tuple[str, Seen], path: str, body: bytes) -> None:
    uri, seen = ours
    assert await libcoap.client(library, f"{uri}/{path}", *libcoap.by_key("libcoap")) == body + b"\n"
    assert set(seen.peers) == {PskIdentity("libcoap", "endpoint-1")}


async def test_its_client_by_certificate(library: Library, ours: tuple[str, Seen], tmp_path: Path) -> None:
    uri, seen = ours
    options = libcoap.by_certificate(hierarchy().device, tmp_path)
    assert await libcoap.client(library, f"{uri}/large", *options) == LARGE + b"\n"
    assert {isinstance(peer, PeerIdentity) and peer.endpoint for peer in seen.peers} == {"device-1"}


@pytest.mark.parametrize("wrong", [libcoap.by_key("libcoap", "another key of 16"), libcoap.by_key("nobody")])
async def test_its_client_with_a_wrong_key_gets_nothing(
    library: Library, ours: tuple[str, Seen], wrong: Sequence[str]
) -> None:
    uri, seen = ours
    assert b"small" not in await libcoap.client(library, f"{uri}/small", "-B", "1", *wrong)
    assert seen.peers == []


async def test_our_client_by_key(library: Library, port: int) -> None:
    async with libcoap.server(library, port, "-k", KEY):
        client = await connect(port, DtlsClientConfig(psk=("libcoap", KEY.encode())))
        await use(client)


async def test_our_client_by_certificate(library: Library, port: int, tmp_path: Path) -> None:
    hall = hierarchy()
    async with libcoap.server(library, port, *libcoap.by_certificate(hall.server, tmp_path)):
        client = await connect(port, hall.client_config())
        assert isinstance(client.association.peer, PeerIdentity)
        await use(client)


async def connect(port: int, config: DtlsClientConfig) -> CoapClient:
    """As soon as it listens: a refused datagram is no error here, and the handshake repeats itself."""
    async with asyncio.timeout(libcoap.WAIT):
        while True:
            try:
                return await CoapClient.connect(HOST, port + 1, dtls=config)
            except HandshakeFailed:
                await asyncio.sleep(0.1)


async def use(client: CoapClient) -> None:
    """Put something large and get it back."""
    put = await client.request(Request(Code.PUT, ("example_data",), payload=LARGE), timeout=5)
    assert put.code in (Code.CREATED, Code.CHANGED)
    got = await client.request(Request(Code.GET, ("example_data",)), timeout=5)
    assert got.payload == LARGE
    await client.close()
