"""The DER shapes of X.509 and PKCS#10 that C509 re-encodes (RFC 5280 4.1, RFC 2986 4).

What is nested inside of an OCTET STRING or ANY is read where it is needed; algorithm identifiers stay whole.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias, TypeVar

from cryptography import x509
from cryptography.hazmat import asn1

SEQUENCE: Final = 0x30
SET: Final = 0x31
_OBJECT_IDENTIFIER: Final = 0x06

Shape = TypeVar("Shape")


@asn1.sequence
class AttributeTypeAndValue:
    type: x509.ObjectIdentifier
    value: str | asn1.TLV
    """A UTF8String as text, anything else as it is."""


RdnSequence: TypeAlias = list[asn1.SetOf[AttributeTypeAndValue]]
"""A distinguished name."""


@asn1.sequence
class Name:
    relative_names: RdnSequence


@asn1.sequence
class Attribute:
    type: x509.ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class Validity:
    not_before: asn1.UTCTime | asn1.GeneralizedTime
    not_after: asn1.UTCTime | asn1.GeneralizedTime


@asn1.sequence
class SubjectPublicKeyInfo:
    algorithm: asn1.TLV
    subject_public_key: asn1.BitString


@asn1.sequence
class Extension:
    extn_id: x509.ObjectIdentifier
    critical: Annotated[bool, asn1.Default(False)]
    extn_value: bytes


@asn1.sequence
class Extensions:
    extensions: list[Extension]


@asn1.sequence
class TbsCertificate:
    version: Annotated[int, asn1.Explicit(0), asn1.Default(0)]
    serial_number: int
    signature: asn1.TLV
    issuer: RdnSequence
    validity: Validity
    subject: RdnSequence
    subject_public_key_info: SubjectPublicKeyInfo
    extensions: Annotated[list[Extension] | None, asn1.Explicit(3)]


@asn1.sequence
class Certificate:
    tbs_certificate: TbsCertificate
    signature_algorithm: asn1.TLV
    signature_value: asn1.BitString


@asn1.sequence
class CertificationRequestInfo:
    version: int
    subject: RdnSequence
    subject_public_key_info: SubjectPublicKeyInfo
    attributes: Annotated[asn1.SetOf[Attribute], asn1.Implicit(0)]


@asn1.sequence
class CertificationRequest:
    certification_request_info: CertificationRequestInfo
    signature_algorithm: asn1.TLV
    signature: asn1.BitString


def tlv(tag: int, content: bytes) -> bytes:
    """Return the DER of `content` under a tag of one octet."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def element(der: bytes) -> asn1.TLV:
    """Return DER as an element to put inside of another."""
    return asn1.decode_der(asn1.TLV, der)


def content(der: bytes) -> bytes:
    """Return what is inside of the outermost element."""
    return bytes(element(der).data)


def read_inside(shape: type[Shape], der: bytes) -> Shape:
    """Return the SEQUENCE OF in `der` as `shape`, a sequence whose only field it is."""
    return asn1.decode_der(shape, tlv(SEQUENCE, der))


def write_inside(value: Any) -> bytes:
    """Return the DER of the SEQUENCE OF that is the only field of `value`."""
    return content(asn1.encode_der(value))


def octets_of_oid(oid: x509.ObjectIdentifier) -> bytes:
    """Return an object identifier as ~oid: its BER content octets (RFC 9090)."""
    return content(asn1.encode_der(oid))


def oid_of_octets(octets: bytes) -> x509.ObjectIdentifier:
    """Return the object identifier of a ~oid."""
    return asn1.decode_der(x509.ObjectIdentifier, tlv(_OBJECT_IDENTIFIER, octets))
