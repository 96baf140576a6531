"""Payloads of manifests: `fw/{SHA-256}` is an image by its digest, for devices whose manifest sends them here.

The URI is signed within the manifest and the same for all. Who is authenticated must have an update with a manifest
under way. On an open channel, where nobody is, a payload is given out as long as a manifest names it that is on its way
to somebody: its digest is as hard to guess as a token. Whatever is wrong is answered 4.04.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Final

from lwm2m_server.server.admission import identity_of
from lwm2m_server.server.firmware.errors import UnknownFirmware
from lwm2m_server.server.firmware.images import Images
from lwm2m_server.server.firmware.pulls import PATH
from lwm2m_server.store import suit as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.images import Image, Kind
from secure_coap.association import Association
from secure_coap.errors import NotFound
from secure_coap.exchange import Download, Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from secure_coap.numbers.options import Option
from suit.envelope import parse_envelope
from suit.payloads import named_payloads

MAX_HELD: Final = 16
"""Payloads kept open at a time, and manifests whose URIs are remembered: the latest ones."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def names_payload(request: Request) -> bool:
    """Whether a request is for a payload, and not for an image by its token."""
    return request.method is Code.GET and len(request.path) == 2 and is_digest(request.path[1])


def is_digest(name: str) -> bool:
    """Whether the last segment of a path is a digest, and not a token."""
    return _DIGEST.fullmatch(name) is not None


class Payloads:
    """Gives out payloads, block by block out of one buffer each."""

    def __init__(self, database: Database, images: Images) -> None:
        self._database = database
        self._images = images
        self._held: OrderedDict[bytes, tuple[Image, bytes]] = OrderedDict()
        self._uris: OrderedDict[bytes, frozenset[str]] = OrderedDict()

    async def handle(self, request: Request, association: Association) -> Response:
        """Answer a device's GET. Raises `NotFound`."""
        digest = bytes.fromhex(request.path[1])
        if association.peer is None:
            image, body = await self.openly(digest)
        elif await self._manifests_for(identity_of(association).owner):
            image, body = await self._body(digest)
        else:
            raise NotFound("no such firmware")
        tag = (int(Option.ETAG), image.sha256[:8])
        return Response(
            Code.CONTENT, body, content_format=ContentFormat.OCTET_STREAM, options=(tag,), download=Download()
        )

    async def openly(self, digest: bytes) -> tuple[Image, bytes]:
        """A payload for whoever knows its digest, as long as a manifest under way names it. Raises `NotFound`."""
        place = f"/{PATH}/{digest.hex()}"
        for manifest in await self._manifests_for(None):
            if any(uri.endswith(place) for uri in await self._uris_of(manifest)):
                return await self._body(digest)
        raise NotFound("no such firmware")

    async def _manifests_for(self, endpoint: str | None) -> list[bytes]:
        """The digests of the manifests on their way to a device, or to any."""
        async with self._database.reading() as connection:
            return await store.under_way(connection, endpoint)

    async def _uris_of(self, manifest: bytes) -> frozenset[str]:
        """What a manifest fetches from."""
        known = self._uris.get(manifest)
        if known is None:
            raw = self._images.read(await self._images.get(manifest))
            known = self._uris[manifest] = frozenset(named_payloads(parse_envelope(raw, len(raw))))
        self._uris.move_to_end(manifest)
        while len(self._uris) > MAX_HELD:
            self._uris.popitem(last=False)
        return known

    async def _body(self, digest: bytes) -> tuple[Image, bytes]:
        held = self._held.get(digest)
        if held is None:
            try:
                image = await self._images.get(digest)
            except UnknownFirmware as unknown:
                raise NotFound("no such firmware") from unknown
            if image.kind is not Kind.BINARY:
                raise NotFound("no such firmware")
            held = self._held[digest] = image, self._images.hold(image)
        self._held.move_to_end(digest)
        while len(self._held) > MAX_HELD:
            _, (oldest, _) = self._held.popitem(last=False)
            self._images.release(oldest)
        return held
