"""The extensions field (draft-ietf-cose-cbor-encoded-cert-20, 3.1.10 and 3.3).

A registered extension travels as its number, negative if critical, and a compact value; any other, and a value the
compact form cannot express exactly, as its object identifier and the DER. keyUsage alone is one integer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final

from device_pki.c509 import der
from device_pki.c509.errors import malformed, unsupported
from device_pki.c509.items import array, integer, octets, pairs
from device_pki.c509.registry import Extension
from device_pki.c509.values import basic, names, policies, resources

_SHORT: Final = 64
"""Octets of the longest value that is remembered."""


@dataclass(frozen=True, slots=True)
class _Codec:
    """How the value of one extension travels."""

    item: Callable[[bytes], Any]
    der: Callable[[Any], bytes]


_NAME_CODECS: Final = {
    Extension.SUBJECT_ALT_NAME: (names.alternative_names_item, names.alternative_names_der),
    Extension.ISSUER_ALT_NAME: (names.alternative_names_item, names.alternative_names_der),
    Extension.AUTHORITY_KEY_IDENTIFIER: (names.authority_key_item, names.authority_key_der),
    Extension.CRL_DISTRIBUTION_POINTS: (names.distribution_points_item, names.distribution_points_der),
    Extension.FRESHEST_CRL: (names.distribution_points_item, names.distribution_points_der),
    Extension.NAME_CONSTRAINTS: (names.name_constraints_item, names.name_constraints_der),
    Extension.SUBJECT_DIRECTORY_ATTRIBUTES: (names.directory_attributes_item, names.directory_attributes_der),
}
"""Values that may hold distinguished names, which natively signed structures write in their own way."""

_CODECS: Final = {
    Extension.SUBJECT_KEY_IDENTIFIER: _Codec(basic.octet_string_item, basic.octet_string_der),
    Extension.KEY_USAGE: _Codec(basic.named_bits_item, basic.named_bits_der),
    Extension.BASIC_CONSTRAINTS: _Codec(basic.basic_constraints_item, basic.basic_constraints_der),
    Extension.CERTIFICATE_POLICIES: _Codec(policies.policies_item, policies.policies_der),
    Extension.EXTENDED_KEY_USAGE: _Codec(policies.key_purposes_item, policies.key_purposes_der),
    Extension.AUTHORITY_INFO_ACCESS: _Codec(names.information_access_item, names.information_access_der),
    Extension.SUBJECT_INFO_ACCESS: _Codec(names.information_access_item, names.information_access_der),
    Extension.POLICY_MAPPINGS: _Codec(policies.policy_mappings_item, policies.policy_mappings_der),
    Extension.POLICY_CONSTRAINTS: _Codec(basic.policy_constraints_item, basic.policy_constraints_der),
    Extension.INHIBIT_ANY_POLICY: _Codec(basic.number_item, basic.number_der),
    Extension.IP_ADDR_BLOCKS: _Codec(resources.address_blocks_item, resources.address_blocks_der),
    Extension.IP_ADDR_BLOCKS_V2: _Codec(resources.address_blocks_item, resources.address_blocks_der),
    Extension.AS_IDENTIFIERS: _Codec(resources.as_identifiers_item, resources.as_identifiers_der),
    Extension.AS_IDENTIFIERS_V2: _Codec(resources.as_identifiers_item, resources.as_identifiers_der),
    Extension.OCSP_NO_CHECK: _Codec(basic.null_item, basic.null_der),
    Extension.PRECERTIFICATE_SIGNING: _Codec(basic.null_item, basic.null_der),
    Extension.TLS_FEATURES: _Codec(basic.features_item, basic.features_der),
}


def _codec(extension: Extension, *, native: bool) -> _Codec:
    if extension in _NAME_CODECS:
        item, encoded = _NAME_CODECS[extension]
        return _Codec(partial(item, native=native), encoded)
    return _CODECS[extension]


def extensions_item(extensions: Sequence[der.Extension], *, native: bool) -> Any:
    """Return the item of the extensions, in their order."""
    items: list[Any] = []
    for extension in extensions:
        items += _pair(extension, native=native)
    match items:
        case [int(number), int(usage)] if abs(number) == Extension.KEY_USAGE:
            return -usage if number < 0 else usage
    return items


def _pair(extension: der.Extension, *, native: bool) -> tuple[Any, Any]:
    registered = Extension.of(extension.extn_id)
    if registered is not None:
        try:
            return (
                -registered if extension.critical else int(registered),
                _exact_item(registered, extension.extn_value, native),
            )
        except ValueError:
            if native:  # it must use the compact form where there is one (3.7)
                raise unsupported(f"this value of {registered.name}") from None
    value: Any = extension.extn_value
    return der.octets_of_oid(extension.extn_id), [value] if extension.critical else value


def _exact_item(extension: Extension, value: bytes, native: bool) -> Any:
    """Most values of a CA's certificates are the same for all devices."""
    read = _often_read if len(value) <= _SHORT else _read
    return read(extension, value, native)


def _read(extension: Extension, value: bytes, native: bool) -> Any:
    codec = _codec(extension, native=native)
    item = codec.item(value)
    if codec.der(item) != value:
        raise unsupported("not exactly")
    return item


_often_read = lru_cache(maxsize=256)(_read)
"""Its items are shared, and changed by nobody."""


def extensions_of(item: Any) -> list[der.Extension]:
    """Return the extensions that an item stands for."""
    if isinstance(item, list):
        return [_extension(identifier, value) for identifier, value in pairs(item)]
    usage = integer(item)
    return [_extension(-Extension.KEY_USAGE if usage < 0 else Extension.KEY_USAGE, abs(usage))]


def _extension(identifier: Any, value: Any) -> der.Extension:
    if isinstance(identifier, bytes):
        critical = isinstance(value, list)
        content = octets(array(value, 1)[0] if critical else value)
        return der.Extension(extn_id=der.oid_of_octets(identifier), critical=critical, extn_value=content)
    registered = Extension.numbered(abs(integer(identifier)))
    if registered is None:
        raise malformed(f"{identifier} is no registered extension")
    content = _codec(registered, native=False).der(value)
    return der.Extension(extn_id=registered.oid, critical=identifier < 0, extn_value=content)
