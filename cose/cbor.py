"""Deterministic CBOR, and nothing else (RFC 8949, core deterministic encoding of section 4.2.1).

`encode` has exactly one output for a value; `decode` accepts exactly the outputs of `encode`. So two parties that
accept the same bytes have read the same value, and a message has one byte representation to sign, store and compare.

| CBOR                         | Python                                  |
| ---------------------------- | --------------------------------------- |
| integer, 64 bits and a sign  | `int`                                   |
| byte string, text string     | `bytes`, `str`                          |
| array                        | `list` (tuples may be encoded)          |
| map                          | `dict`; keys are `int`, `str`, `bytes`  |
|                              | and, only where asked for, `tuple`      |
| tag                          | `Tagged`, never interpreted             |
| false, true, null            | `False`, `True`, `None`                 |
| float                        | `float`, shortest form                  |

Booleans and floats are refused as map keys: in Python `True` and `1.0` would answer to key 1.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from typing import Any, Final

import cbor2

DEFAULT_MAX_SIZE: Final = 65536
DEFAULT_MAX_DEPTH: Final = 8

_UINT, _NINT, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FALSE, _TRUE, _NULL = 0xF4, 0xF5, 0xF6
_CONSTANTS: Final[dict[int, bool | None]] = {_FALSE: False, _TRUE: True, _NULL: None}
_INDEFINITE: Final = 31
_ARGUMENT_BYTES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_SMALLEST_ARGUMENT: Final = {1: 24, 2: 1 << 8, 4: 1 << 16, 8: 1 << 32}
_FLOAT_INITIALS: Final = ((0xF9, ">e"), (0xFA, ">f"), (0xFB, ">d"))
_CANONICAL_NAN: Final = b"\xf9\x7e\x00"
_UINT64_LIMIT: Final = 1 << 64
_LEAVES: Final = frozenset({bytes, str, bool, type(None)})


class CborReason(Enum):
    """Why bytes are not deterministic CBOR, or a value has no encoding."""

    TOO_LARGE = "more bytes than allowed here"
    TOO_DEEP = "arrays, maps and tags nested deeper than allowed here"
    TRUNCATED = "the bytes end inside an item"
    TRAILING_BYTES = "bytes follow the item"
    INDEFINITE_LENGTH = "indefinite lengths are not deterministic"
    NOT_SHORTEST = "a length, number or float is not in its shortest form"
    UNSORTED_KEYS = "map keys are not in bytewise order"
    DUPLICATE_KEY = "a map key appears twice"
    KEY_TYPE = "map keys must be integers, text or byte strings"
    INVALID_TEXT = "a text string is not UTF-8"
    UNSUPPORTED = "a simple value, reserved form or Python type without a place in this profile"


class CborError(ValueError):
    """Bytes that are not deterministic CBOR, or a value that cannot be encoded; `reason` says which rule."""

    def __init__(self, reason: CborReason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag number and the item it marks (RFC 8949 section 3.4), uninterpreted."""

    tag: int
    value: Any


def encode(value: Any) -> bytes:
    """Encode `value` deterministically.

    Raises `CborError`: KEY_TYPE, DUPLICATE_KEY, INVALID_TEXT, or UNSUPPORTED for a Python type or an integer outside
    64 bits and a sign.
    """
    try:
        return cbor2.dumps(_ordered(value))
    except Exception:  # whatever it is, `_encode_into` has the say
        out = bytearray()
        _encode_into(out, value)
        return bytes(out)


def decode(
    data: bytes,
    *,
    max_size: int = DEFAULT_MAX_SIZE,
    max_depth: int = DEFAULT_MAX_DEPTH,
    array_keys: bool = False,
    any_order: bool = False,
) -> Any:
    """Decode one item that fills `data` exactly.

    `max_size` is in bytes; `max_depth` counts nested arrays, maps and tags; with `array_keys` a map may have arrays as
    keys, which become tuples. Raises `CborError` unless `encode(decode(data)) == data` holds; `any_order` waives the
    order of map keys alone, for messages of others whose standard leaves it open.
    """
    if len(data) > max_size:
        raise CborError(CborReason.TOO_LARGE, f"{len(data)} bytes, at most {max_size}")
    data = bytes(data)
    quick = _quickly(data, max_depth)
    if quick is not _SLOWLY:
        return quick
    decoder = _Decoder(data, array_keys=array_keys, any_order=any_order)
    value = decoder.item(max_depth)
    if decoder.position != len(data):
        raise CborError(CborReason.TRAILING_BYTES, f"{len(data) - decoder.position} bytes")
    return value


def decode_sequence(data: bytes, *, max_size: int = DEFAULT_MAX_SIZE, max_depth: int = DEFAULT_MAX_DEPTH) -> list[Any]:
    """Decode the items of a CBOR sequence (RFC 8742) that fill `data` exactly, each as `decode` does."""
    if len(data) > max_size:
        raise CborError(CborReason.TOO_LARGE, f"{len(data)} bytes, at most {max_size}")
    decoder = _Decoder(bytes(data), array_keys=False, any_order=False)
    found = []
    while decoder.position < len(data):
        found.append(decoder.item(max_depth))
    return found


# ---- encoding -----------------------------------------------------------------------------------


def _ordered(value: Any) -> Any:
    """The value of most messages for the C encoder, which writes shortest heads and definite lengths, in this order.

    Raises LookupError for what `_encode_into` alone knows how to encode or refuse: floats, keys that are not unsigned
    integers, numbers beyond 64 bits, other types.
    """
    kind = type(value)
    if kind in _LEAVES:
        return value
    if kind is list or kind is tuple:
        return [member if type(member) in _LEAVES else _ordered(member) for member in value]
    if kind is dict:
        keys = sorted(value)
        if keys and (keys[0] < 0 or not all(isinstance(key, int) and type(key) is not bool for key in keys)):
            raise LookupError
        members = ((key, value[key]) for key in keys)
        return {int(key): member if type(member) in _LEAVES else _ordered(member) for key, member in members}
    if isinstance(value, int) and -_UINT64_LIMIT <= value < _UINT64_LIMIT:
        return int(value)
    if kind is Tagged:
        return cbor2.CBORTag(value.tag, _ordered(value.value))
    raise LookupError


def _encode_into(out: bytearray, value: Any) -> None:
    if value is None:
        out.append(_NULL)
    elif isinstance(value, bool):
        out.append(_TRUE if value else _FALSE)
    elif isinstance(value, int):
        _encode_int(out, value)
    elif isinstance(value, bytes):
        _encode_head(out, _BYTES, len(value))
        out += value
    elif isinstance(value, str):
        _encode_text(out, value)
    elif isinstance(value, list | tuple):
        _encode_head(out, _ARRAY, len(value))
        for member in value:
            _encode_into(out, member)
    elif isinstance(value, Mapping):
        _encode_map(out, value)
    elif isinstance(value, Tagged):
        _encode_head(out, _TAG, value.tag)
        _encode_into(out, value.value)
    elif isinstance(value, float):
        out += _encode_float(value)
    else:
        raise CborError(CborReason.UNSUPPORTED, f"cannot encode {type(value).__name__}")


def _encode_head(out: bytearray, major: int, argument: int) -> None:
    if not 0 <= argument < _UINT64_LIMIT:
        raise CborError(CborReason.UNSUPPORTED, "number outside 64 bits")
    if argument < 24:
        out.append(major << 5 | argument)
        return
    for information, size in _ARGUMENT_BYTES.items():
        if argument < 1 << 8 * size:
            out.append(major << 5 | information)
            out += argument.to_bytes(size, "big")
            return


def _encode_int(out: bytearray, value: int) -> None:
    if value >= 0:
        _encode_head(out, _UINT, value)
    else:
        _encode_head(out, _NINT, -1 - value)


def _encode_text(out: bytearray, value: str) -> None:
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        raise CborError(CborReason.INVALID_TEXT, "lone surrogate") from error
    _encode_head(out, _TEXT, len(data))
    out += data


def _encode_map(out: bytearray, value: Mapping[Any, Any]) -> None:
    pairs: dict[bytes, Any] = {}
    for key, member in value.items():
        if isinstance(key, bool) or not isinstance(key, int | str | bytes | tuple):
            raise CborError(CborReason.KEY_TYPE, type(key).__name__)
        pairs[encode(key)] = member
    _encode_head(out, _MAP, len(pairs))
    for encoded_key in sorted(pairs):
        out += encoded_key
        _encode_into(out, pairs[encoded_key])


def _encode_float(value: float) -> bytes:
    if math.isnan(value):
        return _CANONICAL_NAN
    *shorter, (initial, layout) = _FLOAT_INITIALS
    for short_initial, short_layout in shorter:
        try:
            data = struct.pack(short_layout, value)
        except OverflowError:
            continue
        if struct.unpack(short_layout, data)[0] == value:
            return bytes([short_initial]) + data
    return bytes([initial]) + struct.pack(layout, value)


# ---- decoding -----------------------------------------------------------------------------------

_SLOWLY: Final = object()
"""Not decided by the quick way."""


def _refuse(_: Any) -> Any:
    raise LookupError


_UNINTERPRETED: Final = dict.fromkeys(
    (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799), _refuse
)
"""Tags the C decoder would interpret: no date, number, pattern or address is made of what others send."""


def _quickly(data: bytes, max_depth: int) -> Any:
    """The value of most messages, by the C decoder; `_SLOWLY` for everything it is not certain about.

    What a C encoder turns into the same bytes again has shortest and definite lengths, no duplicate keys and nothing
    behind it; what is left to check is the order of keys, the depth, and that every type is one of this profile's.
    """
    try:
        value = cbor2.loads(data, semantic_decoders=_UNINTERPRETED, max_depth=max_depth + 1)
        if cbor2.dumps(value) != data:
            return _SLOWLY
        return _plain(value, max_depth)
    except Exception:  # whatever it is, `_Decoder` has the say
        return _SLOWLY


def _plain(value: Any, depth: int) -> Any:
    """The value with its tags as `Tagged`, and thawed: what is inside of a tag the C decoder freezes.

    Raises LookupError for what only `_Decoder` may accept.
    """
    kind = type(value)
    if kind in _LEAVES or (kind is int and -_UINT64_LIMIT <= value < _UINT64_LIMIT):
        return value
    if depth <= 0:
        raise LookupError
    if kind is list or kind is tuple:
        return [member if type(member) in _LEAVES else _plain(member, depth - 1) for member in value]
    if kind is dict or kind is cbor2.frozendict:
        _check_keys(value)
        return {key: member if type(member) in _LEAVES else _plain(member, depth - 1) for key, member in value.items()}
    if kind is cbor2.CBORTag:
        return Tagged(value.tag, _plain(value.value, depth - 1))
    raise LookupError


def _check_keys(value: dict[Any, Any]) -> None:
    """Raise LookupError unless the keys are unsigned integers in ascending order, or their encodings are sorted."""
    previous = -1
    for key in value:
        if type(key) is not int or not previous < key < _UINT64_LIMIT:
            break
        previous = key
    else:
        return
    if not all(type(key) in (int, str, bytes) for key in value):
        raise LookupError
    encoded = [encode(key) for key in value]
    if any(first >= second for first, second in pairwise(encoded)):
        raise LookupError


class _Decoder:
    """A position in the bytes; every read is bounded by their end."""

    __slots__ = ("any_order", "array_keys", "data", "position")

    def __init__(self, data: bytes, *, array_keys: bool, any_order: bool) -> None:
        self.array_keys = array_keys
        self.any_order = any_order
        self.data = data
        self.position = 0

    def item(self, depth: int) -> Any:
        start = self.position
        major, argument = self._head()
        if major in (_ARRAY, _MAP, _TAG):
            return self._container(major, argument, depth)
        if major == _SIMPLE:
            return self._simple(start)
        if major == _BYTES:
            return self._take(argument)
        if major == _TEXT:
            return self._text(argument)
        return argument if major == _UINT else -1 - argument

    def _container(self, major: int, argument: int, depth: int) -> Any:
        if depth <= 0:
            raise CborError(CborReason.TOO_DEEP)
        if major == _ARRAY:
            return [self.item(depth - 1) for _ in range(argument)]
        if major == _MAP:
            return self._map(argument, depth - 1)
        return Tagged(argument, self.item(depth - 1))

    def _head(self) -> tuple[int, int]:
        initial = self._take(1)[0]
        major, information = initial >> 5, initial & 0x1F
        if information < 24:
            return major, information
        if information == _INDEFINITE:
            raise CborError(CborReason.INDEFINITE_LENGTH)
        size = _ARGUMENT_BYTES.get(information)
        if size is None:
            raise CborError(CborReason.UNSUPPORTED, "reserved additional information")
        argument = int.from_bytes(self._take(size), "big")
        if major != _SIMPLE and argument < _SMALLEST_ARGUMENT[size]:
            raise CborError(CborReason.NOT_SHORTEST)
        return major, argument

    def _take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise CborError(CborReason.TRUNCATED)
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def _text(self, count: int) -> str:
        try:
            return self._take(count).decode()
        except UnicodeDecodeError as error:
            raise CborError(CborReason.INVALID_TEXT) from error

    def _map(self, count: int, depth: int) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        previous = b""
        for _ in range(count):
            start = self.position
            key = self._key(depth)
            encoded = self.data[start : self.position]
            if encoded == previous or key in result:
                raise CborError(CborReason.DUPLICATE_KEY, repr(key)[:40])
            if encoded < previous and not self.any_order:
                raise CborError(CborReason.UNSORTED_KEYS, repr(key)[:40])
            previous = encoded
            result[key] = self.item(depth)
        return result

    def _key(self, depth: int) -> int | str | bytes | tuple[Any, ...]:
        major = self.data[self.position] >> 5 if self.position < len(self.data) else _UINT
        if major == _ARRAY and self.array_keys:
            members = self.item(depth)
            if any(isinstance(member, list | dict | Tagged | bool | float) for member in members):
                raise CborError(CborReason.KEY_TYPE)
            return tuple(members)
        if major > _TEXT:
            raise CborError(CborReason.KEY_TYPE)
        key: int | str | bytes = self.item(0)
        return key

    def _simple(self, start: int) -> bool | float | None:
        initial = self.data[start]
        if initial in _CONSTANTS:
            return _CONSTANTS[initial]
        for known, layout in _FLOAT_INITIALS:
            if initial == known:
                return self._float(start, layout)
        raise CborError(CborReason.UNSUPPORTED, "simple value")

    def _float(self, start: int, layout: str) -> float:
        value: float = struct.unpack(layout, self.data[start + 1 : self.position])[0]
        if _encode_float(value) != self.data[start : self.position]:
            raise CborError(CborReason.NOT_SHORTEST, "float")
        return value
