"""PKCS#10 requests for keys that the CA makes (RFC 7030 4.4.1, RFC 9148 4.8).

Such a request names the device. Its public key and signature mean nothing and are ignored, as the RFC demands. It may
name one key of the device, by subject key identifier, for which the private key is encrypted on its way.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Annotated, Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AttributeOID

from device_pki.certificates import PARSE_ERRORS
from device_pki.names import device_subject
from enrollment.c509_csr import parse_c509
from enrollment.cms.der import Algorithm, items_of, tlv
from enrollment.cms.numbers import AES128_CBC, ECDSA_SHA256
from enrollment.csr import (
    Attributes,
    CsrError,
    CsrReason,
    attributes_of,
    check_endpoint,
    check_possession,
    name_of,
    only,
    only_challenge,
    parse_csr,
)

SMIME_CAPABILITIES: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.15")
DECRYPT_KEY_IDENTIFIER: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.16.2.37")
ASYMMETRIC_DECRYPT_KEY_IDENTIFIER: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.16.2.54")
_ALLOWED: Final = frozenset(
    {
        AttributeOID.CHALLENGE_PASSWORD,
        SMIME_CAPABILITIES,
        DECRYPT_KEY_IDENTIFIER,
        ASYMMETRIC_DECRYPT_KEY_IDENTIFIER,
    }
)


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """What a request that passed every check asks for."""

    endpoint: str
    encrypt_for: bytes | None
    """Subject key identifier of the device's key that is to open the private key; None: the session protects it."""


@asn1.sequence
class _Attribute:
    kind: x509.ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class _Info:
    version: int
    subject: x509.Name
    key: asn1.TLV
    attributes: Annotated[asn1.SetOf[_Attribute], asn1.Implicit(0)]


@asn1.sequence
class _Request:
    info: _Info
    algorithm: Algorithm
    signature: asn1.BitString


@asn1.sequence
class _Capabilities:
    """SMIMECapabilities of one algorithm without parameters."""

    first: Algorithm


def key_identifier(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the name of a key in requests: SHA-1 of its point, as subject key identifiers are made (RFC 5280)."""
    return x509.SubjectKeyIdentifier.from_public_key(key).digest


def build_key_request(
    key: ec.EllipticCurvePrivateKey, endpoint: str, channel_binding: bytes | None, *, encrypted: bool = False
) -> bytes:
    """Return the DER of a request; with `encrypted` the private key comes encrypted for `key`, a P-256 key of ours.

    `key` also signs the request, because PKCS#10 has a signature. `channel_binding`: None where a client has none.
    """
    attributes = {}
    if channel_binding is not None:
        attributes[AttributeOID.CHALLENGE_PASSWORD] = asn1.encode_der(base64.b64encode(channel_binding).decode())
    if encrypted:
        identifier = key_identifier(key.public_key())
        attributes[SMIME_CAPABILITIES] = asn1.encode_der(_Capabilities(first=Algorithm(algorithm=AES128_CBC)))
        attributes[ASYMMETRIC_DECRYPT_KEY_IDENTIFIER] = asn1.encode_der(identifier)
    info = _Info(
        version=0,
        subject=device_subject(endpoint),
        key=tlv(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
        attributes=asn1.SetOf(
            [_Attribute(kind=kind, values=asn1.SetOf([tlv(value)])) for kind, value in attributes.items()]
        ),
    )
    signature = key.sign(asn1.encode_der(info), ec.ECDSA(hashes.SHA256()))
    bits = asn1.BitString(data=signature, padding_bits=0)
    return asn1.encode_der(_Request(info=info, algorithm=Algorithm(algorithm=ECDSA_SHA256), signature=bits))


def check_key_request(data: bytes, *, endpoint: str, channel_binding: bytes) -> KeyRequest:
    """Return what the DER `data` asks for; raise `CsrError` unless it is for `endpoint`.

    There is no possession to tie to the session; a binding that is there must still be this session's.
    """
    csr = parse_csr(data)
    attributes = attributes_of(csr)
    only(attributes, _ALLOWED)
    check_endpoint(name_of(csr), endpoint)
    check_possession(attributes, channel_binding, optional=True)
    return KeyRequest(endpoint, _encrypt_for(attributes))


def check_c509_key_request(data: bytes, *, endpoint: str) -> KeyRequest:
    """Return what a C509 request asks for; raise `CsrError` unless it is for `endpoint`, or names nobody.

    Over OSCORE nothing else encrypts the key (EST over OSCORE, draft -11, 4.3.1).
    """
    csr = parse_c509(data)
    only_challenge(attributes_of(csr.view))
    if list(csr.subject):
        check_endpoint(name_of(csr.view), endpoint)
    return KeyRequest(endpoint, None)


def _encrypt_for(attributes: Attributes) -> bytes | None:
    if DECRYPT_KEY_IDENTIFIER in attributes:
        raise CsrError(CsrReason.DECRYPT_KEY, "this CA shares no symmetric keys with devices; name your EC key instead")
    identifier, capabilities = (
        attributes.get(kind) for kind in (ASYMMETRIC_DECRYPT_KEY_IDENTIFIER, SMIME_CAPABILITIES)
    )
    if identifier is None and capabilities is None:
        return None
    if identifier is None or identifier.tag_bytes != _OCTET_STRING:
        raise CsrError(CsrReason.DECRYPT_KEY, "the request asks for encryption and names no key")
    if capabilities is not None and not _decrypts(capabilities):
        raise CsrError(CsrReason.DECRYPT_KEY, "the device must be able to decrypt AES-128-CBC")
    return bytes(identifier.data)


def _decrypts(capabilities: asn1.TLV) -> bool:
    """Is AES-128-CBC among the capabilities?"""
    try:
        found = items_of(asn1.encode_der(capabilities))
    except PARSE_ERRORS:
        return False
    return asn1.encode_der(Algorithm(algorithm=AES128_CBC)) in [asn1.encode_der(item) for item in found]


_OCTET_STRING: Final = b"\x04"
