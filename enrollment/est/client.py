"""A device's side of EST: builds requests and reads answers; sends nothing itself (RFC 9148 4, 5)."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

from cose.keys import PrivateKey, PublicKey, thumbprint
from device_pki.bag import BagError, decode_c5b
from device_pki.c509 import C509Error, RequestTemplate, decode_private_key, decode_template
from device_pki.certificates import PARSE_ERRORS, CertificateError, load_certificate
from device_pki.keys import KeyKindError, check_key, public_key
from enrollment.cms.enveloped import open_envelope
from enrollment.cms.errors import CmsError
from enrollment.cms.signed import signed_key
from enrollment.est.attributes import CsrAttributesError, decode_attributes
from enrollment.est.discovery import CORE
from enrollment.est.paths import CaUri, EstOperation
from enrollment.multipart import MultipartError, Part, decode_multipart
from enrollment.pkcs7 import MAX_CERTIFICATES, Pkcs7Error, decode_certs_only
from objects.errors import FormatError
from objects.formats.link_format import parse
from secure_coap.exchange import Request, Response
from secure_coap.numbers import EXPERIMENTAL_C509, C509Formats, Code, ContentFormat

_OPERATIONS: Final = frozenset(EstOperation)


class EstReason(enum.Enum):
    """Why an answer of an EST server cannot be used."""

    FORMAT = "unexpected content format"
    MALFORMED = "malformed"
    WRONG_KEY = "certificate for another key"
    NOT_ENCRYPTED = "private key not encrypted as asked"


class EstAnswerError(ValueError):
    """A successful answer with content that must not be used (Result 46, certificate invalid)."""

    def __init__(self, reason: EstReason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ServerKey:
    """A private key the CA made, and its certificate."""

    certificate: x509.Certificate
    private_key: PrivateKey = field(repr=False)
    signer: x509.Certificate | None
    """Whose signature is on the encrypted key; None for one that only the session protected."""


def discovery_request() -> Request:
    """Return the request for the operations a server offers us, below every label we are registered in."""
    return Request(Code.GET, CORE, query=("rt=ace.est*",), accept=ContentFormat.LINK_FORMAT)


def crts_request(uri: CaUri, *, accept: int = ContentFormat.PKCS7_CERTS_ONLY) -> Request:
    """Return the request for the CA's certificates; with 287 for that of the issuing CA alone."""
    return Request(Code.GET, uri.below(EstOperation.CA_CERTIFICATES), accept=accept)


def attributes_request(uri: CaUri) -> Request:
    """Return the request for what the CA wants in a certificate request."""
    return Request(Code.GET, uri.below(EstOperation.CSR_ATTRIBUTES), accept=ContentFormat.CSRATTRS)


def template_request(uri: CaUri, *, c509: C509Formats = EXPERIMENTAL_C509) -> Request:
    """Return the request for what the CA wants in a C509 request."""
    return Request(Code.GET, uri.below(EstOperation.CSR_ATTRIBUTES), accept=c509.template)


def enroll_request(uri: CaUri, csr: bytes, *, accept: ContentFormat = ContentFormat.PKIX_CERT) -> Request:
    """Return the request that enrolls with the DER `csr`; by default the answer is the bare certificate (287)."""
    return _csr_request(uri, EstOperation.SIMPLE_ENROLL, csr, accept)


def reenroll_request(uri: CaUri, csr: bytes, *, accept: ContentFormat = ContentFormat.PKIX_CERT) -> Request:
    """Return the request that renews the operational certificate with the DER `csr`."""
    return _csr_request(uri, EstOperation.SIMPLE_REENROLL, csr, accept)


def c509_enroll_request(
    uri: CaUri, csr: bytes, *, renew: bool = False, terse: bool = False, c509: C509Formats = EXPERIMENTAL_C509
) -> Request:
    """Return the request that enrolls, or renews, by a C509 request (`enrollment.c509_csr`) for a C509 certificate.

    A `terse` one leaves it to the server in which form that comes: ours sends the same, others a reference, too.
    """
    operation = EstOperation.SIMPLE_REENROLL if renew else EstOperation.SIMPLE_ENROLL
    return _csr_request(uri, operation, csr, None if terse else c509.certificate, c509.request)


def c509_server_key_request(uri: CaUri, csr: bytes, *, c509: C509Formats = EXPERIMENTAL_C509) -> Request:
    """Return the request that has the CA make a key, with a C509 request; its key and proof mean nothing."""
    return _csr_request(uri, EstOperation.SERVER_KEY, csr, ContentFormat.MULTIPART, c509.request)


def server_key_request(uri: CaUri, csr: bytes, *, bare: bool = True) -> Request:
    """Return the request that has the CA make a key, with the DER of `enrollment.key_request.build_key_request`.

    `bare`: the certificate comes alone (`/skc`) and not in a PKCS#7 bundle (`/skg`).
    """
    operation = EstOperation.SERVER_KEY_BARE if bare else EstOperation.SERVER_KEY
    return _csr_request(uri, operation, csr, ContentFormat.MULTIPART)


def _csr_request(
    uri: CaUri, operation: EstOperation, csr: bytes, accept: int | None, content_format: int = ContentFormat.PKCS10
) -> Request:
    return Request(Code.POST, uri.below(operation), payload=csr, content_format=content_format, accept=accept)


def parse_discovery(response: Response) -> dict[EstOperation, list[tuple[str, ...]]]:
    """Return the paths of each operation in an answer to `discovery_request`; raise like `parse_crts`."""
    _expect(response, ContentFormat.LINK_FORMAT)
    try:
        links = parse(response.payload)
    except FormatError as error:
        raise EstAnswerError(EstReason.MALFORMED, str(error)) from error
    return {
        operation: [
            tuple(link.target.split("/")[1:]) for link in links if link.attributes.get("rt") == f"ace.est.{operation}"
        ]
        for operation in EstOperation
    }


def parse_crts(response: Response, c509: C509Formats = EXPERIMENTAL_C509) -> list[x509.Certificate]:
    """Return the CA certificates of an answer to `crts_request`.

    Raises the `CoapError` of a refusal, and `EstAnswerError`. The certificates are not trusted by being here.
    """
    response.raise_for_code()
    return list(_certificates(response.content_format, response.payload, c509))


def parse_attributes(response: Response) -> frozenset[x509.ObjectIdentifier]:
    """Return the object identifiers of what the CA wants in a request; raise like `parse_crts`."""
    _expect(response, ContentFormat.CSRATTRS)
    try:
        return decode_attributes(response.payload)
    except CsrAttributesError as error:
        raise EstAnswerError(EstReason.MALFORMED, str(error)) from error


def parse_template(response: Response, c509: C509Formats = EXPERIMENTAL_C509) -> RequestTemplate:
    """Return what the CA wants in a C509 request; raise like `parse_crts`."""
    _expect(response, c509.template)
    try:
        return decode_template(response.payload)
    except C509Error as error:
        raise EstAnswerError(EstReason.MALFORMED, str(error)) from error


def parse_certificate(response: Response, key: PublicKey, c509: C509Formats = EXPERIMENTAL_C509) -> x509.Certificate:
    """Return the certificate for `key` out of an answer to an enrollment.

    Raises the `CoapError` of a refusal, and `EstAnswerError`. Its path is still to be verified.
    """
    response.raise_for_code()
    return _certificate_for(key, _certificates(response.content_format, response.payload, c509))


def parse_server_key(
    response: Response, decrypt_with: ec.EllipticCurvePrivateKey | None = None, *, c509: C509Formats = EXPERIMENTAL_C509
) -> ServerKey:
    """Return the key and certificate of an answer to `server_key_request` or `c509_server_key_request`.

    `decrypt_with`: the key the request named; a private key that comes otherwise is refused. Raises like `parse_crts`.
    Whether to believe the `signer` is for the caller to say, as is the certificate's path.
    """
    _expect(response, ContentFormat.MULTIPART)
    try:
        (key_format, key), (certificate_format, certificate) = decode_multipart(response.payload)
    except ValueError as error:
        raise EstAnswerError(EstReason.MALFORMED, "not a private key with a certificate") from error
    expected = {ContentFormat.PKCS8, c509.private_key} if decrypt_with is None else {ContentFormat.PKCS7_SERVER_KEYGEN}
    if key_format not in expected:
        raise EstAnswerError(EstReason.NOT_ENCRYPTED, f"content format {key_format}")
    signer = None
    try:
        if decrypt_with is not None:
            key, signer = signed_key(open_envelope(key, decrypt_with))
        private_key = decode_private_key(key) if key_format == c509.private_key else _private_key(key)
    except (CmsError, C509Error, *PARSE_ERRORS) as error:
        raise EstAnswerError(EstReason.MALFORMED, "the private key cannot be read") from error
    found = _certificate_for(private_key.public_key(), _certificates(certificate_format, certificate, c509))
    return ServerKey(found, private_key, signer)


def _private_key(pkcs8: bytes) -> PrivateKey:
    key = load_der_private_key(pkcs8, None)
    if not isinstance(key, PrivateKey):
        raise KeyKindError("the key is of another kind")
    check_key(key.public_key())
    return key


def _expect(response: Response, content_format: int) -> None:
    response.raise_for_code()
    if response.content_format != content_format:
        raise EstAnswerError(EstReason.FORMAT, f"content format {response.content_format}")


def _certificate_for(key: PublicKey, certificates: Sequence[x509.Certificate]) -> x509.Certificate:
    for certificate in certificates:
        try:
            if thumbprint(public_key(certificate)) == thumbprint(key):
                return certificate
        except KeyKindError:
            continue
    raise EstAnswerError(EstReason.WRONG_KEY, "no certificate in the answer is for the key of the request")


def _certificates(content_format: int | None, payload: bytes, c509: C509Formats) -> Sequence[x509.Certificate]:
    try:
        if content_format == ContentFormat.MULTIPART:
            content_format, payload = _certificate_part(payload, c509)
        if content_format in {c509.certificate, c509.chain}:
            return [certificate.to_x509() for certificate in decode_c5b(payload, MAX_CERTIFICATES)]
        if content_format == ContentFormat.PKCS7_CERTS_ONLY:
            return decode_certs_only(payload)
        if content_format == ContentFormat.PKIX_CERT:
            return [load_certificate(payload)]
    except (Pkcs7Error, CertificateError, BagError, C509Error, MultipartError) as error:
        raise EstAnswerError(EstReason.MALFORMED, str(error)) from error
    raise EstAnswerError(EstReason.FORMAT, f"content format {content_format}")


def _certificate_part(payload: bytes, c509: C509Formats) -> Part:
    """The C509 certificate beside its reference; one without the other is of no use to a device."""
    for part in decode_multipart(payload):
        if part[0] == c509.certificate:
            return part
    raise MultipartError("no certificate among the parts")
