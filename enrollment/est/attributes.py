"""What a CA wants in a request: CsrAttrs (RFC 7030 4.5.2, content format 285), or a template of a C509 request."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import AttributeOID

from device_pki.c509 import RequestTemplate, RequestType
from device_pki.c509.algorithms import PublicKeyAlgorithm, SignatureAlgorithm
from device_pki.certificates import PARSE_ERRORS
from enrollment.cms.der import items_of
from enrollment.cms.numbers import EC_PUBLIC_KEY, ECDSA_SHA256

MAX_SIZE: Final = 4096
"""Octets of the largest answer taken."""
_P256: Final = x509.ObjectIdentifier("1.2.840.10045.3.1.7")
_OBJECT_IDENTIFIER: Final = b"\x06"


class CsrAttributesError(ValueError):
    """Bytes that are no CsrAttrs."""


@asn1.sequence
class _KeyAttribute:
    kind: x509.ObjectIdentifier
    values: asn1.SetOf[x509.ObjectIdentifier]


@asn1.sequence
class _Attribute:
    kind: x509.ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class _Wanted:
    possession: x509.ObjectIdentifier
    key: _KeyAttribute
    signature: x509.ObjectIdentifier


WANTED: Final = asn1.encode_der(
    _Wanted(
        possession=AttributeOID.CHALLENGE_PASSWORD,
        key=_KeyAttribute(kind=EC_PUBLIC_KEY, values=asn1.SetOf([_P256])),
        signature=ECDSA_SHA256,
    )
)
"""What our CAs want: the session's binding as challengePassword, a P-256 key, a signature by ECDSA with SHA-256."""


TEMPLATE: Final = RequestTemplate(
    types=(RequestType.NATIVE, RequestType.RE_ENCODED),
    signature_algorithms=(SignatureAlgorithm.ECDH_POP_SHA256, SignatureAlgorithm.ECDSA_SHA256),
    key_algorithms=(PublicKeyAlgorithm.EC_P256,),
    extensions=(),
).encode()
"""The same for C509: a MAC under the session's agreement or a signature, a P-256 key, no extensions."""


def decode_attributes(data: bytes) -> frozenset[x509.ObjectIdentifier]:
    """Return what is wanted, by object identifier: attributes, kinds of keys, signature algorithms.

    Raises `CsrAttributesError`.
    """
    if len(data) > MAX_SIZE:
        raise CsrAttributesError(f"{len(data)} octets, at most {MAX_SIZE} are taken")
    try:
        return frozenset(_kind(item) for item in items_of(data))
    except PARSE_ERRORS as error:
        raise CsrAttributesError("not the DER of CsrAttrs") from error


def _kind(item: asn1.TLV) -> x509.ObjectIdentifier:
    encoded = asn1.encode_der(item)
    if item.tag_bytes == _OBJECT_IDENTIFIER:
        return asn1.decode_der(x509.ObjectIdentifier, encoded)
    return asn1.decode_der(_Attribute, encoded).kind
