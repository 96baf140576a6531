"""Firmware fetched over TCP and TLS: a device that lists those protocols is told a URI of this very server."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.protocol.firmware import Method, Order
from lwm2m_server.roles import dev
from objects.firmware import DeliveryMethod, PullProtocol
from objects.path import Path as ObjectPath
from secure_coap.association import Association
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from secure_coap.tcp_endpoint import CoapTcpClient
from tests.lwm2m_server.dm.test_role import ANY, running, tls_of
from tests.lwm2m_server.server.firmware.test_images import parts
from tests.lwm2m_server.server.test_registering import register

IMAGE = bytes(range(256)) * 300
_URI = re.compile(rb"(coaps?\+tcp)://([^/:]+):(\d+)/(fw)/([\w-]{22})")


@dataclass
class Fetcher:
    """Object 5 of a device that fetches over TCP and TLS only."""

    told: asyncio.Future[bytes] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def handle(self, request: Request, _: Association) -> Response:
        if request.method is Code.PUT:
            if not self.told.done():
                self.told.set_result(request.payload)
            return Response(Code.CHANGED)
        values = {"3": 0, "5": 0, "8/0": PullProtocol.COAP_TCP, "8/1": PullProtocol.COAPS_TCP, "9": DeliveryMethod.PULL}
        asked = request.path[2]
        found = [
            {"n": f"/5/0/{name}", "v": int(value)} for name, value in values.items() if name.split("/")[0] == asked
        ]
        return Response(Code.CONTENT, json.dumps(found).encode(), content_format=ContentFormat.SENML_JSON)


@pytest.mark.parametrize("scheme", ["coap+tcp", "coaps+tcp"])
async def test_a_device_is_sent_where_it_can_fetch(tmp_path: Path, scheme: str) -> None:
    dev.prepare(tmp_path)
    fetcher = Fetcher()
    async with running(tmp_path, tcp_bind=ANY, tls_bind=ANY) as (role, _):
        assert role.tcp is not None and role.tls is not None
        secured = scheme == "coaps+tcp"
        address, tls = (role.tls, tls_of(CaDirectory(tmp_path / "ca"), "dev-1")) if secured else (role.tcp, None)
        client = await CoapTcpClient.connect(*address, tls=tls, handler=fetcher.handle)
        await register(client, "ep=dev-1", "lwm2m=1.1", "b=T", links=b"</5/0>")
        image = await role.firmware.images.add(parts(IMAGE))
        await role.firmware.order([Order("dev-1", ObjectPath(5, 0), image.digest, method=Method.PULL)])
        uri = _URI.search(await asyncio.wait_for(fetcher.told, 20))
        assert uri is not None
        assert (uri[1].decode(), uri[2].decode(), int(uri[3])) == (scheme, *address)
        fetched = await client.request(Request(Code.GET, (uri[4].decode(), uri[5].decode())))
        assert (fetched.code, fetched.payload) == (Code.CONTENT, IMAGE)
        await client.close()
