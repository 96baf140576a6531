"""A service provider's client of the CA API (docs/reference/registry.md, "CA API"): HTTPS with mutual TLS.

Every call may be repeated: the CA answers a repetition like the first one. An answer other than success raises
`CaApiError`, a connection that fails raises `httpx.TransportError`; both leave it to the caller to try again.
"""

from __future__ import annotations

import enum
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Final
from uuid import UUID

import httpx
from cryptography import x509

from cose.cbor import CborError, decode, encode
from device_pki.bag import BagError, decode_x5bag
from device_pki.revocation import MAX_CRL_SIZE
from enrollment.bounded_http import bounded_request
from enrollment.register import LabelPolicy

MAX_BATCH: Final = 1000
"""Requests in the largest batch, certificates in the largest bag."""
MAX_ANSWER: Final = 8 * 1024 * 1024
"""Octets of the largest answer taken, a batch of certificates."""
_REASONS: Final = 3
"""Reasons of a refused batch that are told."""
MAX_EARLIER: Final = 4
"""Revocation lists of the largest size taken at once: a CA's present key, and those it had."""
BAG_CONTENT_TYPE: Final = "application/cbor"
_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)


class CaApiError(Exception):
    """A refusal by the CA API. `temporary` says whether the same call may succeed later."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(f"{status}: {problem}")
        self.status = status
        self.problem = problem

    @property
    def temporary(self) -> bool:
        """5xx, 408 and 429 pass; any other refusal stays."""
        return self.status >= 500 or self.status in {408, 429}


class Enroll(enum.StrEnum):
    """Whether a device may enroll through a label."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class RefusedCertificate:
    """One certificate of a bag that the CA did not register, and why."""

    fingerprint: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class LabelResult:
    """What a label is, after a bag was registered under it."""

    ca_uri: str
    anchors: tuple[bytes, ...]
    """Fingerprints of the CA certificates that authenticate the EST server."""
    accepted: tuple[bytes, ...]
    """Fingerprints of the factory certificates of this bag that may enroll."""
    refused: tuple[RefusedCertificate, ...]
    compact_ca_uri: str | None = None
    """Where devices of the compact profile enroll; None: nowhere at this CA."""
    edhoc_key: bytes | None = None
    """The CA's key for static Diffie-Hellman in EDHOC (compressed P-256 point, 33 octets), which templates may pin."""


REVOKE_NONE: Final = "none"
REVOKE_ALL: Final = "all"


class CaClient:
    """Calls one CA's API. `ssl_context` holds the caller's certificate and pins the CA's."""

    def __init__(self, base_url: str, ssl_context: ssl.SSLContext) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url, verify=ssl_context, timeout=_TIMEOUT, trust_env=False, follow_redirects=False
        )

    async def __aenter__(self) -> CaClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def put_label(self, label: UUID, bag: bytes) -> LabelResult:
        """Register the factory certificates of an x5bag under the provider's label `label`."""
        response = await self._call("PUT", f"/ca/v1/labels/{label}", bag)
        return _label_result(response)

    async def set_policy(self, label: UUID, policy: LabelPolicy) -> None:
        """Set what the provider's label allows from now on; a label not yet known is made."""
        body = asdict(policy) | {"not_after": None if policy.not_after is None else policy.not_after.isoformat()}
        _check(await bounded_request(self._http, "PUT", f"/ca/v1/labels/{label}/policy", limit=MAX_ANSWER, json=body))

    async def policy(self, label: UUID) -> LabelPolicy:
        """Return what the provider's label allows."""
        path = f"/ca/v1/labels/{label}/policy"
        return _label_policy(_check(await bounded_request(self._http, "GET", path, limit=MAX_ANSWER)))

    async def set_device(
        self, label: UUID, fingerprint: bytes, *, enroll: Enroll, revoke: str | bytes = REVOKE_NONE
    ) -> None:
        """Open or close a device's entry in the label; revoke none, all, or the certificates of one attempt key.

        An attempt key is given by its thumbprint (32 octets). Success means stored, and revoked ones in the newest CRL.
        """
        which = revoke.hex() if isinstance(revoke, bytes) else revoke
        path = f"/ca/v1/labels/{label}/devices/{fingerprint.hex()}"
        order = {"enroll": enroll.value, "revoke": which}
        _check(await bounded_request(self._http, "PUT", path, limit=MAX_ANSWER, json=order))

    async def crl(self) -> bytes:
        """Return the DER of the CA's newest revocation list. Its signature is the caller's to check."""
        return _check(await bounded_request(self._http, "GET", "/ca/v1/crl", limit=MAX_CRL_SIZE)).content

    async def crls(self) -> list[bytes]:
        """Return the lists (DER) by each key of the CA, the present one's first. Who signed them is yours to check."""
        limit = MAX_EARLIER * MAX_CRL_SIZE
        response = _check(await bounded_request(self._http, "GET", "/ca/v1/crls", limit=limit))
        try:
            lists = decode(response.content, max_size=limit, max_depth=2)
        except CborError as error:
            raise CaApiError(502, "the answer is no array of revocation lists") from error
        if not isinstance(lists, list) or not lists or not all(isinstance(item, bytes) for item in lists):
            raise CaApiError(502, "the answer is no array of revocation lists")
        return lists

    async def certify_batch(self, csrs: Sequence[bytes]) -> list[x509.Certificate]:
        """Have PKCS#10 or C509 requests of a factory certified, all or none; return the certificates in order."""
        response = await self._call("POST", "/ca/v1/batches", encode(list(csrs)))
        try:
            certificates = decode_x5bag(response.content, len(csrs))
        except BagError as error:
            raise CaApiError(502, f"the answer is no bag of certificates: {error}") from error
        if len(certificates) != len(csrs):
            raise CaApiError(502, f"{len(certificates)} certificates for {len(csrs)} requests")
        return certificates

    async def _call(self, method: str, path: str, body: bytes) -> httpx.Response:
        headers = {"content-type": BAG_CONTENT_TYPE}
        return _check(await bounded_request(self._http, method, path, limit=MAX_ANSWER, headers=headers, content=body))


def _check(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    try:
        problem = response.json()
        text = f"{problem['title']}: {problem.get('detail', '')}"
        for one in problem.get("refused", ())[:_REASONS]:
            text += f"; request {one['index'] + 1} of the batch: {one['reason']}"
    except (ValueError, KeyError, TypeError, AttributeError):
        text = response.reason_phrase
    raise CaApiError(response.status_code, text[:500])


def _label_result(response: httpx.Response) -> LabelResult:
    try:
        body: Mapping[str, Any] = response.json()
        return LabelResult(
            ca_uri=str(body["ca_uri"]),
            compact_ca_uri=body.get("compact_ca_uri"),
            edhoc_key=None if body.get("edhoc_key") is None else bytes.fromhex(body["edhoc_key"]),
            anchors=_fingerprints(body["anchors"]),
            accepted=_fingerprints(body["accepted"]),
            refused=tuple(
                RefusedCertificate(bytes.fromhex(item["fingerprint"]), str(item["reason"])) for item in body["refused"]
            ),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CaApiError(502, "the answer is not that of a CA API") from error


def _label_policy(response: httpx.Response) -> LabelPolicy:
    try:
        body: dict[str, Any] = response.json()
        end = body["not_after"]
        return LabelPolicy(**body | {"not_after": None if end is None else datetime.fromisoformat(end)})
    except (ValueError, KeyError, TypeError) as error:
        raise CaApiError(502, "the answer is not that of a CA API") from error


def _fingerprints(items: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(item) for item in items)
