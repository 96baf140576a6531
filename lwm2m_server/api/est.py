"""EST over HTTPS (RFC 7030, RFC 8951): what devices and tools with TLS ask a CA, decided as it is over secure CoAP.

Clients authenticate by their certificates. A request may hold the session's tls-unique (RFC 5929, TLS 1.2), which is
then checked; with TLS 1.3, whose tls-exporter (RFC 9266) Python's TLS does not give, a request that holds a binding is
refused, because it cannot be checked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from cryptography import x509
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from device_pki.certificates import CertificateError, load_certificate
from device_pki.identity import PeerIdentity
from device_pki.path import PathError
from enrollment.ca.backend import CaBackendError
from enrollment.csr import MAX_CSR_SIZE, CsrError, CsrReason, check_csr
from enrollment.est.attributes import WANTED
from enrollment.est.https import (
    CERTS_ONLY,
    CSR_ATTRIBUTES,
    PKCS8,
    PKCS10,
    SERVER_KEY,
    SERVER_KEYGEN,
    EstBodyError,
    decode_body,
    encode_body,
    encode_parts,
)
from enrollment.est.paths import EST_ROOT, WELL_KNOWN, EstOperation, is_label
from enrollment.est.rates import TooOften
from enrollment.est.service import EstService
from enrollment.key_request import check_key_request
from enrollment.pkcs7 import encode_certs_only
from enrollment.register import EnrollmentRefused
from lwm2m_server.api.body import bounded_body
from lwm2m_server.api.mutual_tls import peer_certificate, tls_unique
from lwm2m_server.problem import Problem

RETRY_AFTER: Final = 30
"""Seconds a client is asked to wait when the CA cannot serve."""
_MAX_BODY: Final = 2 * MAX_CSR_SIZE
"""Octets of a request in base64, with its line breaks."""
_READING: Final = frozenset({EstOperation.CA_CERTIFICATES, EstOperation.CSR_ATTRIBUTES})
_ROOT: Final = f"/{WELL_KNOWN}/{EST_ROOT}"

Identify = Callable[[x509.Certificate], Awaitable[PeerIdentity]]
"""Who a client's certificate proves to be; raises `PathError`."""


@dataclass(frozen=True, slots=True)
class _Front:
    service: EstService
    identify: Identify

    def endpoint(self, operation: EstOperation) -> Callable[[Request], Awaitable[Response]]:
        """What answers requests for an operation; refusals are raised."""

        async def answer(request: Request) -> Response:
            body = b"" if operation in _READING else await _pkcs10(request)
            label = _label(request)
            peer = await self._peer(request)
            try:
                response, outcome = await self._serve(operation, body, peer, label=label, binding=tls_unique(request))
            except (EnrollmentRefused, CsrError, TooOften, CaBackendError) as error:
                self.service.failed(operation, label, peer, error)
                raise
            self.service.succeeded(operation, label, peer, outcome)
            return response

        return answer

    async def _serve(
        self, operation: EstOperation, body: bytes, peer: PeerIdentity, *, label: str | None, binding: bytes
    ) -> tuple[Response, str]:
        entry = await self.service.entry(peer, label, operation)
        match operation:
            case EstOperation.CA_CERTIFICATES:
                return _encoded(encode_certs_only(self.service.ca.chain), CERTS_ONLY), "certificates sent"
            case EstOperation.CSR_ATTRIBUTES:
                return _encoded(WANTED, CSR_ATTRIBUTES), "attributes sent"
            case EstOperation.SERVER_KEY:
                wanted = check_key_request(body, endpoint=entry.endpoint, channel_binding=binding)
                made = await self.service.make_key(entry, wanted, peer)
                key = (PKCS8, made.pkcs8) if made.envelope is None else (SERVER_KEY, made.envelope)
                parts = encode_parts([key, (CERTS_ONLY, _bundle(made.certificate))])
                return Response(parts, media_type=SERVER_KEYGEN), "key made"
        checked = check_csr(body, endpoint=entry.endpoint, channel_binding=binding, binding_optional=True)
        issued = await self.service.enroll(entry, checked)
        return _encoded(_bundle(issued.certificate), CERTS_ONLY), issued.outcome

    async def _peer(self, request: Request) -> PeerIdentity:
        try:
            return await self.identify(load_certificate(peer_certificate(request)))
        except (CertificateError, PathError) as error:
            raise Problem(HTTPStatus.FORBIDDEN, "") from error


def create_app(service: EstService, identify: Identify) -> Starlette:
    """Return the ASGI application; it must be served with `MutualTlsProtocol`."""
    front = _Front(service, identify)
    return Starlette(
        routes=[
            Route(f"{root}/{operation.https_name}", front.endpoint(operation), methods=[_method(operation)])
            for operation in EstOperation
            if operation is not EstOperation.SERVER_KEY_BARE
            for root in (_ROOT, f"{_ROOT}/{{label}}")
        ],
        exception_handlers=dict.fromkeys((Problem, EnrollmentRefused, CsrError, TooOften, CaBackendError), _refused),
    )


def _method(operation: EstOperation) -> str:
    return "GET" if operation in _READING else "POST"


def _label(request: Request) -> str | None:
    label: str | None = request.path_params.get("label")
    if label is not None and not is_label(label):
        raise Problem(HTTPStatus.FORBIDDEN, "")
    return label


def _bundle(certificate: bytes) -> bytes:
    return encode_certs_only([x509.load_der_x509_certificate(certificate)])


async def _pkcs10(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != PKCS10:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body must be {PKCS10}")
    try:
        return decode_body(await bounded_body(request, _MAX_BODY))
    except EstBodyError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error


def _encoded(content: bytes, media_type: str) -> Response:
    return Response(encode_body(content), media_type=media_type, headers={"content-transfer-encoding": "base64"})


_OWN_STATUS: Final = {
    CsrReason.NAME: HTTPStatus.FORBIDDEN,
    CsrReason.POSSESSION: HTTPStatus.FORBIDDEN,
    CsrReason.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}


async def _refused(_request: Request, error: Exception) -> Response:
    """The register's refusals all look alike (security test 24); a decision that takes time is 202 (RFC 7030 4.2.3)."""
    match error:
        case Problem():
            return _text(error.status, error.detail)
        case CsrError():
            return _text(_OWN_STATUS.get(error.reason, HTTPStatus.BAD_REQUEST), str(error))
        case TooOften():
            return _text(HTTPStatus.TOO_MANY_REQUESTS, str(error), error.retry_after)
        case CaBackendError(retry_after=int(seconds)):
            return _text(HTTPStatus.ACCEPTED, "", seconds)  # Bouncy Castle's client fails at a body here
        case CaBackendError():
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, "the CA cannot serve now", RETRY_AFTER)
    return _text(HTTPStatus.FORBIDDEN, "")


def _text(status: HTTPStatus, detail: str, retry_after: int | None = None) -> Response:
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Response(detail, status, media_type="text/plain", headers=headers)
