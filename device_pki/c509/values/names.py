"""Extensions of general names: alternative names, issuers' names, constraints and where to find things."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from cryptography import x509
from cryptography.hazmat import asn1

from device_pki.c509 import der
from device_pki.c509.errors import malformed, unsupported
from device_pki.c509.general_names import GeneralName, GeneralNames, general_name_pairs, general_names
from device_pki.c509.items import array, octets, pairs, text, unsigned
from device_pki.c509.keys import number_octets, octets_number
from device_pki.c509.names import attribute_item, attribute_values, directory_name, directory_name_item
from device_pki.c509.oids import item_oid, oid_item
from device_pki.c509.registry import AccessMethod, GeneralNameType
from device_pki.c509.values.basic import bits_number, number_bits

_PREFIXED_SIZES: Final = {5: 4, 17: 16}
"""Octets of an address with its prefix length, and of the address."""


@asn1.sequence
class _AuthorityKeyIdentifier:
    key_identifier: Annotated[bytes | None, asn1.Implicit(0)]
    authority_cert_issuer: Annotated[list[GeneralName] | None, asn1.Implicit(1)]
    authority_cert_serial_number: Annotated[int | None, asn1.Implicit(2)]


@asn1.sequence
class _FullName:
    full_name: Annotated[list[GeneralName], asn1.Implicit(0)]


@asn1.sequence
class _DistributionPoint:
    distribution_point: Annotated[_FullName, asn1.Implicit(0)]
    reasons: Annotated[asn1.BitString | None, asn1.Implicit(1)]
    crl_issuer: Annotated[list[GeneralName] | None, asn1.Implicit(2)]


@asn1.sequence
class _DistributionPoints:
    points: list[_DistributionPoint]


@asn1.sequence
class _AccessDescription:
    access_method: x509.ObjectIdentifier
    access_location: GeneralName


@asn1.sequence
class _AccessDescriptions:
    descriptions: list[_AccessDescription]


@asn1.sequence
class _GeneralSubtree:
    base: GeneralName


@asn1.sequence
class _NameConstraints:
    permitted: Annotated[list[_GeneralSubtree] | None, asn1.Implicit(0)]
    excluded: Annotated[list[_GeneralSubtree] | None, asn1.Implicit(1)]


@asn1.sequence
class _Attribute:
    type: x509.ObjectIdentifier
    values: asn1.SetOf[str | asn1.TLV]


@asn1.sequence
class _Attributes:
    attributes: list[_Attribute]


def alternative_names_item(value: bytes, *, native: bool) -> Any:
    """SubjectAltName and IssuerAltName: one dNSName alone as its text, else pairs."""
    items = general_name_pairs(der.read_inside(GeneralNames, value).names, native=native)
    return items[1] if len(items) == 2 and items[0] == GeneralNameType.DNS_NAME else items


def alternative_names_der(item: Any) -> bytes:
    """The DER of the names."""
    names = general_names([GeneralNameType.DNS_NAME.value, item] if isinstance(item, str) else item)
    return der.write_inside(GeneralNames(names=names))


def authority_key_item(value: bytes, *, native: bool) -> Any:
    """AuthorityKeyIdentifier: the key identifier alone, or an array of all three fields."""
    authority = asn1.decode_der(_AuthorityKeyIdentifier, value)
    key, issuer = authority.key_identifier, authority.authority_cert_issuer
    serial = authority.authority_cert_serial_number
    if key is None or (issuer is None) != (serial is None):
        raise unsupported("an authority key identifier without the key, or with half of the certificate's name")
    if issuer is None or serial is None:
        return key
    return [key, general_name_pairs(issuer, native=native), number_octets(serial)]


def authority_key_der(item: Any) -> bytes:
    """The DER of the identifier."""
    if isinstance(item, bytes):
        return asn1.encode_der(
            _AuthorityKeyIdentifier(key_identifier=item, authority_cert_issuer=None, authority_cert_serial_number=None)
        )
    key, issuer, serial = array(item, 3)
    return asn1.encode_der(
        _AuthorityKeyIdentifier(
            key_identifier=octets(key),
            authority_cert_issuer=general_names(issuer),
            authority_cert_serial_number=octets_number(serial),
        )
    )


def distribution_points_item(value: bytes, *, native: bool) -> Any:
    """CRLDistributionPoints and FreshestCRL: one URI alone as its text, else [URIs, reasons, CRL issuer] each."""
    points = der.read_inside(_DistributionPoints, value).points
    items = [_point_item(point, native=native) for point in points]
    if not items:
        raise unsupported("no distribution point")
    if len(items) == 1 and isinstance(items[0][0], str) and items[0][1:] == [None, None]:
        return items[0][0]
    return items


def _point_item(point: _DistributionPoint, *, native: bool) -> list[Any]:
    locations = [_uri(name) for name in point.distribution_point.full_name]
    if not locations:
        raise unsupported("a distribution point without a name")
    issuer = None
    if point.crl_issuer is not None:
        if len(point.crl_issuer) != 1:
            raise unsupported("a distribution point with several names of the CRL issuer")
        issuer = _directory_name(point.crl_issuer[0], native=native)
    return [
        locations[0] if len(locations) == 1 else locations,
        None if point.reasons is None else bits_number(point.reasons),
        issuer,
    ]


def distribution_points_der(item: Any) -> bytes:
    """The DER of the distribution points."""
    points = [[item, None, None]] if isinstance(item, str) else array(item)
    return der.write_inside(_DistributionPoints(points=[_point(*array(point, 3)) for point in points]))


def _point(locations: Any, reasons: Any, issuer: Any) -> _DistributionPoint:
    names = [locations] if isinstance(locations, str) else array(locations)
    issuer_name: GeneralName | None = None if issuer is None else _directory(issuer)
    return _DistributionPoint(
        distribution_point=_FullName(full_name=[_location(name) for name in names]),
        reasons=None if reasons is None else number_bits(unsigned(reasons)),
        crl_issuer=None if issuer_name is None else [issuer_name],
    )


def _location(item: Any) -> GeneralName:
    return asn1.Variant(asn1.IA5String(text(item)), "URI")


def _directory(item: Any) -> GeneralName:
    return asn1.Variant(directory_name(item), "DIRECTORY_NAME")


def _uri(name: GeneralName) -> str:
    if name.tag == GeneralNameType.URI.name and isinstance(name.value, asn1.IA5String):
        return name.value.as_str()
    raise unsupported("a location that is no URI")


def _directory_name(name: GeneralName, *, native: bool) -> Any:
    if isinstance(name.value, asn1.TLV):
        return directory_name_item(name.value, native=native)
    raise unsupported("a CRL issuer without a directory name")


def information_access_item(value: bytes) -> list[Any]:
    """AuthorityInfoAccess and SubjectInfoAccess: access methods and URIs by turns."""
    items: list[Any] = []
    for description in der.read_inside(_AccessDescriptions, value).descriptions:
        items += (oid_item(description.access_method, AccessMethod), _uri(description.access_location))
    if not items:
        raise unsupported("no access description")
    return items


def information_access_der(item: Any) -> bytes:
    """The DER of the access descriptions."""
    descriptions = [
        _AccessDescription(access_method=item_oid(method, AccessMethod), access_location=_location(location))
        for method, location in pairs(item)
    ]
    return der.write_inside(_AccessDescriptions(descriptions=descriptions))


def name_constraints_item(value: bytes, *, native: bool) -> list[Any]:
    """NameConstraints: [permitted, excluded], addresses with the length of their prefix instead of a mask."""
    constraints = asn1.decode_der(_NameConstraints, value)
    return [_subtrees_item(trees, native=native) for trees in (constraints.permitted, constraints.excluded)]


def _subtrees_item(subtrees: Sequence[_GeneralSubtree] | None, *, native: bool) -> list[Any] | None:
    if subtrees is None:
        return None
    items = general_name_pairs([subtree.base for subtree in subtrees], native=native)
    for place in range(0, len(items), 2):
        if items[place] == GeneralNameType.IP_ADDRESS:
            items[place + 1] = _prefixed(items[place + 1])
    return items


def _prefixed(address_and_mask: bytes) -> bytes:
    size = len(address_and_mask) // 2
    mask = int.from_bytes(address_and_mask[size:], "big")
    length = mask.bit_count()
    if size not in _PREFIXED_SIZES.values() or mask != _mask_number(length, size):
        raise unsupported("an address without a contiguous mask")
    return address_and_mask[:size] + bytes((length,))


def _mask_number(length: int, size: int) -> int:
    return ((1 << length) - 1) << (8 * size - length)


def name_constraints_der(item: Any) -> bytes:
    """The DER of the constraints."""
    permitted, excluded = (_subtrees(subtrees) for subtrees in array(item, 2))
    return asn1.encode_der(_NameConstraints(permitted=permitted, excluded=excluded))


def _subtrees(item: Any) -> list[_GeneralSubtree] | None:
    if item is None:
        return None
    masked: list[Any] = []
    for kind, value in pairs(item):
        masked += (kind, _masked(value) if kind == GeneralNameType.IP_ADDRESS else value)
    return [_GeneralSubtree(base=name) for name in general_names(masked)]


def _masked(item: Any) -> bytes:
    address = octets(item)
    size = _PREFIXED_SIZES.get(len(address))
    if size is None or address[-1] > 8 * size:
        raise malformed("an address block is the address and one octet for the length of its prefix")
    return address[:-1] + _mask_number(address[-1], size).to_bytes(size, "big")


def directory_attributes_item(value: bytes, *, native: bool) -> list[Any]:
    """SubjectDirectoryAttributes: types and arrays of values by turns."""
    items: list[Any] = []
    for attribute in der.read_inside(_Attributes, value).attributes:
        values = attribute.values.as_list()
        if not values:
            raise unsupported("an attribute without a value")
        items += attribute_item(attribute.type, values, native=native)
    if not items:
        raise unsupported("no attribute")
    return items


def directory_attributes_der(item: Any) -> bytes:
    """The DER of the attributes."""
    attributes = [_directory_attribute(*pair) for pair in pairs(item)]
    return der.write_inside(_Attributes(attributes=attributes))


def _directory_attribute(kind: Any, values: Any) -> _Attribute:
    oid, texts = attribute_values(kind, values)
    return _Attribute(type=oid, values=asn1.SetOf(texts))
