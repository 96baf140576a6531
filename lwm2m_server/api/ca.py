"""The CA API (docs/reference/ca-api.md): how providers register devices, close entries, revoke, and certify batches.

HTTPS with mutual TLS. The caller is known by its pinned certificate; a label belongs to the provider that made it, and
another provider's label is as unknown as one that does not exist. Every call may be repeated, and is answered only
after everything it changed is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final, Literal, Protocol
from uuid import UUID

import structlog
from cryptography import x509
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from cose.cbor import CborError, decode, encode
from device_pki.bag import BagError, decode_x5bag, encode_x5bag
from device_pki.directory import CertificateDirectory
from device_pki.fingerprints import fingerprint
from enrollment.ca.backend import CaBackend, CaBackendError
from enrollment.ca.revocations import RevocationPublisher
from enrollment.ca_client import BAG_CONTENT_TYPE, MAX_BATCH
from enrollment.csr import MAX_CSR_SIZE
from enrollment.factory_bags import RegisteredBag, register_bag
from enrollment.factory_batches import BatchRefused, certify_batch
from enrollment.register import ALL, EndpointTaken, EnrollmentRegister, LabelFull, RevokeAll, UnknownEntry
from lwm2m_server.api.body import bounded_body
from lwm2m_server.api.label_policy import PolicyBody, read_policy
from lwm2m_server.api.mutual_tls import peer_fingerprint
from lwm2m_server.known_certificates import remember
from lwm2m_server.problem import MEDIA_TYPE, Problem, conflict, install, invalid, not_found

CRL_CONTENT_TYPE: Final = "application/pkix-crl"
MAX_ORDER: Final = 1024
"""Octets of the body that sets a device's entry."""

log = structlog.get_logger()


class Providers(Protocol):
    """Who may call."""

    def name_of(self, certificate_fingerprint: bytes) -> str | None:
        """Return the name of the provider with this TLS certificate, None for a stranger."""


@dataclass(frozen=True, slots=True)
class CaService:
    """What the API works on."""

    register: EnrollmentRegister
    ca: CaBackend
    publisher: RevocationPublisher
    providers: Providers
    permanent_anchors: Sequence[x509.Certificate]
    public_uri: str
    """`coaps://host:port` of the EST server, as devices reach it."""
    clock: Callable[[], datetime]
    oscore_uri: str = ""
    """`coap://host:port` of the same for the compact profile; empty: it is not served."""
    edhoc_key: bytes | None = None
    """The EST server's key for static Diffie-Hellman (compressed P-256 point), which templates may pin."""
    known: CertificateDirectory = field(default_factory=CertificateDirectory)
    """Factory certificates of every label, for EDHOC's references to them."""


HexFingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class DeviceOrder(BaseModel):
    """What is to become of a device's entry and certificates."""

    model_config = ConfigDict(extra="forbid", strict=True)

    enroll: Literal["open", "closed"]
    revoke: Literal["none", "all"] | HexFingerprint = "none"
    """"none", "all", or the thumbprint of one attempt key in hex."""

    def revocation(self) -> bytes | RevokeAll | None:
        """What to revoke, as the register takes it."""
        if self.revoke == "none":
            return None
        return ALL if self.revoke == "all" else bytes.fromhex(self.revoke)


def create_app(service: CaService) -> FastAPI:
    """Return the ASGI application; it must be served with `MutualTlsProtocol`."""
    app = FastAPI(title="CA API", openapi_url=None, docs_url=None, redoc_url=None)
    install(app)
    app.state.service = service
    app.include_router(_router)
    return app


def _service(request: Request) -> CaService:
    service: CaService = request.app.state.service
    return service


def _caller(request: Request) -> str:
    try:
        name = _service(request).providers.name_of(peer_fingerprint(request))
    except PermissionError as error:
        raise Problem(HTTPStatus.FORBIDDEN, str(error)) from error
    if name is None:
        raise Problem(HTTPStatus.FORBIDDEN, "this certificate is pinned for no provider", code="stranger")
    return name


Service = Annotated[CaService, Depends(_service)]
Caller = Annotated[str, Depends(_caller)]
_router = APIRouter(prefix="/ca/v1")


@_router.put("/labels/{uuid}")
async def put_label(uuid: UUID, request: Request, service: Service, provider: Caller) -> Response:
    """Register the factory certificates of an x5bag under the caller's label; 200 with what became of each."""
    certificates = _bag(await _cbor_body(request))
    try:
        bag = await register_bag(
            service.register,
            certificates,
            provider=provider,
            uuid=uuid,
            anchors=service.permanent_anchors,
            now=service.clock(),
        )
    except LabelFull as error:
        raise conflict(str(error), code="label-full") from error
    await remember(service.known, [one for one in certificates if fingerprint(one) in bag.accepted])
    counts = {"accepted": len(bag.accepted), "refused": len(bag.refused)}
    log.info("bag_registered", provider=provider, label=bag.label.log_name, **counts)
    return JSONResponse(_label_answer(service, bag))


@_router.put("/labels/{uuid}/policy")
async def put_policy(uuid: UUID, request: Request, service: Service, provider: Caller) -> PolicyBody:
    """Set what the caller's label allows from now on, and make the label if it is new; 200 with what it allows."""
    policy = read_policy(await bounded_body(request, MAX_ORDER))
    label = await service.register.set_policy(provider, uuid, policy, service.clock())
    log.info("label_policy_set", provider=provider, label=label.log_name, policy=asdict(policy))
    return PolicyBody.of(policy)


@_router.get("/labels/{uuid}/policy")
async def get_policy(uuid: UUID, service: Service, provider: Caller) -> PolicyBody:
    """Return what the caller's label allows."""
    try:
        label = await service.register.label(provider, uuid)
        return PolicyBody.of(await service.register.policy(label.text))
    except UnknownEntry as error:
        raise not_found("this label") from error


@_router.put("/labels/{uuid}/devices/{device}", status_code=HTTPStatus.NO_CONTENT)
async def put_device(uuid: UUID, device: HexFingerprint, request: Request, service: Service, provider: Caller) -> None:
    """Open or close an entry and revoke; 204 once it is stored and the list with the revocations is published."""
    order = await _order(request)
    try:
        label = await service.register.label(provider, uuid)
        await service.register.set_entry(
            label.text,
            bytes.fromhex(device),
            open_=order.enroll == "open",
            revoke=order.revocation(),
            now=service.clock(),
        )
    except UnknownEntry as error:
        raise not_found("this device under this label") from error
    if order.revoke != "none":
        await _publish(service)
    log.info("entry_set", provider=provider, label=label.log_name, device=device, **order.model_dump())


@_router.post("/batches")
async def post_batch(request: Request, service: Service, provider: Caller) -> Response:
    """Certify a CBOR array of PKCS#10 or C509 requests, all or none; 200 with the x5bag in the same order."""
    csrs = _batch(await _cbor_body(request))
    try:
        issued = await certify_batch(service.register, service.ca, csrs, service.clock())
    except BatchRefused as error:
        return _batch_refusal(error)
    except EndpointTaken as error:
        raise conflict(str(error), code="endpoint-taken") from error
    except CaBackendError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the CA cannot sign now; try again") from error
    log.info("batch_certified", provider=provider, devices=len(issued))
    return Response(encode_x5bag(issued), media_type=BAG_CONTENT_TYPE)


@_router.get("/crl")
async def get_crl(service: Service, _provider: Caller) -> Response:
    """Return the DER of a revocation list that covers everything revoked before this call."""
    return Response(await _publish(service), media_type=CRL_CONTENT_TYPE)


@_router.get("/crls")
async def get_crls(service: Service, _provider: Caller) -> Response:
    """Return a CBOR array of lists like that of `/crl`: by the CA's present key, then by its earlier keys."""
    try:
        lists = await service.publisher.all_current()
    except CaBackendError as error:
        log.warning("revocation_lists_not_signed", reason=str(error))
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the revocation lists cannot be signed now; try again") from error
    return Response(encode(list(lists)), media_type=BAG_CONTENT_TYPE)


async def _publish(service: CaService) -> bytes:
    try:
        return await service.publisher.current()
    except CaBackendError as error:
        log.warning("revocation_list_not_signed", reason=str(error))
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the revocation list cannot be signed now; try again") from error


async def _cbor_body(request: Request) -> bytes:
    if request.headers.get("content-type") != BAG_CONTENT_TYPE:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body must be {BAG_CONTENT_TYPE}")
    return await bounded_body(request)


async def _order(request: Request) -> DeviceOrder:
    try:
        return DeviceOrder.model_validate_json(await bounded_body(request, MAX_ORDER))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:5])
        raise invalid(f'the body must be {{"enroll": ..., "revoke": ...}}: {wrong}'[:1000]) from error


def _bag(body: bytes) -> list[x509.Certificate]:
    try:
        return decode_x5bag(body, MAX_BATCH)
    except BagError as error:
        raise invalid(f"no x5bag: {error}", code="bag") from error


def _batch(body: bytes) -> list[bytes]:
    try:
        value = decode(body, max_size=MAX_BATCH * (MAX_CSR_SIZE + 3) + 9, max_depth=2)
    except CborError as error:
        raise invalid(f"no CBOR array of requests: {error}", code="batch") from error
    if not isinstance(value, list) or not all(isinstance(item, bytes) for item in value):
        raise invalid("the body must be a CBOR array of byte strings, a PKCS#10 or C509 request each", code="batch")
    if not 1 <= len(value) <= MAX_BATCH:
        raise invalid(f"{len(value)} requests; a batch holds 1 to {MAX_BATCH}", code="batch")
    return value


def _label_answer(service: CaService, bag: RegisteredBag) -> dict[str, object]:
    return {
        "ca_uri": f"{service.public_uri.rstrip('/')}/est/{bag.label.text}",
        "compact_ca_uri": f"{service.oscore_uri.rstrip('/')}/est/{bag.label.text}" if service.oscore_uri else None,
        "edhoc_key": None if service.edhoc_key is None else service.edhoc_key.hex(),
        "anchors": [fingerprint(service.ca.chain[0]).hex()],
        "accepted": [name.hex() for name in bag.accepted],
        "refused": [{"fingerprint": item.fingerprint.hex(), "reason": item.reason} for item in bag.refused],
    }


def _batch_refusal(error: BatchRefused) -> Response:
    body = {
        "title": HTTPStatus.UNPROCESSABLE_ENTITY.phrase,
        "status": HTTPStatus.UNPROCESSABLE_ENTITY.value,
        "detail": str(error),
        "code": "batch",
        "refused": [{"index": item.index, "reason": item.reason} for item in error.refused],
    }
    return JSONResponse(body, HTTPStatus.UNPROCESSABLE_ENTITY, media_type=MEDIA_TYPE)
