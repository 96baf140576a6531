"""TLV (LwM2M Core 1.2, 7.4.4): items, and values of each type in bytes.

The first byte of an item holds its kind (bits 7-6), whether the id has two bytes (5), how many bytes of length follow
(4-3) and, if none, the length itself (2-0).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from objects.errors import FormatError, FormatReason
from objects.values import ObjectLink, ResourceType, Value

MAX_ITEMS: Final = 65536
"""Items of one payload, those inside others included."""


class Kind(IntEnum):
    """What an item is."""

    OBJECT_INSTANCE = 0
    RESOURCE_INSTANCE = 1
    MULTIPLE_RESOURCE = 2
    RESOURCE = 3


@dataclass(frozen=True, slots=True)
class Item:
    """One type-length-value; the body of the first and third kind is items again."""

    kind: Kind
    id: int
    body: bytes


def write(item: Item) -> bytes:
    """The item with the shortest id and length. Raises FormatError for a body of 16 MiB or more."""
    size = len(item.body)
    head = item.kind << 6 | (item.id > 0xFF) << 5
    ident = item.id.to_bytes(2 if item.id > 0xFF else 1, "big")
    if size < 8:
        return bytes([head | size]) + ident + item.body
    octets = (size.bit_length() + 7) // 8
    if octets > 3:
        raise FormatError(FormatReason.TOO_LARGE, f"a TLV body has at most 2^24-1 bytes, this has {size}")
    return bytes([head | octets << 3]) + ident + size.to_bytes(octets, "big") + item.body


class Reader:
    """Reads the items of one payload, level by level, up to MAX_ITEMS in all."""

    def __init__(self) -> None:
        self._items = 0

    def read(self, data: bytes) -> Iterator[Item]:
        """The items one after the other. Raises FormatError: TRUNCATED, TOO_MANY."""
        at = 0
        while at < len(data):
            self._items += 1
            if self._items > MAX_ITEMS:
                raise FormatError(FormatReason.TOO_MANY, f"more than {MAX_ITEMS} TLV items")
            item, at = _read_one(data, at)
            yield item


def _read_one(data: bytes, at: int) -> tuple[Item, int]:
    head = data[at]
    id_end = at + (3 if head & 0x20 else 2)
    octets = head >> 3 & 3
    start = id_end + octets
    if start > len(data):
        raise FormatError(FormatReason.TRUNCATED, f"TLV header at byte {at}")
    size = int.from_bytes(data[id_end:start], "big") if octets else head & 7
    if start + size > len(data):
        raise FormatError(
            FormatReason.TRUNCATED, f"TLV item at byte {at} claims {size} bytes, {len(data) - start} left"
        )
    ident = int.from_bytes(data[at + 1 : id_end], "big")
    return Item(Kind(head >> 6), ident, data[start : start + size]), start + size


def encode_value(value: Value, kind: ResourceType) -> bytes:
    """The bytes of one value: integers in the fewest of 1, 2, 4, 8; floats in 4 if that loses nothing, else 8."""
    match value:
        case bool():
            return bytes([value])
        case bytes():
            return value
        case str():
            return value.encode()
        case ObjectLink():
            return struct.pack(">HH", value.object, value.instance)
        case float():
            return _float_bytes(value)
        case int():
            return _float_bytes(float(value)) if kind is ResourceType.FLOAT else _integer_bytes(value, kind)


def decode_value(data: bytes, kind: ResourceType) -> Value:
    """The value of that type. Raises FormatError WRONG_TYPE."""
    match kind:
        case ResourceType.OPAQUE:
            return data
        case ResourceType.STRING | ResourceType.CORELNK:
            return _string(data)
        case ResourceType.INTEGER | ResourceType.TIME | ResourceType.UNSIGNED:
            _size(data, (1, 2, 4, 8), kind)
            return int.from_bytes(data, "big", signed=kind is not ResourceType.UNSIGNED)
        case ResourceType.FLOAT:
            _size(data, (4, 8), kind)
            number: float = struct.unpack(">f" if len(data) == 4 else ">d", data)[0]
            return number
        case ResourceType.BOOLEAN:
            if data not in (b"\0", b"\1"):
                raise FormatError(FormatReason.WRONG_TYPE, f"a Boolean is the byte 0 or 1, not {data[:8].hex()}")
            return data == b"\1"
        case ResourceType.OBJLNK:
            _size(data, (4,), kind)
            return ObjectLink(*struct.unpack(">HH", data))
        case ResourceType.NONE:
            raise FormatError(FormatReason.WRONG_TYPE, "an executable resource has no value")


def _integer_bytes(value: int, kind: ResourceType) -> bytes:
    signed = kind is not ResourceType.UNSIGNED
    bits = (value if value >= 0 else ~value).bit_length() + signed
    size = next(size for size in (1, 2, 4, 8) if bits <= size * 8)
    return value.to_bytes(size, "big", signed=signed)


def _float_bytes(value: float) -> bytes:
    try:
        short = struct.pack(">f", value)
    except OverflowError:
        return struct.pack(">d", value)
    return short if struct.unpack(">f", short)[0] == value else struct.pack(">d", value)


def _string(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise FormatError(FormatReason.MALFORMED, f"not UTF-8: {error.reason}") from error


def _size(data: bytes, sizes: tuple[int, ...], kind: ResourceType) -> None:
    if len(data) not in sizes:
        raise FormatError(FormatReason.WRONG_TYPE, f"{kind.value} has {sizes} bytes, not {len(data)}")
