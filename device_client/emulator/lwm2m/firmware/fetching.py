"""Fetching a package by its URI, on from where an earlier try ended (LwM2M Core 1.2, E.6 Package URI).

What answers with another entity tag than before is another package: it is fetched from the beginning.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from device_client.emulator.lwm2m.firmware.packages import MAX_PACKAGE, PackageRefused, Scratch
from device_client.emulator.transport.coap import CoapSession
from objects.firmware import PullProtocol, UpdateResult
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code

PROTOCOLS: Final = (PullProtocol.COAP, PullProtocol.COAPS, PullProtocol.HTTP, PullProtocol.HTTPS)
SCHEMES: Final = tuple(protocol.scheme for protocol in PROTOCOLS)
HTTP_TIMEOUT: Final = 10.0
SMALLEST_BLOCK: Final = 16


class FetchInterrupted(ConnectionError):
    """The transfer broke off; what has come stays, and a later try goes on from there."""


Progress: TypeAlias = Callable[[bytes, int, int | None], None]
"""Hears entity tag, bytes there, and bytes in all if the server says so."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a package at their place. `etag` and `total` (bytes) as far as the server says."""

    offset: int
    data: bytes
    etag: bytes = b""
    total: int | None = None


class Source(Protocol):
    """Gives the pieces of one package."""

    def pieces(self, offset: int, etag: bytes) -> AsyncIterator[Piece]:
        """From `offset` on, if it is still the package with this entity tag, else from 0.

        Raises FetchInterrupted, PackageRefused.
        """


OpenSource: TypeAlias = Callable[[str], Source]
"""The source behind a URI. Raises PackageRefused."""


async def fetch(source: Source, scratch: Scratch, etag: bytes, progress: Progress) -> None:
    """Fill `scratch`; `progress` is told after each piece.

    Raises FetchInterrupted, PackageRefused (too large, not there), StorageError.
    """
    async for piece in source.pieces(scratch.size(), etag):
        if piece.offset != scratch.size():
            if piece.offset:
                raise FetchInterrupted("the server sent a piece of another place")
            scratch.clear()
        if piece.offset + len(piece.data) > MAX_PACKAGE or (piece.total or 0) > MAX_PACKAGE:
            raise PackageRefused(UpdateResult.NOT_ENOUGH_STORAGE, f"at most {MAX_PACKAGE} bytes")
        scratch.append(piece.data)
        progress(piece.etag, scratch.size(), piece.total)


def parse_uri(uri: str) -> SplitResult:
    """The parts of a Package URI. Raises PackageRefused: INVALID_URI, UNSUPPORTED_PROTOCOL."""
    try:
        parts = urlsplit(uri)
        valid = parts.hostname and not parts.username and not parts.fragment and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise PackageRefused(UpdateResult.INVALID_URI, f"no URI: {error}") from error
    if not valid or not parts.scheme:
        raise PackageRefused(UpdateResult.INVALID_URI, "a Package URI names scheme and host")
    if parts.scheme not in SCHEMES:
        raise PackageRefused(UpdateResult.UNSUPPORTED_PROTOCOL, f"{parts.scheme} is not offered")
    return parts


class CoapSource:
    """A package on a CoAP server, block by block (RFC 7959). `open_session` reaches that server."""

    def __init__(self, uri: SplitResult, open_session: Callable[[], Awaitable[CoapSession]]) -> None:
        path = tuple(unquote(segment) for segment in uri.path.split("/")[1:])
        query = tuple(unquote(one) for one in uri.query.split("&")) if uri.query else ()
        self._request = Request(Code.GET, path, query)
        self._open_session = open_session

    async def pieces(self, offset: int, etag: bytes) -> AsyncIterator[Piece]:
        if offset % SMALLEST_BLOCK:
            offset = 0
        try:
            session = await self._open_session()
        except OSError as error:
            raise FetchInterrupted(str(error)) from error
        try:
            while True:
                try:
                    block = await session.block(self._request, offset)
                except OSError as error:
                    raise FetchInterrupted(str(error)) from error
                if not block.response.code.is_success:
                    raise _refused(block.response.code)
                if offset and block.etag != etag:
                    offset = 0
                    continue
                etag = block.etag
                yield Piece(offset, block.response.payload, block.etag, block.total)
                offset += len(block.response.payload)
                if not block.more:
                    return
        finally:
            await session.close()


class HttpSource:
    """A package on a web server. `verify` is httpx's: True, or an SSL context that knows the server's anchor."""

    def __init__(self, uri: str, verify: object = True) -> None:
        self._uri = uri
        self._verify = verify

    async def pieces(self, offset: int, etag: bytes) -> AsyncIterator[Piece]:
        import httpx

        headers = {"Range": f"bytes={offset}-", "If-Range": etag.decode()} if offset and etag else {}
        client = httpx.AsyncClient(
            verify=self._verify,  # type: ignore[arg-type]
            timeout=HTTP_TIMEOUT,
            trust_env=False,
            follow_redirects=False,
        )
        try:
            async with client, client.stream("GET", self._uri, headers=headers) as response:
                if response.status_code not in (200, 206):
                    raise _refused_by_http(response.status_code)
                at = offset if response.status_code == 206 else 0
                length = response.headers.get("Content-Length", "")
                total = at + int(length) if length.isdecimal() else None
                tag = response.headers.get("ETag", "").encode()
                async for data in response.aiter_raw():
                    yield Piece(at, data, tag, total)
                    at += len(data)
        except httpx.InvalidURL as error:
            raise PackageRefused(UpdateResult.INVALID_URI, str(error)) from error
        except httpx.HTTPError as error:
            raise FetchInterrupted(str(error) or type(error).__name__) from error


def _refused(code: Code) -> Exception:
    if code.code_class == 5 or code in (Code.REQUEST_ENTITY_INCOMPLETE, Code.TOO_MANY_REQUESTS):
        return FetchInterrupted(f"the server answered {code.dotted}")
    return PackageRefused(UpdateResult.INVALID_URI, f"the server answered {code.dotted}")


def _refused_by_http(status: int) -> Exception:
    if status >= 500 or status in (408, 429):
        return FetchInterrupted(f"the server answered {status}")
    return PackageRefused(UpdateResult.INVALID_URI, f"the server answered {status}")
