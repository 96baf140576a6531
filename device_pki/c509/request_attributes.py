"""Attributes of certification requests (draft-ietf-cose-cbor-encoded-cert-20, 4.3).

A registered attribute has one value in compact form; any other is its object identifier and the DER of all its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cryptography.hazmat import asn1

from cose.cbor import Tagged, encode
from device_pki.c509 import der
from device_pki.c509.certificate import certificate_der, certificate_items
from device_pki.c509.errors import malformed, unsupported
from device_pki.c509.extensions import extensions_item, extensions_of
from device_pki.c509.items import array, integer, octets, pairs, text
from device_pki.c509.keys import number_octets, octets_number
from device_pki.c509.names import name_item, name_of
from device_pki.c509.registry import CertificateType, RequestAttribute

_PRINTABLE_TAG: Final = 121
"""CBOR tag of a challenge password that is a PrintableString."""


@asn1.sequence
class IssuerAndSerialNumber:
    """The name of a certificate (RFC 5652 10.2.4)."""

    issuer: der.RdnSequence
    serial_number: int


@asn1.sequence
class _Statement:
    signer: IssuerAndSerialNumber
    certificate: der.Certificate | None


def attributes_item(attributes: Sequence[der.Attribute], *, native: bool) -> list[Any]:
    """Return the item of the attributes, in their order."""
    items: list[Any] = []
    for attribute in attributes:
        items += _pair(attribute, native=native)
    return items


def _pair(attribute: der.Attribute, *, native: bool) -> tuple[Any, Any]:
    values = [asn1.encode_der(value) for value in attribute.values.as_list()]
    registered = RequestAttribute.of(attribute.type)
    if registered is None:
        return der.octets_of_oid(attribute.type), asn1.encode_der(attribute.values)
    if len(values) != 1:
        raise unsupported(f"{len(values)} values of {registered.name}")
    match registered:
        case RequestAttribute.EXTENSION_REQUEST:
            extensions = der.read_inside(der.Extensions, values[0]).extensions
            return int(registered), extensions_item(extensions, native=native)
        case RequestAttribute.CHALLENGE_PASSWORD:
            return int(registered), _password_item(values[0], native=native)
        case RequestAttribute.PRIVATE_KEY_POSSESSION_STATEMENT:
            return int(registered), _statement_item(values[0], native=native)


def _password_item(value: bytes, *, native: bool) -> Any:
    try:
        return asn1.decode_der(str, value)
    except ValueError:
        password = asn1.decode_der(asn1.PrintableString, value).as_str()
        return password if native else Tagged(_PRINTABLE_TAG, password)


def _statement_item(value: bytes, *, native: bool) -> list[Any]:
    statement = asn1.decode_der(_Statement, value)
    certificate = None
    if statement.certificate is not None:
        certificate = certificate_items(asn1.encode_der(statement.certificate), CertificateType.RE_ENCODED)
    return [
        name_item(statement.signer.issuer, native=native),
        number_octets(statement.signer.serial_number),
        certificate,
    ]


def attributes_of(item: Any) -> list[der.Attribute]:
    """Return the attributes that an item stands for, each there once."""
    attributes = [_attribute(kind, value) for kind, value in pairs(item)]
    if len({attribute.type for attribute in attributes}) != len(attributes):
        raise malformed("an attribute twice")
    return attributes


def _attribute(kind: Any, value: Any) -> der.Attribute:
    if isinstance(kind, bytes):
        shape = der.tlv(der.SEQUENCE, asn1.encode_der(der.oid_of_octets(kind)) + octets(value))
        return asn1.decode_der(der.Attribute, shape)
    match RequestAttribute.numbered(integer(kind)):
        case RequestAttribute.EXTENSION_REQUEST as registered:
            encoded = der.write_inside(der.Extensions(extensions=extensions_of(value)))
        case RequestAttribute.CHALLENGE_PASSWORD as registered:
            encoded = _password_der(value)
        case RequestAttribute.PRIVATE_KEY_POSSESSION_STATEMENT as registered:
            encoded = _statement_der(value)
        case None:
            raise malformed(f"{kind} is no registered attribute of requests")
    return der.Attribute(type=registered.oid, values=asn1.SetOf([der.element(encoded)]))


def _password_der(item: Any) -> bytes:
    if isinstance(item, Tagged) and item.tag == _PRINTABLE_TAG:
        return asn1.encode_der(asn1.PrintableString(text(item.value)))
    return asn1.encode_der(text(item))


def _statement_der(item: Any) -> bytes:
    issuer, serial, certificate = array(item, 3)
    signer = IssuerAndSerialNumber(issuer=name_of(issuer), serial_number=octets_number(serial))
    shape = None
    if certificate is not None:
        if array(certificate)[:1] != [CertificateType.RE_ENCODED]:
            raise unsupported("a natively signed certificate in a statement of possession")
        shape = asn1.decode_der(der.Certificate, certificate_der(certificate))
    return asn1.encode_der(_Statement(signer=signer, certificate=shape))


def in_order_of(again: list[Any], given: Any) -> list[Any]:
    """Return the attributes `again` in the order of `given`.

    DER sorts a set; a natively signed request keeps the order its maker chose.
    """
    order = [encode(kind) for kind, _ in pairs(given)]
    sorted_pairs = sorted(pairs(again), key=lambda pair: order.index(encode(pair[0])))
    return [item for pair in sorted_pairs for item in pair]
