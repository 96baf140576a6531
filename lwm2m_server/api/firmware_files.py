"""Firmware over HTTP: `GET /fw/{token}` on a listener of its own, for devices that fetch their package that way, and
`GET /fw/{SHA-256}` for payloads that their manifests name.

One range at a time (RFC 9110, 14), an ETag that names the bytes, If-Range and If-None-Match, so that a device goes on
where it stopped. Nothing else is here, and whatever is wrong with a token is answered 404.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from lwm2m_server.api.serving import serving
from lwm2m_server.server.firmware.payloads import Payloads, is_digest
from lwm2m_server.server.firmware.pulls import PATH, Pulls
from objects.firmware import PullProtocol
from secure_coap.errors import NotFound
from secure_coap.exchange import Download

_PART: Final = 64 * 1024
_RANGE: Final = re.compile(r"bytes=(\d{0,12})-(\d{0,12})", re.ASCII)


def create_app(pulls: Pulls, payloads: Payloads, protocol: PullProtocol) -> Starlette:
    """The application behind a listener of `protocol`, HTTP or HTTPS."""

    async def firmware(request: Request) -> Response:
        name = request.path_params["name"]
        try:
            if is_digest(name):
                image, body = await payloads.openly(bytes.fromhex(name))
                return _answer(request, _Given(image.sha256, body, Download()))
        except NotFound:
            return PlainTextResponse("no such firmware\n", 404)
        served = pulls.find(name, protocol)
        if served is None:
            return PlainTextResponse("no such firmware\n", 404)
        return _answer(request, _Given(served.package.sha256, served.package.body, served.download))

    return Starlette(routes=[Route(f"/{PATH}/{{name}}", firmware, methods=["GET"])])


@asynccontextmanager
async def serving_firmware(
    pulls: Pulls, payloads: Payloads, host: str, port: int, tls: ssl.SSLContext | None
) -> AsyncIterator[tuple[str, int]]:
    """Listen inside the block; the value is the address. Raises OSError."""
    protocol = PullProtocol.HTTP if tls is None else PullProtocol.HTTPS
    async with serving(create_app(pulls, payloads, protocol), host, port, tls=tls) as address:
        yield address


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS for devices that check the server's certificate and have none of their own for HTTP."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


@dataclass(frozen=True, slots=True)
class _Given:
    """What is given out, and how far."""

    sha256: bytes
    body: bytes
    download: Download


def _answer(request: Request, given: _Given) -> Response:
    etag, size = f'"{given.sha256.hex()}"', len(given.body)
    headers = {"etag": etag, "accept-ranges": "bytes", "cache-control": "no-store"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    if wanted is None or request.headers.get("if-range", etag) != etag:
        return _part(given, 0, size, 200, headers)
    span = _span(wanted, size)
    if span is None:
        return _part(given, 0, size, 200, headers)
    begin, end = span
    if begin >= min(end, size):
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {begin}-{end - 1}/{size}"
    return _part(given, begin, end, 206, headers)


def _span(wanted: str, size: int) -> tuple[int, int] | None:
    """Begin and end of the one range asked for; None when it is no range to heed: then the whole is answered."""
    found = _RANGE.fullmatch(wanted.strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size if int(last) else 0
    if last and int(last) < int(first):
        return None
    return int(first), min(size, int(last) + 1) if last else size


def _part(given: _Given, begin: int, end: int, status: int, headers: dict[str, str]) -> Response:
    async def body() -> AsyncIterator[bytes]:
        for at in range(begin, end, _PART):
            part_end = min(at + _PART, end)
            yield given.body[at:part_end]
            given.download.sent = part_end

    return StreamingResponse(
        body(), status, {**headers, "content-length": str(end - begin)}, media_type="application/octet-stream"
    )
