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
| undefined                    | `UNDEFINED`, only where asked for       |

Booleans and floats are refused as map keys: in Python `True` and `1.0` would answer to key 1.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple, NoReturn

DEFAULT_MAX_SIZE: Final = 65536
DEFAULT_MAX_DEPTH: Final = 8

_UINT, _NINT, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_FALSE, _TRUE, _NULL, _UNDEFINED = 0xF4, 0xF5, 0xF6, 0xF7
_CONSTANTS: Final[dict[int, bool | None]] = {_FALSE: False, _TRUE: True, _NULL: None}
_INDEFINITE: Final = 31
_LONG_ARGUMENTS: Final = {25: (2, 1 << 8), 26: (4, 1 << 16), 27: (8, 1 << 32)}
"""Bytes of an argument, and the smallest that needs as many."""
_FLOAT_INITIALS: Final = ((0xF9, ">e"), (0xFA, ">f"), (0xFB, ">d"))
_FLOAT_LAYOUTS: Final = dict(_FLOAT_INITIALS)
_CANONICAL_NAN: Final = b"\xf9\x7e\x00"
_UINT64_LIMIT: Final = 1 << 64
_ARRAY_TYPES: Final = (list, tuple)
_KEY_TYPES: Final = (int, str, bytes, tuple)


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


class Undefined(Enum):
    """The type of `UNDEFINED`."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED
"""CBOR's simple value undefined: a field that somebody else is to fill in."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """A tag number and the item it marks (RFC 8949 section 3.4), uninterpreted."""

    tag: int
    value: Any


def encode(value: Any) -> bytes:
    """Encode `value` deterministically.

    Raises `CborError`: KEY_TYPE, INVALID_TEXT, or UNSUPPORTED for a Python type or an integer outside 64 bits and a
    sign.
    """
    out = bytearray()
    _encode_into(out, value)
    return bytes(out)


def encode_bytes(data: bytes) -> bytes:
    """The encoding of a byte string: its head, then `data`."""
    if len(data) < len(_SHORT_BYTES):
        return _SHORT_BYTES[len(data)] + data
    head = bytearray()
    _encode_head(head, _BYTES, len(data))
    return bytes(head) + data


def array_head(count: int) -> bytes:
    """What stands before the members of an array of `count`, for members that are encoded already."""
    head = bytearray()
    _encode_head(head, _ARRAY, count)
    return bytes(head)


def decode(
    data: bytes,
    *,
    max_size: int = DEFAULT_MAX_SIZE,
    max_depth: int = DEFAULT_MAX_DEPTH,
    array_keys: bool = False,
    any_order: bool = False,
    undefined: bool = False,
) -> Any:
    """Decode one item that fills `data` exactly.

    `max_size` is in bytes; `max_depth` counts nested arrays, maps and tags; with `array_keys` a map may have arrays as
    keys, which become tuples. Raises `CborError` unless `encode(decode(data)) == data` holds; `any_order` waives the
    order of map keys alone, for messages of others whose standard leaves it open. With `undefined` that value may be
    there.
    """
    if len(data) > max_size:
        raise CborError(CborReason.TOO_LARGE, f"{len(data)} bytes, at most {max_size}")
    accepted = _Accepted(array_keys, any_order, undefined) if array_keys or any_order or undefined else _STRICT
    value, end = _read(bytes(data), 0, max_depth, accepted)
    if end != len(data):
        raise CborError(CborReason.TRAILING_BYTES, f"{len(data) - end} bytes")
    return value


def decode_sequence(data: bytes, *, max_size: int = DEFAULT_MAX_SIZE, max_depth: int = DEFAULT_MAX_DEPTH) -> list[Any]:
    """Decode the items of a CBOR sequence (RFC 8742) that fill `data` exactly, each as `decode` does."""
    if len(data) > max_size:
        raise CborError(CborReason.TOO_LARGE, f"{len(data)} bytes, at most {max_size}")
    data, position = bytes(data), 0
    found = []
    while position < len(data):
        item, position = _read(data, position, max_depth, _STRICT)
        found.append(item)
    return found


# ---- encoding -----------------------------------------------------------------------------------
# The branches stand in the order of how often they are taken.


def _encode_into(out: bytearray, value: Any) -> None:
    if isinstance(value, bytes):
        out += encode_bytes(value)
    elif value is None or value is True or value is False:
        out.append(_NULL if value is None else _TRUE if value else _FALSE)
    elif isinstance(value, int):
        if 0 <= value < 24:
            out.append(value)
        elif value > 0:
            _encode_head(out, _UINT, value)
        else:
            _encode_head(out, _NINT, -1 - value)
    elif isinstance(value, _ARRAY_TYPES):
        _encode_head(out, _ARRAY, len(value))
        for member in value:
            _encode_into(out, member)
    elif isinstance(value, dict):
        _encode_map(out, value)
    else:
        _encode_other(out, value)


def _encode_other(out: bytearray, value: Any) -> None:
    if isinstance(value, Tagged):
        _encode_head(out, _TAG, value.tag)
        _encode_into(out, value.value)
    elif isinstance(value, str):
        _encode_text(out, value)
    elif isinstance(value, float):
        out += _encode_float(value)
    elif isinstance(value, Mapping):
        _encode_map(out, value)
    elif value is UNDEFINED:
        out.append(_UNDEFINED)
    else:
        raise CborError(CborReason.UNSUPPORTED, f"cannot encode {type(value).__name__}")


def _encode_head(out: bytearray, major: int, argument: int) -> None:
    if 0 <= argument < 24:
        out.append(major << 5 | argument)
    elif 0 <= argument < 1 << 8:
        out.append(major << 5 | 24)
        out.append(argument)
    elif 0 <= argument < _UINT64_LIMIT:
        information = 25 if argument < 1 << 16 else 26 if argument < 1 << 32 else 27
        out.append(major << 5 | information)
        out += argument.to_bytes(_LONG_ARGUMENTS[information][0], "big")
    else:
        raise CborError(CborReason.UNSUPPORTED, "number outside 64 bits")


def _encode_text(out: bytearray, value: str) -> None:
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        raise CborError(CborReason.INVALID_TEXT, "lone surrogate") from error
    _encode_head(out, _TEXT, len(data))
    out += data


def _encode_map(out: bytearray, value: Mapping[Any, Any]) -> None:
    previous = -1
    for key in value:
        if not isinstance(key, int) or key <= previous or isinstance(key, bool):
            break
        previous = key
    else:
        _encode_head(out, _MAP, len(value))
        for key, member in value.items():
            _encode_into(out, key)
            _encode_into(out, member)
        return
    _encode_sorted(out, value)


def _encode_sorted(out: bytearray, value: Mapping[Any, Any]) -> None:
    """A map whose keys are not just ascending unsigned integers."""
    pairs = []
    for key, member in value.items():
        if isinstance(key, bool) or not isinstance(key, _KEY_TYPES):
            raise CborError(CborReason.KEY_TYPE, type(key).__name__)
        encoded = bytearray()
        _encode_into(encoded, key)
        pairs.append((encoded, member))
    pairs.sort(key=_first)
    _encode_head(out, _MAP, len(pairs))
    for encoded, member in pairs:
        out += encoded
        _encode_into(out, member)


def _first(pair: tuple[bytearray, Any]) -> bytearray:
    return pair[0]


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


def _short_head(size: int) -> bytes:
    head = bytearray()
    _encode_head(head, _BYTES, size)
    return bytes(head)


_SHORT_BYTES: Final = tuple(map(_short_head, range(256)))
"""The heads of byte strings of up to 255 bytes."""


# ---- decoding -----------------------------------------------------------------------------------


class _Accepted(NamedTuple):
    """What is accepted beside what is always."""

    array_keys: bool
    any_order: bool
    undefined: bool


_STRICT: Final = _Accepted(array_keys=False, any_order=False, undefined=False)


def _read(data: bytes, position: int, depth: int, accepted: _Accepted) -> tuple[Any, int]:
    """The item at `position`, in which arrays, maps and tags nest `depth` times at most, and where it ends."""
    try:
        [item], end = _items(data, position, 1, depth, accepted)
    except IndexError as error:
        raise CborError(CborReason.TRUNCATED) from error
    except UnicodeDecodeError as error:
        raise CborError(CborReason.INVALID_TEXT) from error
    return item, end


def _items(  # noqa: PLR0912 - one branch for each kind of head
    data: bytes, position: int, count: int, depth: int, accepted: _Accepted
) -> tuple[list[Any], int]:
    """The next `count` items: one loop for all, since a call for each is what costs the time.

    Raises IndexError where the data end too early.
    """
    found: list[Any] = []
    for _ in range(count):
        initial = data[position]
        position += 1
        if initial < 24:
            found.append(initial)
            continue
        major, argument = initial >> 5, initial & 0x1F
        if argument == 24:
            argument = data[position]
            position += 1
            if argument < 24 and major != _SIMPLE:
                raise CborError(CborReason.NOT_SHORTEST)
        elif argument > 24:
            size, smallest = _LONG_ARGUMENTS.get(argument) or _no_argument(argument)
            end = position + size
            if end > len(data):
                raise CborError(CborReason.TRUNCATED)
            argument, position = int.from_bytes(data[position:end], "big"), end
            if argument < smallest and major != _SIMPLE:
                raise CborError(CborReason.NOT_SHORTEST)
        if major <= _NINT:
            found.append(argument if major == _UINT else -1 - argument)
        elif major <= _TEXT:
            end = position + argument
            if end > len(data):
                raise CborError(CborReason.TRUNCATED)
            taken = data[position:end]
            found.append(taken if major == _BYTES else taken.decode())
            position = end
        elif major == _SIMPLE:
            found.append(_simple(data, initial, position, accepted))
        elif depth <= 0:
            raise CborError(CborReason.TOO_DEEP)
        elif major == _ARRAY:
            members, position = _items(data, position, argument, depth - 1, accepted)
            found.append(members)
        elif major == _MAP:
            members, position = _items(data, position, 2 * argument, depth - 1, accepted)
            found.append(_map(members, accepted))
        else:
            [marked], position = _items(data, position, 1, depth - 1, accepted)
            found.append(Tagged(argument, marked))
    return found, position


def _map(members: list[Any], accepted: _Accepted) -> dict[Any, Any]:
    """From keys and values by turns."""
    found: dict[Any, Any] = {}
    previous = -1
    turns = iter(members)
    for key in turns:
        if type(key) is not int or key <= previous:
            return dict(zip(_checked(members[::2], accepted), members[1::2], strict=True))
        previous = key
        found[key] = next(turns)
    return found


def _checked(keys: list[Any], accepted: _Accepted) -> list[int | str | bytes | tuple[Any, ...]]:
    """Keys that are not just ascending unsigned integers."""
    own = [_key(key, accepted) for key in keys]
    encoded = [encode(key) for key in own]
    if len(set(encoded)) < len(encoded):
        raise CborError(CborReason.DUPLICATE_KEY, repr(own)[:40])
    if not accepted.any_order and encoded != sorted(encoded):
        raise CborError(CborReason.UNSORTED_KEYS, repr(own)[:40])
    return own


def _key(key: Any, accepted: _Accepted) -> int | str | bytes | tuple[Any, ...]:
    if type(key) in (int, str, bytes):
        return key  # type: ignore[no-any-return]
    if type(key) is not list or not accepted.array_keys:
        raise CborError(CborReason.KEY_TYPE)
    if any(isinstance(member, list | dict | Tagged | bool | float) for member in key):
        raise CborError(CborReason.KEY_TYPE)
    return tuple(key)


def _no_argument(information: int) -> NoReturn:
    if information == _INDEFINITE:
        raise CborError(CborReason.INDEFINITE_LENGTH)
    raise CborError(CborReason.UNSUPPORTED, "reserved additional information")


def _simple(data: bytes, initial: int, end: int, accepted: _Accepted) -> bool | float | Undefined | None:
    """A simple value or float that begins with `initial` and ends before `end`."""
    if initial == _UNDEFINED and accepted.undefined:
        return UNDEFINED
    if initial in _CONSTANTS:
        return _CONSTANTS[initial]
    layout = _FLOAT_LAYOUTS.get(initial)
    if layout is None:
        raise CborError(CborReason.UNSUPPORTED, "simple value")
    encoded = data[end - struct.calcsize(layout) - 1 : end]
    value: float = struct.unpack(layout, encoded[1:])[0]
    if _encode_float(value) != encoded:
        raise CborError(CborReason.NOT_SHORTEST, "float")
    return value
