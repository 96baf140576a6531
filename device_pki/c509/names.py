"""Distinguished names and their text strings (draft-ietf-cose-cbor-encoded-cert-20, 3.1.4).

An attribute's number is positive for a UTF8String and negative for a PrintableString; where only IA5String is allowed
it is positive too. Natively signed structures know one kind of text and have no negative numbers: their X.509 view
holds UTF8Strings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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


def name_item(name: der.RdnSequence, *, native: bool) -> Any:
    """Return the item of a Name: one commonName alone as its text, else an array of pairs."""
    items: list[Any] = []
    for relative_name in name:
        attributes = relative_name.as_list()
        if len(attributes) != 1:
            raise unsupported("a relative distinguished name of several attributes")
        kind, value = attribute_item(attributes[0].type, [attributes[0].value], native=native)
        items += (kind, value[0])
    if len(items) == 2 and items[0] == Attribute.COMMON_NAME and not isinstance(items[0], bytes):
        return items[1]
    return items


def name_of(item: Any) -> der.RdnSequence:
    """Return the Name that an item stands for."""
    attributes = pairs(item if isinstance(item, list) else [int(Attribute.COMMON_NAME), item])
    return [asn1.SetOf([_attribute(*pair)]) for pair in attributes]


def directory_name_item(name: asn1.TLV, *, native: bool) -> Any:
    """Return the item of a Name that stands alone as an element."""
    return name_item(der.read_inside(der.Name, asn1.encode_der(name)).relative_names, native=native)


def directory_name(item: Any) -> asn1.TLV:
    """Return the Name that an item stands for as an element."""
    return der.element(der.write_inside(der.Name(relative_names=name_of(item))))


def _attribute(kind: Any, value: Any) -> der.AttributeTypeAndValue:
    oid, values = attribute_values(kind, [value])
    return der.AttributeTypeAndValue(type=oid, value=values[0])


def attribute_item(
    oid: x509.ObjectIdentifier, values: Sequence[str | asn1.TLV], *, native: bool
) -> tuple[int | bytes, list[Any]]:
    """Return type and values of an attribute as items; strings of one kind."""
    registered = Attribute.of(oid)
    if registered is None:
        return der.octets_of_oid(oid), [asn1.encode_der(value) for value in values]
    kinds = {_UTF8 if isinstance(value, str) else bytes(value.tag_bytes) for value in values}
    sign = _sign(registered, kinds.pop() if len(kinds) == 1 else b"", native=native)
    texts = [value if isinstance(value, str) else bytes(value.data).decode() for value in values]
    if registered in _COUNTRIES and any(len(code) != _COUNTRY_SIZE for code in texts):
        raise unsupported("a country code that has not two letters")
    return sign * registered, [special_text(text) for text in texts]


def _sign(attribute: Attribute, tag: bytes, *, native: bool) -> int:
    if attribute in _IA5_ONLY and tag == _IA5:
        return 1
    if attribute not in _IA5_ONLY and tag in {_UTF8, _PRINTABLE}:
        return 1 if native or tag == _UTF8 else -1
    raise unsupported(f"the string type of {attribute.name}")


def attribute_values(kind: Any, values: Any) -> tuple[x509.ObjectIdentifier, list[str | asn1.TLV]]:
    """Return the object identifier and the values of an attribute."""
    if isinstance(kind, bytes):
        return der.oid_of_octets(kind), [der.element(octets(value)) for value in array(values)]
    registered = Attribute.numbered(abs(integer(kind)))
    if registered is None:
        raise malformed(f"{kind} is no registered attribute")
    texts = [plain_text(value) for value in array(values)]
    if registered not in _IA5_ONLY and kind > 0:
        return registered.oid, list(texts)
    tag = _IA5 if registered in _IA5_ONLY else _PRINTABLE
    return registered.oid, [der.element(der.tlv(tag[0], text.encode())) for text in texts]
