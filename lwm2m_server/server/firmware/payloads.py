"""Payloads of manifests: `fw/{SHA-256}` is an image by its digest, for devices whose manifest sends them here.

The URI is signed within the manifest and the same for all, so it holds no secret: who fetches must be authenticated and
have an update with a manifest under way. Whatever is wrong is answered 4.04.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Final

from lwm2m_server.server.admission import identity_of
from lwm2m_server.server.firmware.errors import UnknownFirmware
from lwm2m_server.server.firmware.images import Images
from lwm2m_server.store import firmware as updates
from lwm2m_server.store import images as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.images import Image, Kind
from secure_coap.association import Association
from secure_coap.errors import NotFound
from secure_coap.exchange import Download, Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from secure_coap.numbers.options import Option

MAX_HELD: Final = 16
"""Payloads kept open at a time, the latest ones."""
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def names_payload(request: Request) -> bool:
    """Whether a request is for a payload, and not for an image by its token."""
    return request.method is Code.GET and len(request.path) == 2 and _DIGEST.fullmatch(request.path[1]) is not None


class Payloads:
    """Gives out payloads, block by block out of one buffer each."""

    def __init__(self, database: Database, images: Images) -> None:
        self._database = database
        self._images = images
        self._held: OrderedDict[bytes, tuple[Image, bytes]] = OrderedDict()

    async def handle(self, request: Request, association: Association) -> Response:
        """Answer a device's GET. Raises `NotFound`."""
        if association.peer is None or not await self._expected(identity_of(association).owner):
            raise NotFound("no such firmware")
        image, body = await self._body(bytes.fromhex(request.path[1]))
        tag = (int(Option.ETAG), image.sha256[:8])
        return Response(
            Code.CONTENT, body, content_format=ContentFormat.OCTET_STREAM, options=(tag,), download=Download()
        )

    async def _expected(self, endpoint: str) -> bool:
        """Whether a manifest is on its way to this device."""
        async with self._database.reading() as connection:
            for update in await updates.open_updates(connection, endpoint):
                image = await store.get(connection, update.order.digest)
                if image is not None and image.kind is Kind.SUIT:
                    return True
        return False

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
