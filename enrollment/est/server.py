"""The EST server of a CA over secure CoAP (RFC 9148), below `/est/<label>`.

A label routes and never authorises: what a device may do is decided by its authenticated certificate and the register
(security rules 22, 23). Unknown paths, methods and formats are denied before anything else is looked at, and every
refusal by the register is the same 4.03, so that nobody learns which labels or certificates exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from device_pki.fingerprints import fingerprint
from device_pki.identity import PeerIdentity
from device_pki.roles import Role
from enrollment.ca.backend import CaBackend, CaBackendError
from enrollment.csr import MAX_CSR_SIZE, CsrError, CsrReason, check_csr
from enrollment.est.paths import EST_ROOT, EstOperation, is_label
from enrollment.pkcs7 import encode_certs_only
from enrollment.register import DeviceEntry, EnrollmentRefused, EnrollmentRegister, RefusalReason
from secure_coap.association import Association
from secure_coap.errors import (
    BadRequest,
    CoapError,
    Forbidden,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    RequestEntityTooLarge,
    ServiceUnavailable,
    Unauthorized,
    UnsupportedContentFormat,
)
from secure_coap.exchange import Request, Response
from secure_coap.numbers import Code, ContentFormat

RETRY_AFTER: Final = 30
"""Seconds a device is asked to wait when the CA cannot serve (Max-Age of 5.03)."""


@dataclass(frozen=True, slots=True)
class EstEvent:
    """One answered request, for the log: never a whole label, never key material."""

    operation: EstOperation
    label: str
    """First six characters."""
    endpoint: str | None
    outcome: str


Observer = Callable[[EstEvent], None]
"""Takes what happened."""


@dataclass(frozen=True, slots=True)
class _Route:
    method: Code
    accepts: frozenset[int | None]
    """Content formats an answer may be asked in; None: no Accept option."""
    body: ContentFormat | None


_CERTIFICATE_FORMATS: Final = frozenset({None, ContentFormat.PKCS7_CERTS_ONLY, ContentFormat.PKIX_CERT})
_ROUTES: Final = {
    EstOperation.CA_CERTIFICATES: _Route(Code.GET, frozenset({None, ContentFormat.PKCS7_CERTS_ONLY}), None),
    EstOperation.SIMPLE_ENROLL: _Route(Code.POST, _CERTIFICATE_FORMATS, ContentFormat.PKCS10),
    EstOperation.SIMPLE_REENROLL: _Route(Code.POST, _CERTIFICATE_FORMATS, ContentFormat.PKCS10),
}


class EstServer:
    """Answers requests that came over authenticated associations."""

    def __init__(
        self, register: EnrollmentRegister, ca: CaBackend, *, clock: Callable[[], datetime], observe: Observer
    ) -> None:
        self._register = register
        self._ca = ca
        self._clock = clock
        self._observe = observe

    async def handle(self, request: Request, association: Association) -> Response:
        """Return the answer; refusals are raised as `CoapError`."""
        label, operation = _route(request)
        peer = association.peer
        if not isinstance(peer, PeerIdentity):
            raise Unauthorized("authenticate by certificate")
        try:
            response, outcome = await self._serve(request, association, peer, label=label, operation=operation)
        except EnrollmentRefused as error:
            self._report(operation, label, peer, error.reason.value)
            raise Forbidden from error
        except CoapError as error:
            self._report(operation, label, peer, error.diagnostic)
            raise
        self._report(operation, label, peer, outcome)
        return response

    async def _serve(
        self, request: Request, association: Association, peer: PeerIdentity, *, label: str, operation: EstOperation
    ) -> tuple[Response, str]:
        entry = await self._entry(peer, label, operation)
        if operation is EstOperation.CA_CERTIFICATES:
            payload = encode_certs_only(self._ca.chain)
            return Response(Code.CONTENT, payload, ContentFormat.PKCS7_CERTS_ONLY), "certificates sent"
        certificate, outcome = await self._enroll(request.payload, association.channel_binding, entry)
        return _certificate_response(certificate, request.accept), outcome

    async def _entry(self, peer: PeerIdentity, label: str, operation: EstOperation) -> DeviceEntry:
        """Return the entry that `peer` speaks for: its own factory certificate's, or its operational certificate's."""
        if peer.role is Role.FACTORY_DEVICE:
            return await self._register.entry(label, fingerprint(peer.certificate))
        if peer.role is not Role.OPERATIONAL_DEVICE or operation is EstOperation.SIMPLE_ENROLL:
            raise EnrollmentRefused(RefusalReason.UNKNOWN)
        issued = await self._register.issued(fingerprint(peer.certificate))
        if issued.revoked_at is not None:
            raise EnrollmentRefused(RefusalReason.REVOKED)
        if issued.label != label:
            raise EnrollmentRefused(RefusalReason.UNKNOWN)
        return await self._register.entry(label, issued.device)

    async def _enroll(self, csr: bytes, channel_binding: bytes, entry: DeviceEntry) -> tuple[bytes, str]:
        try:
            checked = check_csr(csr, endpoint=entry.endpoint, channel_binding=channel_binding)
        except CsrError as error:
            raise _REFUSALS.get(error.reason, BadRequest)(str(error)) from error
        now = self._clock()
        known = await self._register.certificate_for(entry, checked.key_thumbprint, now)
        if known is not None:
            return known, "same certificate again"
        subject = x509.load_der_x509_certificate(entry.certificate).subject
        try:
            issued = await self._ca.issue_operational(checked, subject, now)
        except CaBackendError as error:
            raise ServiceUnavailable("the CA cannot serve now", max_age=error.retry_after or RETRY_AFTER) from error
        return await self._register.record(entry, checked.key_thumbprint, issued, now), "certificate issued"

    def _report(self, operation: EstOperation, label: str, peer: PeerIdentity, outcome: str) -> None:
        self._observe(EstEvent(operation, label[:6], peer.endpoint, outcome))


_REFUSALS: Final[dict[CsrReason, type[Forbidden | RequestEntityTooLarge]]] = {
    CsrReason.NAME: Forbidden,
    CsrReason.POSSESSION: Forbidden,
    CsrReason.TOO_LARGE: RequestEntityTooLarge,
}


def _route(request: Request) -> tuple[str, EstOperation]:
    """Deny what no label offers, before anything is looked up (security test 25)."""
    if len(request.path) != 3 or request.path[0] != EST_ROOT or request.query:
        raise NotFound
    label, name = request.path[1:]
    if name not in _ROUTES:
        raise NotFound
    operation = EstOperation(name)
    route = _ROUTES[operation]
    if request.method != route.method:
        raise MethodNotAllowed
    if request.accept not in route.accepts:
        raise NotAcceptable
    if request.content_format != route.body or (route.body is None and request.payload):
        raise UnsupportedContentFormat
    if len(request.payload) > MAX_CSR_SIZE:
        raise RequestEntityTooLarge(f"a request is at most {MAX_CSR_SIZE} octets")
    if not is_label(label):
        raise Forbidden
    return label, operation


def _certificate_response(certificate: bytes, accept: int | None) -> Response:
    if accept == ContentFormat.PKIX_CERT:
        return Response(Code.CHANGED, certificate, ContentFormat.PKIX_CERT)
    bundle = encode_certs_only([x509.load_der_x509_certificate(certificate)])
    return Response(Code.CHANGED, bundle, ContentFormat.PKCS7_CERTS_ONLY)
