"""Parameters: a table of what each is and how it is encoded (draft-ietf-suit-manifest-37, section 8.4.8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from cose.cbor import Tagged
from suit import decoding
from suit.digest import Digest
from suit.errors import SuitError, SuitReason
from suit.metadata import ComponentMetadata
from suit.numbers import ParameterKey, SuitTag
from suit.versions import VersionMatch
from suit.waiting import WaitInfo, decode_wait, encode_wait

UUID_SIZE: Final = 16

ParameterValue: TypeAlias = int | bool | str | bytes | Digest | Tagged | VersionMatch | WaitInfo | ComponentMetadata
"""Digest for the image digest, Tagged(112, bytes) for a vendor given by its enterprise number, values of their own for
version, wait info and component metadata, else the plain type."""

Parameters: TypeAlias = Mapping[ParameterKey, ParameterValue]


class _Codec(NamedTuple):
    parse: Callable[[Any, str], ParameterValue]
    item: Callable[[ParameterValue], Any] = lambda value: value


def _uuid(value: Any, what: str) -> bytes:
    return decoding.octets(value, what, UUID_SIZE)


def _vendor(value: Any, what: str) -> bytes | Tagged:
    if isinstance(value, Tagged) and value.tag == SuitTag.PEN:
        return Tagged(SuitTag.PEN, decoding.octets(value.value, what))
    return _uuid(value, what)


def _digest(value: Any, what: str) -> Digest:
    return Digest.decode(decoding.octets(value, what))


def _encoded(value: ParameterValue) -> bytes:
    assert isinstance(value, Digest | VersionMatch | ComponentMetadata)
    return value.encode()


def _version(value: Any, what: str) -> VersionMatch:
    return VersionMatch.decode(decoding.octets(value, what))


def _wait(value: Any, what: str) -> WaitInfo:
    return decode_wait(decoding.octets(value, what))


def _wait_item(value: ParameterValue) -> bytes:
    assert isinstance(value, Mapping)
    return encode_wait(value)


def _metadata(value: Any, what: str) -> ComponentMetadata:
    return ComponentMetadata.decode(decoding.octets(value, what))


_CODECS: Final[Mapping[ParameterKey, _Codec]] = {
    ParameterKey.VENDOR_IDENTIFIER: _Codec(_vendor),
    ParameterKey.CLASS_IDENTIFIER: _Codec(_uuid),
    ParameterKey.DEVICE_IDENTIFIER: _Codec(_uuid),
    ParameterKey.IMAGE_DIGEST: _Codec(_digest, _encoded),
    ParameterKey.IMAGE_SIZE: _Codec(decoding.integer),
    ParameterKey.COMPONENT_SLOT: _Codec(decoding.integer),
    ParameterKey.CONTENT: _Codec(decoding.octets),
    ParameterKey.URI: _Codec(decoding.text),
    ParameterKey.SOURCE_COMPONENT: _Codec(decoding.integer),
    ParameterKey.INVOKE_ARGS: _Codec(decoding.octets),
    ParameterKey.FETCH_ARGUMENTS: _Codec(decoding.octets),
    ParameterKey.STRICT_ORDER: _Codec(decoding.boolean),
    ParameterKey.SOFT_FAILURE: _Codec(decoding.boolean),
    ParameterKey.ENCRYPTION_INFO: _Codec(decoding.octets),
    ParameterKey.USE_BEFORE: _Codec(decoding.integer),
    ParameterKey.MINIMUM_BATTERY: _Codec(decoding.integer),
    ParameterKey.UPDATE_PRIORITY: _Codec(decoding.signed),
    ParameterKey.VERSION: _Codec(_version, _encoded),
    ParameterKey.WAIT_INFO: _Codec(_wait, _wait_item),
    ParameterKey.COMPONENT_METADATA: _Codec(_metadata, _encoded),
}


_READERS: Final = {int(key): (key, codec.parse, f"parameter {key.name}") for key, codec in _CODECS.items()}


def parse(item: Any) -> Parameters:
    """From the decoded map. Raises SuitError: MALFORMED, PARAMETER_UNSUPPORTED."""
    fields = decoding.mapping(item, "parameters")
    if not fields:
        raise SuitError(SuitReason.MALFORMED, "an empty map of parameters")
    parsed: dict[ParameterKey, ParameterValue] = {}
    for number, value in fields.items():
        found = _READERS.get(number)
        if found is None:
            raise SuitError(SuitReason.PARAMETER_UNSUPPORTED, f"{number!r:.40}")
        key, read, name = found
        parsed[key] = read(value, name)
    return parsed


def to_item(parameters: Parameters) -> dict[int, Any]:
    """The map to encode."""
    return {key: _CODECS[key].item(value) for key, value in parameters.items()}
