"""A client of EST over HTTPS (RFC 7030) for servers, gateways and tools; devices use secure CoAP.

Answers are read as those of secure CoAP, whose content formats the media types of HTTP stand for (RFC 9148 5). Requests
hold no channel binding: with TLS 1.3 Python gives an application none.
"""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Final, Self

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from cose.keys import PublicKey
from enrollment.bounded_http import bounded_request
from enrollment.est.client import (
    EstAnswerError,
    EstReason,
    ServerKey,
    parse_attributes,
    parse_certificate,
    parse_crts,
    parse_server_key,
)
from enrollment.est.https import (
    CSR_ATTRIBUTES,
    PKCS7,
    PKCS8,
    PKCS10,
    EstBodyError,
    decode_body,
    decode_parts,
    encode_body,
)
from enrollment.est.paths import EST_ROOT, WELL_KNOWN, EstOperation
from enrollment.multipart import encode_multipart
from secure_coap.exchange import Response
from secure_coap.numbers import Code, ContentFormat

MAX_ANSWER: Final = 64 * 1024
"""Octets of the largest answer taken."""
_TIMEOUT: Final = httpx.Timeout(30.0, connect=10.0)
_FORMATS: Final = {PKCS7: ContentFormat.PKCS7_CERTS_ONLY, CSR_ATTRIBUTES: ContentFormat.CSRATTRS}
_KEY_FORMATS: Final = {PKCS8: ContentFormat.PKCS8, PKCS7: ContentFormat.PKCS7_SERVER_KEYGEN}


class EstHttpError(Exception):
    """A refusal, or a decision that takes time (202). `retry_after`: seconds until the same request is worth a try;
    None when the server does not say that it ever will be."""

    def __init__(self, status: int, problem: str, retry_after: int | None) -> None:
        super().__init__(f"{status}: {problem}")
        self.status = status
        self.retry_after = retry_after


class EstHttpsClient:
    """Talks to one CA. `ssl_context` holds the client's certificate and says which servers are the right ones."""

    def __init__(self, base_url: str, ssl_context: ssl.SSLContext, label: str | None = None) -> None:
        root = f"/{WELL_KNOWN}/{EST_ROOT}"
        self._root = root if label is None else f"{root}/{label}"
        self._http = httpx.AsyncClient(
            base_url=base_url, verify=ssl_context, timeout=_TIMEOUT, trust_env=False, follow_redirects=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def ca_certificates(self) -> list[x509.Certificate]:
        """Return the CA's certificates. They are not trusted by being here."""
        return parse_crts(await self._ask(EstOperation.CA_CERTIFICATES))

    async def attributes(self) -> frozenset[x509.ObjectIdentifier]:
        """Return the object identifiers of what the CA wants in a request."""
        return parse_attributes(await self._ask(EstOperation.CSR_ATTRIBUTES))

    async def enroll(self, csr: bytes, key: PublicKey, *, renew: bool = False) -> x509.Certificate:
        """Return a certificate for `key` by its DER request; its path is still to be verified."""
        operation = EstOperation.SIMPLE_REENROLL if renew else EstOperation.SIMPLE_ENROLL
        return parse_certificate(await self._ask(operation, csr), key)

    async def make_key(self, csr: bytes, decrypt_with: ec.EllipticCurvePrivateKey | None = None) -> ServerKey:
        """Return a key the CA makes, by the DER of `enrollment.key_request.build_key_request`."""
        return parse_server_key(await self._ask(EstOperation.SERVER_KEY, csr), decrypt_with)

    async def _ask(self, operation: EstOperation, csr: bytes | None = None) -> Response:
        """Raises `EstHttpError`, `EstAnswerError`, and `httpx.TransportError` when there is no answer."""
        path = f"{self._root}/{operation.https_name}"
        if csr is None:
            answer = await bounded_request(self._http, "GET", path, limit=MAX_ANSWER)
        else:
            # RFC 8951 has servers ignore the second one; those of before ask for it (RFC 7030 4.2.1).
            headers, content = {"content-type": PKCS10, "content-transfer-encoding": "base64"}, encode_body(csr)
            answer = await bounded_request(self._http, "POST", path, limit=MAX_ANSWER, headers=headers, content=content)
        if answer.status_code != httpx.codes.OK:
            raise EstHttpError(answer.status_code, answer.text[:500], _seconds(answer))
        try:
            return _as_coap(answer, keys=operation is EstOperation.SERVER_KEY)
        except EstBodyError as error:
            raise EstAnswerError(EstReason.MALFORMED, str(error)) from error


def _as_coap(answer: httpx.Response, *, keys: bool) -> Response:
    media_type = answer.headers.get("content-type", "")
    if keys:
        parts = decode_parts(media_type, answer.content)
        tables = [_KEY_FORMATS, _FORMATS]
        if len(parts) != len(tables):
            raise EstBodyError("not a private key and a certificate")
        found = [(_format(table, kind), content) for table, (kind, content) in zip(tables, parts, strict=True)]
        return Response(Code.CHANGED, encode_multipart(found), ContentFormat.MULTIPART)
    kind = media_type.partition(";")[0].strip().lower()
    return Response(Code.CHANGED, decode_body(answer.content), _format(_FORMATS, kind))


def _format(table: dict[str, ContentFormat], media_type: str) -> ContentFormat:
    if media_type not in table:
        raise EstBodyError(f"unexpected media type {media_type[:100]!r}")
    return table[media_type]


def _seconds(answer: httpx.Response) -> int | None:
    text = answer.headers.get("retry-after", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else None
