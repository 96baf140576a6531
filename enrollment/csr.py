"""PKCS#10 certificate requests of devices (RFC 2986), as narrow as EST over a secured session needs them.

A request names the device and holds a key; it asks for nothing else. Possession of the key is tied to the session by
the challengePassword: base64 of the session's tls-unique value (RFC 7030 3.5, RFC 9148 3), so that a request recorded
in one session is worthless in another (security rule 22).
"""

from __future__ import annotations

import base64
import enum
import hmac
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Annotated, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID

from cose.keys import PrivateKey, PublicKey, thumbprint
from device_pki.certificates import PARSE_ERRORS
from device_pki.keys import SIGNATURE_ALGORITHMS, KeyKindError, public_key, signature_hash
from device_pki.names import EndpointNameError, device_subject, endpoint_name

MAX_CSR_SIZE: Final = 2048
"""Octets of the largest request taken."""


class CsrReason(enum.Enum):
    """Why a request was refused."""

    TOO_LARGE = "too large"
    MALFORMED = "malformed"
    KEY_KIND = "key kind"
    SIGNATURE = "signature"
    NAME = "endpoint name"
    ATTRIBUTE = "asks for more than a key and a name"
    POSSESSION = "possession not tied to this session"
    DECRYPT_KEY = "no key to encrypt for"


class CsrError(ValueError):
    """A certificate request on which nothing is issued."""

    def __init__(self, reason: CsrReason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CheckedCsr:
    """What a request that passed every check asks for."""

    endpoint: str
    public_key: PublicKey
    key_thumbprint: bytes
    """SHA-256 of the SubjectPublicKeyInfo, 32 octets: the attempt key's name (protocol.md rule 11)."""
    pkcs10: bytes | None = None
    """The request itself (DER), for authorities that want to see it; None when it came in no such form."""


def build_csr(key: PrivateKey, endpoint: str, channel_binding: bytes | None = None) -> bytes:
    """Return the DER of a request; `channel_binding` is the session's tls-unique, None for a factory."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(device_subject(endpoint))
    if channel_binding is not None:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, base64.b64encode(channel_binding))
    return builder.sign(key, signature_hash(key)).public_bytes(Encoding.DER)


def check_csr(data: bytes, *, endpoint: str, channel_binding: bytes, binding_optional: bool = False) -> CheckedCsr:
    """Return what the DER `data` asks for; raise `CsrError` unless it is for `endpoint` and made in this session.

    `binding_optional`: the client may have no way to know the session's binding, and a request without one passes.
    """
    csr = parse_csr(data)
    checked = _check_request(csr)
    check_endpoint(checked.endpoint, endpoint)
    check_possession(attributes_of(csr), channel_binding, optional=binding_optional)
    return checked


def check_factory_csr(data: bytes) -> CheckedCsr:
    """Return what a request made at the factory, outside any session, asks for; raise `CsrError` otherwise."""
    csr = parse_csr(data)
    if attributes_of(csr):
        raise CsrError(CsrReason.ATTRIBUTE, "a factory request holds no attributes")
    return _check_request(csr)


def parse_csr(data: bytes) -> x509.CertificateSigningRequest:
    """Return the request in `data`, nothing of it checked; raise `CsrError`."""
    if len(data) > MAX_CSR_SIZE:
        raise CsrError(CsrReason.TOO_LARGE, f"{len(data)} octets, at most {MAX_CSR_SIZE} are taken")
    try:
        csr = x509.load_der_x509_csr(data)
        _ = csr.subject
    except PARSE_ERRORS as error:
        raise CsrError(CsrReason.MALFORMED, "not the DER of a PKCS#10 request") from error
    if data[-len(csr.signature) - 1] != _NO_UNUSED_BITS:
        raise CsrError(CsrReason.MALFORMED, "a signature consists of whole octets")
    return csr


_NO_UNUSED_BITS: Final = 0
"""What stands before the octets of a BIT STRING; the last thing in a request is one."""


@asn1.sequence
class _Attribute:
    kind: x509.ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class _Info:
    version: int
    subject: asn1.TLV
    key: asn1.TLV
    attributes: Annotated[list[_Attribute] | None, asn1.Implicit(0)]


Attributes = Mapping[x509.ObjectIdentifier, asn1.TLV]
"""The one value of each attribute."""


def attributes_of(csr: x509.CertificateSigningRequest) -> Attributes:
    """Return the attributes of a request; raise `CsrError` for one that comes twice or has several values."""
    try:
        info = asn1.decode_der(_Info, csr.tbs_certrequest_bytes)
    except PARSE_ERRORS as error:
        raise CsrError(CsrReason.MALFORMED, "the attributes cannot be read") from error
    found: dict[x509.ObjectIdentifier, asn1.TLV] = {}
    for attribute in info.attributes or ():
        values = attribute.values.as_list()
        if attribute.kind in found or len(values) != 1:
            raise CsrError(CsrReason.ATTRIBUTE, "an attribute comes once and has one value")
        found[attribute.kind] = values[0]
    return found


def only(attributes: Attributes, allowed: Set[x509.ObjectIdentifier]) -> None:
    """Raise `CsrError` when a request has other attributes than those allowed."""
    if not attributes.keys() <= allowed:
        raise CsrError(CsrReason.ATTRIBUTE, "extensions and other attributes are the CA's to choose")


def only_challenge(attributes: Attributes) -> None:
    """Raise `CsrError` when a request has another attribute than a challengePassword."""
    only(attributes, _CHALLENGE)


def check_endpoint(name: str, expected: str) -> None:
    """Raise `CsrError` when a request is for another device than the authenticated one."""
    if name != expected:
        raise CsrError(CsrReason.NAME, "the request names another device than the authenticated certificate")


def check_possession(attributes: Attributes, channel_binding: bytes, *, optional: bool) -> None:
    """Raise `CsrError` unless the challengePassword is the session's channel binding, or absent where that may be."""
    value = attributes.get(AttributeOID.CHALLENGE_PASSWORD)
    if value is None and optional:
        return
    found = b"" if value is None or value.tag_bytes not in _TEXT_TAGS else bytes(value.data)
    if not channel_binding or not hmac.compare_digest(found, base64.b64encode(channel_binding)):
        raise CsrError(CsrReason.POSSESSION, "challengePassword is not the base64 of this session's channel binding")


_TEXT_TAGS: Final = frozenset({b"\x0c", b"\x13", b"\x16"})
"""UTF8String, PrintableString, IA5String: in each of them base64 is the same octets."""
_CHALLENGE: Final = frozenset({AttributeOID.CHALLENGE_PASSWORD})


def name_of(csr: x509.CertificateSigningRequest) -> str:
    """Return the endpoint name a request is for; raise `CsrError`."""
    try:
        return endpoint_name(csr)
    except EndpointNameError as error:
        raise CsrError(CsrReason.NAME, str(error)) from error


def _check_request(csr: x509.CertificateSigningRequest) -> CheckedCsr:
    try:
        key = public_key(csr)
    except KeyKindError as error:
        raise CsrError(CsrReason.KEY_KIND, str(error)) from error
    only_challenge(attributes_of(csr))
    if not _is_self_signed(csr):
        raise CsrError(CsrReason.SIGNATURE, "the request is not signed by the key it holds")
    return CheckedCsr(name_of(csr), key, thumbprint(key), csr.public_bytes(Encoding.DER))


def _is_self_signed(csr: x509.CertificateSigningRequest) -> bool:
    try:
        return csr.signature_algorithm_oid in SIGNATURE_ALGORITHMS and csr.is_signature_valid
    except (*PARSE_ERRORS, InvalidSignature):
        return False
