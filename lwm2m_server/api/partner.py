"""The partner API: what providers send each other, over HTTPS with mutual TLS and pinned certificates.

    PUT devices/{chunk} · PUT bags/{n} · PUT template · POST receipts · POST releases · GET · GET manifests/{digest}
    beneath /partner/v1/transfers/{cti hex}

201 stored, 204 the same bytes again, 409 other bytes under the same name; a 2xx is sent only after storing. Who calls
is told by the TLS certificate alone. A transfer of somebody else is answered like an unknown one.
"""

import re
import time
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Path, Request
from fastapi.responses import Response

from lwm2m_server.api import errors
from lwm2m_server.api.body import bounded_body
from lwm2m_server.api.mutual_tls import peer_fingerprint
from lwm2m_server.fleet.errors import Rejected, Unknown
from lwm2m_server.fleet.inbox import Inbox
from lwm2m_server.fleet.manifest_registry import ManifestRegistry
from lwm2m_server.fleet.partners import PartnerProfile
from lwm2m_server.fleet.views import partner_view
from lwm2m_server.problem import Problem
from lwm2m_server.store import partners as partner_store
from lwm2m_server.store.database import Database
from trust_transfer.messages.device_update_info import MAX_CHUNK
from trust_transfer.messages.numbers import Result
from trust_transfer.messages.receipts import MAX_RECEIPTS
from trust_transfer.messages.signed import MAX_SERVER_MESSAGE

MAX_BAG: Final = MAX_CHUNK
MAX_BAD_SIGNATURES: Final = 5
BAD_SIGNATURE_WINDOW: Final = 60.0
"""Seconds."""
_CTI: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
SUIT_ENVELOPE: Final = "application/suit-envelope+cose"


def create_app(database: Database, inbox: Inbox, manifests: ManifestRegistry) -> FastAPI:
    """The application; serve it with `MutualTlsProtocol`."""
    app = FastAPI(title="Partner API", docs_url=None, redoc_url=None, openapi_url=None)
    errors.install(app)
    guard = BadSignatures()

    async def calling(request: Request) -> PartnerProfile:
        async with database.reading() as connection:
            partner = await partner_store.by_https(connection, peer_fingerprint(request))
        if partner is None:
            raise Problem(HTTPStatus.FORBIDDEN, "this TLS certificate is no partner's", code="no_partner")
        return partner

    partner_type = Annotated[PartnerProfile, Depends(calling)]
    cti_type = Annotated[bytes, Depends(_transfer_id)]
    number_type = Annotated[int, Path(ge=0, lt=1 << 16)]
    base = "/partner/v1/transfers/{cti}"

    @app.put(base + "/devices/{number}")
    async def put_devices(request: Request, partner: partner_type, cti: cti_type, number: number_type) -> Response:
        jws = _signature(request)
        body = await bounded_body(request, MAX_CHUNK)
        return await guard.storing(partner, inbox.put_devices(partner, cti, number, body, jws))

    @app.put(base + "/bags/{number}")
    async def put_bag(request: Request, partner: partner_type, cti: cti_type, number: number_type) -> Response:
        body = await bounded_body(request, MAX_BAG)
        return await guard.storing(partner, inbox.put_bag(partner, cti, number, body))

    @app.put(base + "/template")
    async def put_template(request: Request, partner: partner_type, cti: cti_type) -> Response:
        return await guard.storing(
            partner, inbox.put_template(partner, cti, await bounded_body(request, MAX_SERVER_MESSAGE))
        )

    @app.post(base + "/receipts")
    async def post_receipts(request: Request, partner: partner_type, cti: cti_type) -> Response:
        jws = _signature(request)
        return await guard.storing(
            partner, inbox.post_receipts(partner, cti, await bounded_body(request, MAX_RECEIPTS), jws)
        )

    @app.post(base + "/releases")
    async def post_releases(request: Request, partner: partner_type, cti: cti_type) -> Response:
        jws = _signature(request)
        return await guard.storing(
            partner, inbox.post_releases(partner, cti, await bounded_body(request, MAX_RECEIPTS), jws)
        )

    @app.get(base)
    async def get_transfer(partner: partner_type, cti: cti_type) -> dict[str, object]:
        async with database.reading() as connection:
            return await partner_view(connection, cti, partner.name)

    @app.get(base + "/manifests/{digest}")
    async def get_manifest(partner: partner_type, cti: cti_type, digest: str) -> Response:
        if not _DIGEST.fullmatch(digest):
            raise Unknown("this manifest")
        envelope = await manifests.handed_over(cti, bytes.fromhex(digest), partner.name)
        return Response(envelope, media_type=SUIT_ENVELOPE)

    return app


def _transfer_id(cti: str) -> bytes:
    if not _CTI.fullmatch(cti):
        raise Unknown("this transfer")
    return bytes.fromhex(cti)


def _signature(request: Request) -> str:
    jws = request.headers.get("jws")
    if jws is None:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "the document is not signed: the header field JWS carries <protected>..<signature>",
            code="unsigned",
        )
    return jws


class BadSignatures:
    """Five wrong signatures of one partner within a minute make it wait for one (security budgets)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[str, list[float]] = {}

    async def storing(self, partner: PartnerProfile, storing: Coroutine[Any, Any, bool]) -> Response:
        """Await the storing of a document and answer it; raises a 429 `Problem` during the pause."""
        now = self._clock()
        recent = [at for at in self._times.get(partner.name, ()) if now - at < BAD_SIGNATURE_WINDOW]
        self._times[partner.name] = recent
        if len(recent) >= MAX_BAD_SIGNATURES:
            storing.close()
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "too many wrong signatures; wait a minute", code="paused")
        try:
            stored = await storing
        except Rejected as error:
            if error.code == Result.BAD_SIGNATURE.name.lower():
                recent.append(now)
            raise
        return Response(status_code=HTTPStatus.CREATED if stored else HTTPStatus.NO_CONTENT)
