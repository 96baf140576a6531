"""General names as pairs of a type and a value (draft-ietf-cose-cbor-encoded-cert-20, 3.3 and 8.13)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal, TypeAlias

from cryptography import x509
from cryptography.hazmat import asn1

from device_pki.c509 import der
from device_pki.c509.errors import malformed, unsupported
from device_pki.c509.items import array, integer, octets, pairs, text
from device_pki.c509.names import directory_name, directory_name_item
from device_pki.c509.registry import GeneralNameType, OtherName
from device_pki.hardware import HardwareModuleName

_MAC_SIZES: Final = frozenset({6, 8})


@asn1.sequence
class OtherNameShape:
    type_id: x509.ObjectIdentifier
    value: Annotated[asn1.TLV, asn1.Explicit(0)]


GeneralName: TypeAlias = (
    Annotated[asn1.Variant[OtherNameShape, Literal["OTHER_NAME"]], asn1.Implicit(0)]
    | Annotated[asn1.Variant[asn1.IA5String, Literal["RFC822_NAME"]], asn1.Implicit(1)]
    | Annotated[asn1.Variant[asn1.IA5String, Literal["DNS_NAME"]], asn1.Implicit(2)]
    | Annotated[asn1.Variant[asn1.TLV, Literal["DIRECTORY_NAME"]], asn1.Explicit(4)]
    | Annotated[asn1.Variant[asn1.IA5String, Literal["URI"]], asn1.Implicit(6)]
    | Annotated[asn1.Variant[bytes, Literal["IP_ADDRESS"]], asn1.Implicit(7)]
    | Annotated[asn1.Variant[x509.ObjectIdentifier, Literal["REGISTERED_ID"]], asn1.Implicit(8)]
)
"""One general name; x400Address and ediPartyName have no number in C509."""


@asn1.sequence
class GeneralNames:
    names: list[GeneralName]


def general_name_pairs(names: Iterable[GeneralName], *, native: bool) -> list[Any]:
    """Return general names as one array of type, value, type, value."""
    items: list[Any] = []
    for name in names:
        items += _pair(name, native=native)
    if not items:
        raise unsupported("no general name")
    return items


def general_names(item: Any) -> list[GeneralName]:
    """Return the general names of an array of pairs."""
    return [_general_name(integer(kind), value) for kind, value in pairs(item)]


def _pair(name: GeneralName, *, native: bool) -> tuple[int, Any]:
    kind, value = GeneralNameType[name.tag], name.value
    if isinstance(value, OtherNameShape):
        return _other_name_pair(value)
    if isinstance(value, asn1.IA5String):
        return kind, value.as_str()
    if isinstance(value, asn1.TLV):
        return kind, directory_name_item(value, native=native)
    return kind, value if isinstance(value, bytes) else der.octets_of_oid(value)


def _other_name_pair(name: OtherNameShape) -> tuple[int, Any]:
    value = asn1.encode_der(name.value)
    match OtherName.of(name.type_id):
        case OtherName.HARDWARE_MODULE_NAME as kind:
            module = asn1.decode_der(HardwareModuleName, value)
            return kind, [der.octets_of_oid(module.hw_type), module.hw_serial_num]
        case OtherName.SMTP_UTF8_MAILBOX as kind:
            return kind, asn1.decode_der(str, value)
        case OtherName.MAC_ADDRESS as kind:
            return kind, _mac_address(asn1.decode_der(bytes, value))
    return GeneralNameType.OTHER_NAME, [der.octets_of_oid(name.type_id), value]


def _mac_address(address: bytes) -> bytes:
    if len(address) not in _MAC_SIZES:
        raise malformed("a MAC address has 6 or 8 octets")
    return address


def _general_name(kind: int, value: Any) -> GeneralName:
    match kind:
        case GeneralNameType.RFC822_NAME:
            name: GeneralName = asn1.Variant(asn1.IA5String(text(value)), "RFC822_NAME")
        case GeneralNameType.DNS_NAME:
            name = asn1.Variant(asn1.IA5String(text(value)), "DNS_NAME")
        case GeneralNameType.DIRECTORY_NAME:
            name = asn1.Variant(directory_name(value), "DIRECTORY_NAME")
        case GeneralNameType.URI:
            name = asn1.Variant(asn1.IA5String(text(value)), "URI")
        case GeneralNameType.IP_ADDRESS:
            name = asn1.Variant(octets(value), "IP_ADDRESS")
        case GeneralNameType.REGISTERED_ID:
            name = asn1.Variant(der.oid_of_octets(octets(value)), "REGISTERED_ID")
        case _:
            name = asn1.Variant(_other_name(kind, value), "OTHER_NAME")
    return name


def _other_name(kind: int, value: Any) -> OtherNameShape:
    match kind:
        case OtherName.HARDWARE_MODULE_NAME:
            hardware_type, serial = array(value, 2)
            module = HardwareModuleName(hw_type=der.oid_of_octets(octets(hardware_type)), hw_serial_num=octets(serial))
            return _shape(OtherName.HARDWARE_MODULE_NAME.oid, asn1.encode_der(module))
        case OtherName.SMTP_UTF8_MAILBOX:
            return _shape(OtherName.SMTP_UTF8_MAILBOX.oid, asn1.encode_der(text(value)))
        case OtherName.MAC_ADDRESS:
            return _shape(OtherName.MAC_ADDRESS.oid, asn1.encode_der(_mac_address(octets(value))))
        case GeneralNameType.OTHER_NAME:
            oid, content = array(value, 2)
            return _shape(der.oid_of_octets(octets(oid)), octets(content))
    raise malformed(f"{kind} is no registered general name")


def _shape(oid: x509.ObjectIdentifier, value: bytes) -> OtherNameShape:
    return OtherNameShape(type_id=oid, value=der.element(value))
