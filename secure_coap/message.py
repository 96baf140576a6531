"""The CoAP message format over datagrams (RFC 7252 section 3): values, and functions for their parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from secure_coap.errors import MessageFormatError
from secure_coap.numbers.codes import CODES, Code

MAX_OPTION_NUMBER: Final = 0xFFFF
MAX_OPTION_LENGTH: Final = 0xFFFF + 269
MAX_TOKEN: Final = 8
HEADER: Final = 4
VERSION_1: Final = 0x40
"""The version bits of the first byte."""
PAYLOAD_MARKER: Final = 0xFF


class MessageType(IntEnum):
    """The two type bits."""

    CON = 0
    NON = 1
    ACK = 2
    RST = 3


TYPES: Final = tuple(MessageType)


@dataclass(slots=True, unsafe_hash=True)
class Message:
    """One datagram. `options` are (number, value) pairs sorted by number; equal numbers keep their order."""

    type: MessageType
    code: Code
    mid: int
    token: bytes = b""
    options: tuple[tuple[int, bytes], ...] = ()
    payload: bytes = b""

    def encode(self) -> bytes:
        """The bytes on the wire."""
        head = bytes((VERSION_1 | self.type << 4 | len(self.token), self.code)) + self.mid.to_bytes(2, "big")
        return head + self.token + encode_body(self.options, self.payload)

    @classmethod
    def empty(cls, type_: MessageType, mid: int) -> Message:
        """An Empty message: acknowledgement, reset or ping."""
        return cls(type_, Code.EMPTY, mid)

    def values(self, number: int) -> list[bytes]:
        """All values of one option, in order."""
        return [value for candidate, value in self.options if candidate == number]

    def value(self, number: int) -> bytes | None:
        """The first value of one option."""
        return next((value for candidate, value in self.options if candidate == number), None)


def decode(data: bytes) -> Message:
    """Parse one datagram.

    Raises `MessageFormatError`; its `reset_mid` is set only for a confirmable message of our version, which RFC 7252
    section 4.2 lets us reject with a Reset. Everything else is to be ignored.
    """
    if len(data) < HEADER or data[0] >> 6 != 1:
        raise MessageFormatError("shorter than a header, or another version")
    type_, mid = TYPES[data[0] >> 4 & 3], data[2] << 8 | data[3]
    try:
        start = body_start(data)
        options, payload = decode_body(data, start)
    except MessageFormatError as error:
        raise MessageFormatError(str(error), reset_mid=mid if type_ is MessageType.CON else None) from None
    return Message(type_, CODES[data[1]], mid, data[HEADER:start], tuple(options), payload)


def body_start(data: bytes) -> int:
    """Where the options begin, behind the token. Raises `MessageFormatError`."""
    start = HEADER + (data[0] & 15)
    if start > HEADER + MAX_TOKEN or start > len(data):
        raise MessageFormatError("token length is reserved or exceeds the datagram")
    if data[1] == 0 and len(data) != HEADER:
        raise MessageFormatError("an Empty message carries more than its header")
    return start


def decode_body(data: bytes, position: int) -> tuple[list[tuple[int, bytes]], bytes]:
    """Options and payload from `position` on. Raises `MessageFormatError`."""
    options: list[tuple[int, bytes]] = []
    number = 0
    end = len(data)
    while position < end:
        first = data[position]
        position += 1
        if first == PAYLOAD_MARKER:
            if position == end:
                raise MessageFormatError("payload marker without payload")
            break
        delta, length = first >> 4, first & 15
        if delta > 12:
            delta, position = extended(data, position, delta)
        if length > 12:
            length, position = extended(data, position, length)
        number += delta
        stop = position + length
        if stop > end:
            raise MessageFormatError("option value exceeds the datagram")
        options.append((number, data[position:stop]))
        position = stop
    if number > MAX_OPTION_NUMBER:  # they only grow
        raise MessageFormatError("option number beyond 65,535")
    return options, data[position:]


def extended(data: bytes, position: int, nibble: int) -> tuple[int, int]:
    """An option delta or length of 13 or 14, from one or two further bytes, and where they end (section 3.1)."""
    if nibble == 15:
        raise MessageFormatError("reserved option delta or length 15")
    size, base = (1, 13) if nibble == 13 else (2, 269)
    if position + size > len(data):
        raise MessageFormatError("option header exceeds the datagram")
    return int.from_bytes(data[position : position + size], "big") + base, position + size


def encode_body(options: Iterable[tuple[int, bytes]], payload: bytes) -> bytes:
    """Options, sorted by number, and payload. Raises ValueError for options that no message can hold."""
    out = bytearray()
    previous = 0
    for number, value in options:
        delta, length = number - previous, len(value)
        if 0 <= delta < 13 and length < 13:
            out.append(delta << 4 | length)
        elif 0 <= delta < 13 and length < 269:
            out += bytes((delta << 4 | 13, length - 13))
        else:
            out += _option_header(delta, length, number)
        out += value
        previous = number
    if previous > MAX_OPTION_NUMBER:
        raise ValueError(f"option {previous} is beyond 65,535")
    if payload:
        out.append(PAYLOAD_MARKER)
        out += payload
    return bytes(out)


def _option_header(delta: int, length: int, number: int) -> bytes:
    if delta < 0 or number > MAX_OPTION_NUMBER or length > MAX_OPTION_LENGTH:
        raise ValueError(f"option {number} is out of order, out of range or too long")
    delta_nibble, delta_extension = _nibble(delta)
    length_nibble, length_extension = _nibble(length)
    return bytes((delta_nibble << 4 | length_nibble,)) + delta_extension + length_extension


def _nibble(value: int) -> tuple[int, bytes]:
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes((value - 13,))
    return 14, (value - 269).to_bytes(2, "big")


class OptionsAround:
    """Options, sorted, encoded once but for one that changes from message to message."""

    __slots__ = ("_after", "_before", "_heads")

    def __init__(self, options: Iterable[tuple[int, bytes]], changing: int) -> None:
        options = tuple(options)
        before = [option for option in options if option[0] <= changing]
        after = [(number - changing, value) for number, value in options if number > changing]
        delta = changing - (before[-1][0] if before else 0)
        self._before = encode_body(before, b"")
        self._after = encode_body(after, b"")
        self._heads = tuple(self._before + _option_header(delta, length, changing) for length in range(4))

    def body(self, value: bytes, payload: bytes) -> bytes:
        """Options and payload with this value, of up to three bytes, of the changing option."""
        marker = b"\xff" if payload else b""
        return b"".join((self._heads[len(value)], value, self._after, marker, payload))


def encode_uint(value: int) -> bytes:
    """Shortest big-endian form; zero is the empty string (RFC 7252 section 3.2)."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def decode_uint(value: bytes) -> int:
    """Leading zeros are allowed when reading (RFC 7252 section 3.2)."""
    return int.from_bytes(value, "big")
