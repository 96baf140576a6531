"""CBOR as others may write it: any length of integers, any order of keys, indefinite lengths; but bounded.

SenML (RFC 8428) does not ask for deterministic encoding, so this reader is wider than `cose.cbor`. It knows no tags:
every one is refused, which leaves no way to make cycles, big numbers or regular expressions out of a payload.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from objects.errors import FormatError, FormatReason

_BREAK: Final = object()
_FLOATS: Final = {25: ">e", 26: ">f", 27: ">d"}
_CONSTANTS: Final[dict[int, Any]] = {20: False, 21: True, 22: None, 23: None}


def decode(data: bytes, *, max_size: int, max_depth: int = 4, max_items: int = 65536) -> Any:
    """The one value in `data`: int, float, bytes, str, bool, None, list or dict.

    Raises FormatError: TOO_LARGE, TOO_MANY, TRUNCATED, TRAILING, DUPLICATE, MALFORMED.
    """
    if len(data) > max_size:
        raise FormatError(FormatReason.TOO_LARGE, f"{len(data)} bytes of CBOR, at most {max_size}")
    reader = _Reader(data, max_items)
    value = reader.value(max_depth)
    if reader.at != len(data):
        raise FormatError(FormatReason.TRAILING, f"{len(data) - reader.at} bytes after the CBOR value")
    return value


class _Reader:
    def __init__(self, data: bytes, items: int) -> None:
        self._data = data
        self._items_left = items
        self.at = 0

    def value(self, depth: int, *, breakable: bool = False) -> Any:
        self._items_left -= 1
        if self._items_left < 0:
            raise FormatError(FormatReason.TOO_MANY, "too many CBOR items")
        head = self._take(1)[0]
        major, info = head >> 5, head & 31
        if head == 0xFF and breakable:
            return _BREAK
        if major == 7:
            return self._simple(info)
        return self._of_major(major, info, depth)

    def _of_major(self, major: int, info: int, depth: int) -> Any:
        if major in (0, 1):
            number = self._argument(info)
            return -1 - number if major else number
        if major == 6:
            raise FormatError(FormatReason.MALFORMED, f"CBOR tag {self._argument(info)} is not used here")
        length = None if info == 31 else self._argument(info)
        if major in (2, 3):
            data = self._string(length, major)
            return data if major == 2 else _text(data)
        if depth == 0:
            raise FormatError(FormatReason.MALFORMED, "CBOR nested too deeply")
        if major == 4:
            return self._collect(length, lambda breakable: self.value(depth - 1, breakable=breakable))
        return _map(self._collect(length, lambda breakable: self._pair(depth - 1, breakable=breakable)))

    def _simple(self, info: int) -> Any:
        if info in _CONSTANTS:
            return _CONSTANTS[info]
        if info in _FLOATS:
            layout = _FLOATS[info]
            return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]
        raise FormatError(FormatReason.MALFORMED, f"CBOR simple value {info}")

    def _string(self, length: int | None, major: int) -> bytes:
        if length is not None:
            return self._take(length)
        parts = []
        while (head := self._take(1)[0]) != 0xFF:
            if head >> 5 != major or head & 31 == 31:
                raise FormatError(FormatReason.MALFORMED, "a part of an indefinite string has another type")
            parts.append(self._take(self._argument(head & 31)))
        return b"".join(parts)

    def _pair(self, depth: int, *, breakable: bool) -> Any:
        key = self.value(0, breakable=breakable)
        if key is _BREAK:
            return _BREAK
        if isinstance(key, bool) or not isinstance(key, int | str):
            raise FormatError(FormatReason.MALFORMED, f"a map key is an integer or text, not {type(key).__name__}")
        return key, self.value(depth)

    def _collect(self, length: int | None, one: Callable[[bool], Any]) -> list[Any]:
        if length is not None:
            if length > self._items_left:
                raise FormatError(FormatReason.TOO_MANY, f"a CBOR container of {length} items")
            return [one(False) for _ in range(length)]
        values = []
        while (value := one(True)) is not _BREAK:
            values.append(value)
        return values

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise FormatError(FormatReason.MALFORMED, f"CBOR additional information {info}")
        return int.from_bytes(self._take(1 << (info - 24)), "big")

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self.at:
            raise FormatError(FormatReason.TRUNCATED, f"{size} bytes of CBOR wanted, {len(self._data) - self.at} left")
        self.at += size
        return self._data[self.at - size : self.at]


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise FormatError(FormatReason.MALFORMED, f"not UTF-8: {error.reason}") from error


def _map(pairs: list[Any]) -> dict[int | str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise FormatError(FormatReason.DUPLICATE, "a map key twice")
    return result
