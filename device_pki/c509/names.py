"""Distinguished names and their text strings (draft-ietf-cose-cbor-encoded-cert-20, 3.1.4).

An attribute's number is positive for a UTF8String and negative for a PrintableString; where only IA5String is allowed
it is positive too. Natively signed structures know one kind of text and have no negative numbers: their X.509 view
holds UTF8Strings.
"""

from __future__ import annotations

import re
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat import asn1

from cose.cbor import Tagged
from device_pki.c509 import der
from device_pki.c509.errors import malformed, unsupported
from device_pki.c509.items import array, integer, octets, pairs
from device_pki.c509.registry import Attribute

MAC_TAG: Final = 48
"""CBOR tag of a MAC address (RFC 9542 2.4)."""

_UTF8, _PRINTABLE, _IA5 = b"\x0c", b"\x13", b"\x16"
_IA5_ONLY: Final = frozenset({Attribute.EMAIL_ADDRESS, Attribute.DOMAIN_COMPONENT})
_COUNTRIES: Final = frozenset({Attribute.COUNTRY, Attribute.JURISDICTION_COUNTRY})
_COUNTRY_SIZE: Final = 2
_HEX: Final = re.compile(r"([0-9a-f]{2})+", re.ASCII)
_EUI64: Final = re.compile(r"[0-9A-F]{2}(-[0-9A-F]{2}){7}", re.ASCII)


def special_text(text: str) -> Any:
    """Return the item of a text string: lower-case hexadecimal as bytes, an EUI-64 as a MAC address, else text."""
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    if _EUI64.fullmatch(text):
        address = bytes.fromhex(text.replace("-", ""))
        return Tagged(MAC_TAG, address[:3] + address[5:] if address[3:5] == b"\xff\xfe" else address)
    return text


def plain_text(item: Any) -> str:
    """Return the text string that an item stands for."""
    match item:
        case str():
            return item
        case bytes():
            return item.hex()
        case Tagged(tag=48, value=bytes(address)) if len(address) in {6, 8}:
            eui64 = address if len(address) == 8 else address[:3] + b"\xff\xfe" + address[3:]
            return eui64.hex("-").upper()
    raise malformed("neither text, bytes nor a MAC address")


def name_item(name: bytes, *, native: bool) -> Any:
    """Return the item of the Name in DER: one commonName alone as its text, else an array of pairs."""
    items: list[Any] = []
    for relative_name in der.read_inside(der.Name, name).relative_names:
        attributes = relative_name.as_list()
        if len(attributes) != 1:
            raise unsupported("a relative distinguished name of several attributes")
        kind, value = attribute_item(attributes[0].type, [asn1.encode_der(attributes[0].value)], native=native)
        items += (kind, value[0])
    if len(items) == 2 and items[0] == Attribute.COMMON_NAME and not isinstance(items[0], bytes):
        return items[1]
    return items


def name_der(item: Any) -> bytes:
    """Return the DER of the Name that an item stands for."""
    attributes = pairs(item if isinstance(item, list) else [int(Attribute.COMMON_NAME), item])
    return der.write_inside(der.Name(relative_names=[asn1.SetOf([_attribute(*pair)]) for pair in attributes]))


def _attribute(kind: Any, value: Any) -> der.AttributeTypeAndValue:
    oid, values = attribute_values(kind, [value])
    return der.AttributeTypeAndValue(type=oid, value=der.element(values[0]))


def attribute_item(oid: x509.ObjectIdentifier, values: list[bytes], *, native: bool) -> tuple[int | bytes, list[Any]]:
    """Return type and values of an attribute as items; `values` are DER, strings of one kind."""
    registered = Attribute.of(oid)
    if registered is None:
        return der.octets_of_oid(oid), list(values)
    texts = [der.element(value) for value in values]
    kinds = {bytes(value.tag_bytes) for value in texts}
    if registered in _IA5_ONLY:
        sign = 1 if kinds == {_IA5} else 0
    else:
        sign = {_UTF8: 1, _PRINTABLE: 1 if native else -1}.get(kinds.pop(), 0) if len(kinds) == 1 else 0
    if sign == 0:
        raise unsupported(f"the string type of {registered.name}")
    plain = [bytes(value.data).decode() for value in texts]
    if registered in _COUNTRIES and any(len(code) != _COUNTRY_SIZE for code in plain):
        raise unsupported("a country code that has not two letters")
    return sign * registered, [special_text(value) for value in plain]


def attribute_values(kind: Any, values: Any) -> tuple[x509.ObjectIdentifier, list[bytes]]:
    """Return the object identifier and the DER values of an attribute."""
    if isinstance(kind, bytes):
        return der.oid_of_octets(kind), [asn1.encode_der(der.element(octets(value))) for value in array(values)]
    registered = Attribute.numbered(abs(integer(kind)))
    if registered is None:
        raise malformed(f"{kind} is no registered attribute")
    tag = _IA5 if registered in _IA5_ONLY else _UTF8 if kind > 0 else _PRINTABLE
    return registered.oid, [der.tlv(tag[0], plain_text(value).encode()) for value in array(values)]
