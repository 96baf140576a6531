"""SignedData around one private key, signed by whoever made it (RFC 5652 5, RFC 5958, RFC 7030 4.4.2)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from device_pki.certificates import PARSE_ERRORS, load_certificate
from device_pki.fingerprints import der
from enrollment.cms.der import Algorithm, tlv
from enrollment.cms.errors import CmsError
from enrollment.cms.numbers import CONTENT_TYPE, ECDSA_SHA256, KEY_PACKAGE, MESSAGE_DIGEST, SHA256

_HASH: Final = ec.ECDSA(hashes.SHA256())
_SET, _IMPLICIT_0 = b"\x31", b"\xa0"


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs what it made: an EC key and its certificate."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey


@asn1.sequence
class _Attribute:
    kind: x509.ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class _IssuerAndSerial:
    issuer: x509.Name
    serial_number: int


@asn1.sequence
class _SignerInfo:
    version: int
    signer: _IssuerAndSerial
    digest_algorithm: Algorithm
    signed_attributes: Annotated[asn1.SetOf[_Attribute], asn1.Implicit(0)]
    signature_algorithm: Algorithm
    signature: bytes


@asn1.sequence
class _Content:
    kind: x509.ObjectIdentifier
    content: Annotated[bytes, asn1.Explicit(0)]


@asn1.sequence
class _SignedData:
    version: int
    digest_algorithms: asn1.SetOf[Algorithm]
    content: _Content
    certificates: Annotated[asn1.SetOf[asn1.TLV], asn1.Implicit(0)]
    signers: asn1.SetOf[_SignerInfo]


@asn1.sequence
class _KeyPackage:
    key: asn1.TLV


@asn1.sequence
class _SignedAttributes:
    attributes: Annotated[asn1.SetOf[_Attribute], asn1.Implicit(0)]


def sign_key(pkcs8: bytes, signer: Signer) -> bytes:
    """Return the DER of a SignedData with an AsymmetricKeyPackage of the one key."""
    package = asn1.encode_der(_KeyPackage(key=tlv(pkcs8)))
    attributes = [
        _Attribute(kind=CONTENT_TYPE, values=asn1.SetOf([tlv(asn1.encode_der(KEY_PACKAGE))])),
        _Attribute(kind=MESSAGE_DIGEST, values=asn1.SetOf([tlv(asn1.encode_der(hashlib.sha256(package).digest()))])),
    ]
    certificate = signer.certificate
    info = _SignerInfo(
        version=1,
        signer=_IssuerAndSerial(issuer=certificate.issuer, serial_number=certificate.serial_number),
        digest_algorithm=Algorithm(algorithm=SHA256),
        signed_attributes=asn1.SetOf(attributes),
        signature_algorithm=Algorithm(algorithm=ECDSA_SHA256),
        signature=signer.private_key.sign(_to_be_signed(attributes), _HASH),
    )
    return asn1.encode_der(
        _SignedData(
            version=3,
            digest_algorithms=asn1.SetOf([Algorithm(algorithm=SHA256)]),
            content=_Content(kind=KEY_PACKAGE, content=package),
            certificates=asn1.SetOf([tlv(der(certificate))]),
            signers=asn1.SetOf([info]),
        )
    )


def signed_key(data: bytes) -> tuple[bytes, x509.Certificate]:
    """Return the PKCS#8 DER in a SignedData and the certificate of the key that signed it.

    Raises `CmsError`. Whether that certificate is one to believe is for the caller to say.
    """
    try:
        signed = asn1.decode_der(_SignedData, data)
        (info,), (encoded,) = signed.signers.as_list(), signed.certificates.as_list()
        certificate = load_certificate(asn1.encode_der(encoded))
        package = asn1.decode_der(_KeyPackage, signed.content.content)
        key = certificate.public_key()
    except PARSE_ERRORS as error:
        raise CmsError("not the SignedData of one private key by one signer") from error
    attributes = {attribute.kind: attribute.values.as_list() for attribute in info.signed_attributes.as_list()}
    expected = tlv(asn1.encode_der(hashlib.sha256(signed.content.content).digest()))
    if signed.content.kind != KEY_PACKAGE or not _is(attributes.get(CONTENT_TYPE), tlv(asn1.encode_der(KEY_PACKAGE))):
        raise CmsError("the signed content is no private key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not _is(attributes.get(MESSAGE_DIGEST), expected):
        raise CmsError("the signature covers another content")
    try:
        key.verify(info.signature, _to_be_signed(info.signed_attributes.as_list()), _HASH)
    except InvalidSignature as error:
        raise CmsError("the signature is wrong") from error
    return asn1.encode_der(package.key), certificate


def _to_be_signed(attributes: list[_Attribute]) -> bytes:
    """The attributes as a SET, not with the tag they have inside the SignerInfo (RFC 5652 5.4)."""
    encoded = asn1.encode_der(_SignedAttributes(attributes=asn1.SetOf(attributes)))
    return _SET + encoded[encoded.index(_IMPLICIT_0) + 1 :]


def _is(values: list[asn1.TLV] | None, expected: asn1.TLV) -> bool:
    return values is not None and [asn1.encode_der(value) for value in values] == [asn1.encode_der(expected)]
