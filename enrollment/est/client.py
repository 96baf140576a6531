"""A device's side of EST: builds requests and reads answers; sends nothing itself (RFC 9148 4, 5)."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from cryptography import x509

from cose.keys import PublicKey, thumbprint
from device_pki.certificates import CertificateError, load_certificate
from device_pki.keys import KeyKindError, public_key
from enrollment.est.paths import CaUri, EstOperation
from enrollment.pkcs7 import Pkcs7Error, decode_certs_only
from secure_coap.exchange import Request, Response
from secure_coap.numbers import Code, ContentFormat


class EstReason(enum.Enum):
    """Why an answer of an EST server cannot be used."""

    FORMAT = "unexpected content format"
    MALFORMED = "malformed"
    WRONG_KEY = "certificate for another key"


class EstAnswerError(ValueError):
    """A successful answer with content that must not be used (Result 46, certificate invalid)."""

    def __init__(self, reason: EstReason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason


def crts_request(uri: CaUri) -> Request:
    """Return the request for the CA's certificates."""
    return Request(Code.GET, uri.below(EstOperation.CA_CERTIFICATES), accept=ContentFormat.PKCS7_CERTS_ONLY)


def enroll_request(uri: CaUri, csr: bytes, *, accept: ContentFormat = ContentFormat.PKIX_CERT) -> Request:
    """Return the request that enrolls with the DER `csr`; by default the answer is the bare certificate (287)."""
    return _csr_request(uri, EstOperation.SIMPLE_ENROLL, csr, accept)


def reenroll_request(uri: CaUri, csr: bytes, *, accept: ContentFormat = ContentFormat.PKIX_CERT) -> Request:
    """Return the request that renews the operational certificate with the DER `csr`."""
    return _csr_request(uri, EstOperation.SIMPLE_REENROLL, csr, accept)


def _csr_request(uri: CaUri, operation: EstOperation, csr: bytes, accept: ContentFormat) -> Request:
    return Request(Code.POST, uri.below(operation), payload=csr, content_format=ContentFormat.PKCS10, accept=accept)


def parse_crts(response: Response) -> list[x509.Certificate]:
    """Return the CA certificates of an answer to `crts_request`.

    Raises the `CoapError` of a refusal, and `EstAnswerError`. The certificates are not trusted by being here.
    """
    response.raise_for_code()
    if response.content_format != ContentFormat.PKCS7_CERTS_ONLY:
        raise EstAnswerError(EstReason.FORMAT, f"content format {response.content_format}")
    return _certs_only(response.payload)


def parse_certificate(response: Response, key: PublicKey) -> x509.Certificate:
    """Return the certificate for `key` out of an answer to an enrollment.

    Raises the `CoapError` of a refusal, and `EstAnswerError`. Its path is still to be verified.
    """
    response.raise_for_code()
    for certificate in _certificates(response):
        try:
            if thumbprint(public_key(certificate)) == thumbprint(key):
                return certificate
        except KeyKindError:
            continue
    raise EstAnswerError(EstReason.WRONG_KEY, "no certificate in the answer is for the key of the request")


def _certificates(response: Response) -> Sequence[x509.Certificate]:
    if response.content_format == ContentFormat.PKCS7_CERTS_ONLY:
        return _certs_only(response.payload)
    if response.content_format != ContentFormat.PKIX_CERT:
        raise EstAnswerError(EstReason.FORMAT, f"content format {response.content_format}")
    try:
        return [load_certificate(response.payload)]
    except CertificateError as error:
        raise EstAnswerError(EstReason.MALFORMED, "not the DER of a certificate") from error


def _certs_only(payload: bytes) -> list[x509.Certificate]:
    try:
        return decode_certs_only(payload)
    except Pkcs7Error as error:
        raise EstAnswerError(EstReason.MALFORMED, str(error)) from error
