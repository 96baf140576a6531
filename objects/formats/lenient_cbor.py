"""CBOR as others may write it: any length of integers, any order of keys, indefinite lengths; but bounded.

The formats of the data model do not ask for deterministic encoding, so this reader is wider than `cose.cbor`. It knows
two tags, times in seconds and decimal fractions (RFC 8949, 3.4.2 and 3.4.4), and refuses all others, which leaves no
way to make cycles, big numbers or regular expressions out of a payload.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Any, Final

from objects.errors import FormatError, FormatReason

MAX_EXPONENT: Final = 400
"""Of a decimal fraction, either sign; floats end before."""

_BREAK: Final = 0xFF
_INDEFINITE: Final = 31
_FLOATS: Final = {25: ">e", 26: ">f", 27: ">d"}
_CONSTANTS: Final[dict[int, Any]] = {20: False, 21: True, 22: None, 23: None}


class Tag(IntEnum):
    """Tags that are read (IANA registry of CBOR tags)."""

    EPOCH_TIME = 1
    DECIMAL_FRACTION = 4


def decode(data: bytes, *, max_size: int, max_depth: int = 4, max_items: int = 65536, array_keys: bool = False) -> Any:
    """The one value in `data`: int, float, bytes, str, bool, None, list or dict.

    A map's keys are integers, text and, with `array_keys`, arrays of integers as tuples. Raises FormatError: TOO_LARGE,
    TOO_MANY, TRUNCATED, TRAILING, DUPLICATE, MALFORMED.
    """
    if len(data) > max_size:
        raise FormatError(FormatReason.TOO_LARGE, f"{len(data)} bytes of CBOR, at most {max_size}")
    reader = _Reader(data, max_items, array_keys)
    value = reader.value(max_depth)
    if reader.at != len(data):
        raise FormatError(FormatReason.TRAILING, f"{len(data) - reader.at} bytes after the CBOR value")
    return value


class _Reader:
    __slots__ = ("_array_keys", "_data", "_items_left", "at")

    def __init__(self, data: bytes, items: int, array_keys: bool) -> None:
        self._data = data
        self._items_left = items
        self._array_keys = array_keys
        self.at = 0

    def value(self, depth: int) -> Any:  # noqa: PLR0911 - one return for each major type
        head = self._byte()
        major, info = head >> 5, head & 31
        if major == 7:
            return self._simple(info)
        if info == _INDEFINITE:
            return self._indefinite(major, depth)
        argument = info if info < 24 else self._argument(info)
        if major == 0:
            return argument
        if major == 1:
            return -1 - argument
        if major == 2:
            return self._take(argument)
        if major == 3:
            return _text(self._take(argument))
        if major == 6:
            return self._tagged(argument, depth)
        self._count(argument)
        return self._container(major, range(argument), depth)

    def _simple(self, info: int) -> Any:
        if info in _CONSTANTS:
            return _CONSTANTS[info]
        if info in _FLOATS:
            layout = _FLOATS[info]
            return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]
        raise FormatError(FormatReason.MALFORMED, f"CBOR simple value {info}")

    def _indefinite(self, major: int, depth: int) -> Any:
        if major in (2, 3):
            data = b"".join(self._parts(major))
            return data if major == 2 else _text(data)
        if major in (4, 5):
            return self._container(major, self._until_break(), depth)
        raise FormatError(FormatReason.MALFORMED, f"CBOR major type {major} of indefinite length")

    def _container(self, major: int, steps: Iterable[object], depth: int) -> Any:
        if depth == 0:
            raise FormatError(FormatReason.MALFORMED, "CBOR nested too deeply")
        if major == 4:
            return [self.value(depth - 1) for _ in steps]
        result: dict[int | str | tuple[int, ...], Any] = {}
        for _ in steps:
            key = self._key()
            if key in result:
                raise FormatError(FormatReason.DUPLICATE, f"map key {key!r} twice")
            result[key] = self.value(depth - 1)
        return result

    def _key(self) -> int | str | tuple[int, ...]:
        key: Any = self.value(self._array_keys)
        if type(key) is int or type(key) is str:
            return key
        if type(key) is list and all(type(number) is int for number in key):
            return tuple(key)
        raise FormatError(FormatReason.MALFORMED, f"a map key of type {type(key).__name__}")

    def _tagged(self, tag: int, depth: int) -> int | float:
        if tag not in (Tag.EPOCH_TIME, Tag.DECIMAL_FRACTION) or depth == 0:
            raise FormatError(FormatReason.MALFORMED, f"CBOR tag {tag} is not used here")
        content = self.value(depth - 1)
        number = content if tag == Tag.EPOCH_TIME else _decimal_fraction(content)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise FormatError(FormatReason.MALFORMED, f"CBOR tag {tag} without a number")
        return number

    def _parts(self, major: int) -> Iterator[bytes]:
        for _ in self._until_break():
            head = self._byte()
            info = head & 31
            if head >> 5 != major:
                raise FormatError(FormatReason.MALFORMED, "a part of an indefinite string has another type")
            yield self._take(info if info < 24 else self._argument(info))

    def _until_break(self) -> Iterator[None]:
        while self._byte() != _BREAK:
            self.at -= 1
            self._count(1)
            yield

    def _count(self, items: int) -> None:
        self._items_left -= items
        if self._items_left < 0:
            raise FormatError(FormatReason.TOO_MANY, "too many CBOR items")

    def _argument(self, info: int) -> int:
        if info > 27:
            raise FormatError(FormatReason.MALFORMED, f"CBOR additional information {info}")
        return int.from_bytes(self._take(1 << (info - 24)), "big")

    def _byte(self) -> int:
        at = self.at
        if at >= len(self._data):
            raise FormatError(FormatReason.TRUNCATED, "a CBOR item is missing")
        self.at = at + 1
        return self._data[at]

    def _take(self, size: int) -> bytes:
        at = self.at
        if size > len(self._data) - at:
            raise FormatError(FormatReason.TRUNCATED, f"{size} bytes of CBOR wanted, {len(self._data) - at} left")
        self.at = at + size
        return self._data[at : at + size]


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise FormatError(FormatReason.MALFORMED, f"not UTF-8: {error.reason}") from error


def _decimal_fraction(content: object) -> float | None:
    match content:
        case [int(exponent), int(mantissa)] if abs(exponent) <= MAX_EXPONENT:
            try:
                return mantissa / 10**-exponent if exponent < 0 else float(mantissa * 10**exponent)
            except OverflowError:
                return None
        case _:
            return None
