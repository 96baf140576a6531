"""PKCS#10 certificate requests of devices (RFC 2986), as narrow as EST over a secured session needs them.

A request names the device and holds a key; it asks for nothing else. Possession of the key is tied to the session by
the challengePassword: base64 of the session's tls-unique value (RFC 7030 3.5, RFC 9148 3), so that a request recorded
in one session is worthless in another (security rule 22).
"""

from __future__ import annotations

import base64
import enum
import hmac
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
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


def check_csr(data: bytes, *, endpoint: str, channel_binding: bytes) -> CheckedCsr:
    """Return what the DER `data` asks for; raise `CsrError` unless it is for `endpoint` and made in this session."""
    csr = _parse(data)
    checked = _check_request(csr)
    if checked.endpoint != endpoint:
        raise CsrError(CsrReason.NAME, "the request names another device than the authenticated certificate")
    expected = base64.b64encode(channel_binding)
    if not channel_binding or not hmac.compare_digest(_challenge(csr) or b"", expected):
        raise CsrError(CsrReason.POSSESSION, "challengePassword is not the base64 of this session's tls-unique")
    return checked


def check_factory_csr(data: bytes) -> CheckedCsr:
    """Return what a request made at the factory, outside any session, asks for; raise `CsrError` otherwise."""
    csr = _parse(data)
    if _challenge(csr) is not None:
        raise CsrError(CsrReason.ATTRIBUTE, "a factory request holds no challengePassword")
    return _check_request(csr)


def _parse(data: bytes) -> x509.CertificateSigningRequest:
    if len(data) > MAX_CSR_SIZE:
        raise CsrError(CsrReason.TOO_LARGE, f"{len(data)} octets, at most {MAX_CSR_SIZE} are taken")
    try:
        csr = x509.load_der_x509_csr(data)
        _ = csr.subject, csr.attributes
    except PARSE_ERRORS as error:
        raise CsrError(CsrReason.MALFORMED, "not the DER of a PKCS#10 request") from error
    return csr


def _check_request(csr: x509.CertificateSigningRequest) -> CheckedCsr:
    try:
        key = public_key(csr)
    except KeyKindError as error:
        raise CsrError(CsrReason.KEY_KIND, str(error)) from error
    if not _is_self_signed(csr):
        raise CsrError(CsrReason.SIGNATURE, "the request is not signed by the key it holds")
    if any(attribute.oid != AttributeOID.CHALLENGE_PASSWORD for attribute in csr.attributes):
        raise CsrError(CsrReason.ATTRIBUTE, "extensions and other attributes are the CA's to choose")
    try:
        name = endpoint_name(csr)
    except EndpointNameError as error:
        raise CsrError(CsrReason.NAME, str(error)) from error
    return CheckedCsr(name, key, thumbprint(key), csr.public_bytes(Encoding.DER))


def _is_self_signed(csr: x509.CertificateSigningRequest) -> bool:
    try:
        return csr.signature_algorithm_oid in SIGNATURE_ALGORITHMS and csr.is_signature_valid
    except (*PARSE_ERRORS, InvalidSignature):
        return False


def _challenge(csr: x509.CertificateSigningRequest) -> bytes | None:
    values = [a.value for a in csr.attributes if a.oid == AttributeOID.CHALLENGE_PASSWORD]
    return values[0] if len(values) == 1 else (b"" if values else None)
