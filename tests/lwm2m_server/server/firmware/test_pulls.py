"""Fetching firmware: by CoAP and by HTTP, over real sockets, for the device the token was given to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from lwm2m_server.api.firmware_files import serving_firmware
from lwm2m_server.clock import Clock
from lwm2m_server.protocol.firmware import Order, Update
from lwm2m_server.server.firmware.images import Images
from lwm2m_server.server.firmware.packages import Packages
from lwm2m_server.server.firmware.payloads import Payloads
from lwm2m_server.server.firmware.pulls import Pulls
from lwm2m_server.server.firmware.service import OBJECT_5
from lwm2m_server.store.database import Database
from lwm2m_server.store.images import Image
from objects.firmware import PullProtocol
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig, PskCredential
from secure_coap.endpoint import CoapClient, CoapServer
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from tests.lwm2m_server.server.firmware.test_images import parts

BODY = bytes(range(256)) * 400
KEYS = {b"a": PskCredential(bytes(16), "dev-a"), b"b": PskCredential(bytes(15) + b"b", "dev-b")}


@dataclass
class Time:
    now: float = 1000.0


def ordered(image: Image, endpoint: str = "dev-a") -> Update:
    return Update(1, Order(endpoint, OBJECT_5, image.digest), 1, expires_at=2000.0, since=0.0)


@dataclass
class Bench:
    packages: Packages
    payloads: Payloads
    image: Image
    pulls: Pulls
    time: Time

    def open(self, protocol: PullProtocol, endpoint: str = "dev-a") -> tuple[str, bytes]:
        uri, token = self.pulls.open(ordered(self.image, endpoint), self.image, protocol)
        return uri.rpartition("/")[2], token


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    database = await Database.open(tmp_path / "server.db")
    time = Time()
    clock = Clock(lambda: time.now)
    images = Images(database, tmp_path / "firmware", clock, max_size=len(BODY))
    bases = {protocol: f"{protocol.scheme}://127.0.0.1:1" for protocol in PullProtocol}
    packages = Packages(database, images)
    pulls = Pulls(packages, clock, bases, lambda a, endpoint: a.peer is not None and a.peer.endpoint == endpoint)
    yield Bench(packages, Payloads(database, images), await images.add(parts(BODY)), pulls, time)
    await database.close()


async def get(address: tuple[str, int], token: str, identity: bytes | None = None) -> Response:
    dtls = None if identity is None else DtlsClientConfig(psk=(identity.decode(), KEYS[identity].key))
    client = await CoapClient.connect(*address, dtls=dtls)
    try:
        return await client.request(Request(Code.GET, ("fw", token)))
    finally:
        await client.close()


async def test_a_uri_is_unguessable_short_and_its_own(bench: Bench) -> None:
    first, second = (bench.pulls.open(ordered(bench.image), bench.image, PullProtocol.COAPS)[0] for _ in range(2))
    assert first.startswith("coaps://127.0.0.1:1/fw/")
    assert len({first, second}) == 2
    assert len(first.rpartition("/")[2]) == 22
    bench.pulls.bases[PullProtocol.HTTP] = "http://" + "x" * 250
    with pytest.raises(ValueError, match="shorten"):
        bench.pulls.open(ordered(bench.image), bench.image, PullProtocol.HTTP)


async def test_devices_that_are_here_by_oscore_are_sent_to_its_address_alone(bench: Bench) -> None:
    assert bench.pulls.bases_for(oscore=True) == {}
    bench.pulls.oscore_base = "coap://127.0.0.1:2"
    assert bench.pulls.bases_for(oscore=True) == {PullProtocol.COAP: "coap://127.0.0.1:2"}
    uri, _ = bench.pulls.open(ordered(bench.image), bench.image, PullProtocol.COAP, oscore=True)
    assert uri.startswith("coap://127.0.0.1:2/fw/")


async def test_by_coap_without_security(bench: Bench) -> None:
    server = await CoapServer.bind("127.0.0.1", 0, dtls=None, handler=bench.pulls.handle)
    try:
        token, digest = bench.open(PullProtocol.COAP)
        response = await get(server.address, token)
        assert (response.code, response.payload) == (Code.CONTENT, BODY)
        assert response.content_format == ContentFormat.OCTET_STREAM
        assert bench.pulls.progress(digest) == len(BODY)
        secure, _ = bench.open(PullProtocol.COAPS)
        for wrong in ("", "x" * 22, secure):
            assert (await get(server.address, wrong)).code is Code.NOT_FOUND
        bench.time.now = 2000.0
        assert (await get(server.address, token)).code is Code.NOT_FOUND
        bench.time.now = 1000.0
        bench.pulls.close(digest)
        assert (await get(server.address, token)).code is Code.NOT_FOUND
        assert bench.pulls.progress(digest) is None
    finally:
        await server.close()


async def test_by_coaps_for_the_device_it_was_given_to(bench: Bench) -> None:
    dtls = DtlsServerConfig(psk=KEYS.get)
    server = await CoapServer.bind("127.0.0.1", 0, dtls=dtls, handler=bench.pulls.handle)
    try:
        token, _ = bench.open(PullProtocol.COAPS)
        assert (await get(server.address, token, b"a")).payload == BODY
        assert (await get(server.address, token, b"b")).code is Code.NOT_FOUND
    finally:
        await server.close()


async def test_a_restarted_server_serves_the_same_bytes_under_the_same_name(bench: Bench) -> None:
    token, digest = bench.open(PullProtocol.COAP)
    restarted = Pulls(bench.packages, Clock(lambda: 1500.0), bench.pulls.bases, lambda *_: True)
    restarted.restore(digest, ordered(bench.image), bench.image, PullProtocol.COAP)
    answers = []
    for pulls in (bench.pulls, restarted):
        server = await CoapServer.bind("127.0.0.1", 0, dtls=None, handler=pulls.handle)
        answers.append(await get(server.address, token))
        await server.close()
    assert (answers[0].payload, answers[0].options) == (answers[1].payload, answers[1].options)
    assert answers[0].options


async def test_by_http(bench: Bench) -> None:
    token, digest = bench.open(PullProtocol.HTTP)
    secure, _ = bench.open(PullProtocol.HTTPS)
    async with (
        serving_firmware(bench.pulls, bench.payloads, "127.0.0.1", 0, None) as (host, port),
        httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False) as client,
    ):
        whole = await client.get(f"/fw/{token}")
        assert (whole.status_code, whole.content) == (200, BODY)
        assert bench.pulls.progress(digest) == len(BODY)
        etag = whole.headers["etag"]
        for span, begin, end in (
            ("0-9", 0, 10),
            ("102390-", 102390, 102400),
            ("-5", 102395, 102400),
            ("5-999999", 5, 102400),
        ):
            part = await client.get(f"/fw/{token}", headers={"range": f"bytes={span}", "if-range": etag})
            assert (part.status_code, part.content) == (206, BODY[begin:end])
            assert part.headers["content-range"] == f"bytes {begin}-{end - 1}/{len(BODY)}"
        for odd in ("bytes=9-5", "bytes=0-1,4-5", "bytes=-", "lines=1-2"):
            assert (await client.get(f"/fw/{token}", headers={"range": odd})).status_code == 200
        assert (await client.get(f"/fw/{token}", headers={"range": "bytes=0-1", "if-range": '"x"'})).status_code == 200
        for beyond in ("bytes=102400-", "bytes=-0"):
            refused = await client.get(f"/fw/{token}", headers={"range": beyond})
            assert (refused.status_code, refused.headers["content-range"]) == (416, f"bytes */{len(BODY)}")
        assert (await client.get(f"/fw/{token}", headers={"if-none-match": etag})).status_code == 304
        head = await client.head(f"/fw/{token}")
        assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(BODY)), b"")
        for wrong in ("x" * 22, secure, f"{token}/more"):
            assert (await client.get(f"/fw/{wrong}")).status_code == 404
        assert (await client.post(f"/fw/{token}")).status_code == 405


async def test_each_device_has_its_own_progress(bench: Bench) -> None:
    """What one device has fetched says nothing about another: each has its own token and progress."""
    _, one = bench.open(PullProtocol.HTTP)
    token, other = bench.open(PullProtocol.HTTP, "dev-b")
    async with (
        serving_firmware(bench.pulls, bench.payloads, "127.0.0.1", 0, None) as (host, port),
        httpx.AsyncClient(base_url=f"http://{host}:{port}", trust_env=False) as client,
    ):
        await client.get(f"/fw/{token}", headers={"range": "bytes=0-99"})
    assert (bench.pulls.progress(one), bench.pulls.progress(other)) == (0, 100)
