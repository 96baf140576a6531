"""What anybody may ask a CA over plain HTTP: its revocation list, and OCSP (RFC 6960 appendix A, RFC 5019 5, 6).

Both are signed, so neither needs TLS, and who checks a certificate of the TLS server needs them before there is any.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from device_pki.ocsp.errors import MAX_REQUEST_SIZE
from enrollment.ca.backend import CaBackendError
from enrollment.ca.ocsp import OcspAnswer, OcspResponder
from enrollment.ca.revocations import RevocationPublisher
from lwm2m_server.api.ca import CRL_CONTENT_TYPE

REQUEST_TYPE: Final = "application/ocsp-request"
ANSWER_TYPE: Final = "application/ocsp-response"
PEM_CONTENT_TYPE: Final = "application/x-pem-file"
CACHED: Final = 30
"""Seconds others may keep what they fetched: revocations have to be seen within a minute."""


def create_app(publisher: RevocationPublisher, responder: OcspResponder) -> Starlette:
    """Return the ASGI application: `/crl`, `/crl.pem`, `/ocsp` (POST) and `/ocsp/<base64 of a request>` (GET)."""

    async def crl(request: Request) -> Response:
        try:
            lists = await publisher.all_current()
        except CaBackendError:
            return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE)
        if request.url.path.endswith(".pem"):
            armoured = b"".join(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in lists)
            return Response(armoured, media_type=PEM_CONTENT_TYPE, headers=_kept_for(CACHED))
        return Response(lists[0], media_type=CRL_CONTENT_TYPE, headers=_kept_for(CACHED))

    async def post(request: Request) -> Response:
        if request.headers.get("content-type") != REQUEST_TYPE:
            return Response(f"the body must be {REQUEST_TYPE}", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MAX_REQUEST_SIZE:
                return Response(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return _answer(await responder.answer(bytes(body)))

    async def get(request: Request) -> Response:
        return _answer(await responder.answer(_from_path(request.scope["raw_path"])))

    return Starlette(
        routes=[
            Route("/crl", crl, methods=["GET"]),
            Route("/crl.pem", crl, methods=["GET"]),
            Route("/ocsp", post, methods=["POST"]),
            Route("/ocsp/{request:path}", get, methods=["GET"]),
        ]
    )


def _from_path(raw: bytes) -> bytes:
    """The request in a path: base64, percent-encoded (RFC 6960 A.1). What is none is an empty request."""
    try:
        return base64.b64decode(unquote_to_bytes(raw.split(b"?")[0].removeprefix(b"/ocsp/")), validate=True)
    except binascii.Error:
        return b""


def _answer(answer: OcspAnswer) -> Response:
    headers = {"cache-control": "no-store"}
    if answer.fresh_until is not None:
        headers = _kept_for(CACHED) | {
            "last-modified": _http_date(answer.made_at),
            "expires": _http_date(answer.fresh_until),
            "etag": f'"{hashlib.sha256(answer.der).hexdigest()}"',
        }
    return Response(answer.der, media_type=ANSWER_TYPE, headers=headers)


def _kept_for(seconds: int) -> dict[str, str]:
    return {"cache-control": f"max-age={seconds}, public, no-transform, must-revalidate"}


def _http_date(time: datetime) -> str:
    return format_datetime(time, usegmt=True)
