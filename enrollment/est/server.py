"""The EST server of a CA over secure CoAP (RFC 9148), below `/est[/<label>]`, `/.well-known/est[/<label>]` and `/`.

Unknown paths, methods and formats are denied before anything else is looked at, and every refusal by the register is
the same 4.03, so that nobody learns which labels or certificates exist.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from device_pki.identity import PeerIdentity
from enrollment.c509_csr import Possession, check_c509_csr
from enrollment.ca.backend import CaBackend, CaBackendError
from enrollment.cms.signed import Signer
from enrollment.csr import MAX_CSR_SIZE, CheckedCsr, CsrError, CsrReason, check_csr
from enrollment.est import answers
from enrollment.est.attributes import TEMPLATE, WANTED
from enrollment.est.discovery import CORE, links, matching
from enrollment.est.paths import EstOperation, is_label
from enrollment.est.rates import TooOften
from enrollment.est.routes import routes
from enrollment.est.service import SERVER_KEY_OPERATIONS, EstService, Observer
from enrollment.key_request import check_c509_key_request, check_key_request
from enrollment.register import DeviceEntry, EnrollmentRefused, EnrollmentRegister
from secure_coap.association import Association, Transport
from secure_coap.errors import (
    BadRequest,
    CoapError,
    Forbidden,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    RequestEntityTooLarge,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    UnsupportedContentFormat,
)
from secure_coap.exchange import Request, Response
from secure_coap.numbers import EXPERIMENTAL_C509, C509Formats, Code, ContentFormat

RETRY_AFTER: Final = 30
"""Seconds a device is asked to wait when the CA cannot serve (Max-Age of 5.03)."""


class EstServer:
    """Answers requests that came over authenticated associations, DTLS and OSCORE alike."""

    def __init__(
        self,
        register: EnrollmentRegister,
        ca: CaBackend,
        *,
        clock: Callable[[], datetime],
        observe: Observer,
        signer: Signer | None = None,
        c509: C509Formats = EXPERIMENTAL_C509,
    ) -> None:
        self.service = EstService(register, ca, clock, observe, signer)
        """What decides; other fronts, for other protocols, may share it."""
        self._c509 = c509
        self._routes = routes(c509)

    async def handle(self, request: Request, association: Association) -> Response:
        """Return the answer; refusals are raised as `CoapError`."""
        if request.path == CORE:
            return await self._discover(request, association)
        label, operation = self._route(request)
        peer = _authenticated(association)
        try:
            response, outcome = await self._serve(request, association, peer, label=label, operation=operation)
        except (EnrollmentRefused, CsrError, CaBackendError, TooOften) as error:
            self.service.failed(operation, label, peer, error)
            raise _refusal(error) from error
        except CoapError as error:
            self.service.failed(operation, label, peer, error)
            raise
        self.service.succeeded(operation, label, peer, outcome)
        return response

    async def _discover(self, request: Request, association: Association) -> Response:
        if request.method != Code.GET:
            raise MethodNotAllowed
        if request.accept not in {None, ContentFormat.LINK_FORMAT}:
            raise NotAcceptable
        formats = {name: " ".join(str(int(f)) for f in route.answers) for name, route in self._routes.items()}
        osc = association.transport is Transport.OSCORE
        found = links(await self.service.labels(_authenticated(association)), formats, osc=osc)
        return Response(Code.CONTENT, matching(found, request.query), ContentFormat.LINK_FORMAT)

    async def _serve(
        self,
        request: Request,
        association: Association,
        peer: PeerIdentity,
        *,
        label: str | None,
        operation: EstOperation,
    ) -> tuple[Response, str]:
        entry = await self.service.entry(peer, label, operation)
        if operation is EstOperation.CSR_ATTRIBUTES:
            if request.accept == self._c509.template:
                return Response(Code.CONTENT, TEMPLATE, self._c509.template), "template sent"
            return Response(Code.CONTENT, WANTED, ContentFormat.CSRATTRS), "attributes sent"
        if operation is EstOperation.CA_CERTIFICATES:
            content_format, payload = answers.authorities(self.service.ca.chain, request.accept, self._c509)
            return Response(Code.CONTENT, payload, content_format), "certificates sent"
        if operation in SERVER_KEY_OPERATIONS:
            return await self._make_key(request, association, peer, entry=entry, operation=operation)
        issued = await self.service.enroll(entry, self._checked(request, association, entry))
        asked = request.accept
        if asked is None and request.content_format == self._c509.request:
            asked = self._c509.certificate
        content_format, payload = answers.certificate(issued.certificate, asked, self._c509)
        return Response(Code.CHANGED, payload, content_format), issued.outcome

    def _checked(self, request: Request, association: Association, entry: DeviceEntry) -> CheckedCsr:
        if request.content_format == self._c509.request:
            possession = Possession.of(association)
            return check_c509_csr(request.payload, endpoint=entry.endpoint, possession=possession)
        return check_csr(request.payload, endpoint=entry.endpoint, channel_binding=association.channel_binding)

    async def _make_key(
        self,
        request: Request,
        association: Association,
        peer: PeerIdentity,
        *,
        entry: DeviceEntry,
        operation: EstOperation,
    ) -> tuple[Response, str]:
        if request.content_format == self._c509.request:
            asked = self._c509.certificate
            wanted = check_c509_key_request(request.payload, endpoint=entry.endpoint)
        else:
            bare = operation is EstOperation.SERVER_KEY_BARE
            asked = ContentFormat.PKIX_CERT if bare else ContentFormat.PKCS7_CERTS_ONLY
            binding = association.channel_binding
            wanted = check_key_request(request.payload, endpoint=entry.endpoint, channel_binding=binding)
        made = await self.service.make_key(entry, wanted, peer)
        payload = answers.server_made_key(made, asked, self._c509)
        return Response(Code.CHANGED, payload, ContentFormat.MULTIPART), "key made"

    def _route(self, request: Request) -> tuple[str | None, EstOperation]:
        """Deny what no label offers, before anything is looked up (security test 25)."""
        label, name = _below_root(request)
        try:
            operation = EstOperation(name)
        except ValueError as error:
            raise NotFound from error
        route = self._routes[operation]
        if request.method != route.method:
            raise MethodNotAllowed
        if request.accept is not None and request.accept not in route.answers:
            raise NotAcceptable
        if request.content_format not in route.bodies or (request.content_format is None and request.payload):
            raise UnsupportedContentFormat
        if len(request.payload) > MAX_CSR_SIZE:
            raise RequestEntityTooLarge(f"a request is at most {MAX_CSR_SIZE} octets")
        if label is not None and not is_label(label):
            raise Forbidden
        return label, operation


def _authenticated(association: Association) -> PeerIdentity:
    if not isinstance(association.peer, PeerIdentity):
        raise Unauthorized("authenticate by certificate")
    return association.peer


_REFUSALS: Final[dict[CsrReason, type[Forbidden | RequestEntityTooLarge]]] = {
    CsrReason.NAME: Forbidden,
    CsrReason.POSSESSION: Forbidden,
    CsrReason.TOO_LARGE: RequestEntityTooLarge,
}


def _refusal(error: EnrollmentRefused | CsrError | CaBackendError | TooOften) -> CoapError:
    """What a device is told: of the register's refusals all the same."""
    match error:
        case EnrollmentRefused():
            return Forbidden()
        case CsrError():
            return _REFUSALS.get(error.reason, BadRequest)(str(error))
        case TooOften():
            return TooManyRequests(max_age=error.retry_after)
    return ServiceUnavailable(
        "the CA cannot serve now: send the request again", max_age=error.retry_after or RETRY_AFTER
    )


def _below_root(request: Request) -> tuple[str | None, str]:
    match request.path:
        case (str(name),) | ("est", str(name)) | (".well-known", "est", str(name)):
            label = None
        case ("est", str(label), str(name)) | (".well-known", "est", str(label), str(name)):
            pass
        case _:
            raise NotFound
    if request.query:
        raise NotFound
    return label, name
