"""The CoAP message format over datagrams (RFC 7252 section 3): a frozen value, `encode` and `decode`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from secure_coap.errors import MessageFormatError
from secure_coap.numbers.codes import Code

MAX_OPTION_NUMBER: Final = 0xFFFF
MAX_OPTION_LENGTH: Final = 0xFFFF + 269
MAX_TOKEN: Final = 8
_PAYLOAD_MARKER: Final = 0xFF
_VERSION: Final = 1


class MessageType(IntEnum):
    """The two type bits."""

    CON = 0
    NON = 1
    ACK = 2
    RST = 3


@dataclass(frozen=True, slots=True)
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
        head = bytes((_VERSION << 6 | self.type << 4 | len(self.token), self.code)) + self.mid.to_bytes(2, "big")
        body = b"\xff" + self.payload if self.payload else b""
        return head + self.token + _encode_options(self.options) + body

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
    if len(data) < 4 or data[0] >> 6 != _VERSION:
        raise MessageFormatError("shorter than a header, or another version")
    type_, token_length = MessageType(data[0] >> 4 & 3), data[0] & 15
    mid = int.from_bytes(data[2:4], "big")
    try:
        return _decode_body(data, type_, token_length, mid)
    except MessageFormatError as error:
        raise MessageFormatError(str(error), reset_mid=mid if type_ is MessageType.CON else None) from None


def _decode_body(data: bytes, type_: MessageType, token_length: int, mid: int) -> Message:
    code = Code(data[1])
    if token_length > MAX_TOKEN or len(data) < 4 + token_length:
        raise MessageFormatError("token length is reserved or exceeds the datagram")
    if code is Code.EMPTY and len(data) != 4:
        raise MessageFormatError("an Empty message carries more than its header")
    token = data[4 : 4 + token_length]
    options, payload = _decode_options(data, 4 + token_length)
    return Message(type_, code, mid, token, options, payload)


def _decode_options(data: bytes, position: int) -> tuple[tuple[tuple[int, bytes], ...], bytes]:
    options: list[tuple[int, bytes]] = []
    number = 0
    while position < len(data):
        first = data[position]
        position += 1
        if first == _PAYLOAD_MARKER:
            if position == len(data):
                raise MessageFormatError("payload marker without payload")
            return tuple(options), data[position:]
        delta, position = _extended(data, position, first >> 4)
        length, position = _extended(data, position, first & 15)
        number += delta
        if number > MAX_OPTION_NUMBER:
            raise MessageFormatError("option number beyond 65,535")
        if position + length > len(data):
            raise MessageFormatError("option value exceeds the datagram")
        options.append((number, data[position : position + length]))
        position += length
    return tuple(options), b""


def _extended(data: bytes, position: int, nibble: int) -> tuple[int, int]:
    """Option delta or length: four bits, or 13 or 14 and one or two further bytes (section 3.1)."""
    if nibble < 13:
        return nibble, position
    if nibble == 15:
        raise MessageFormatError("reserved option delta or length 15")
    size, base = (1, 13) if nibble == 13 else (2, 269)
    if position + size > len(data):
        raise MessageFormatError("option header exceeds the datagram")
    return int.from_bytes(data[position : position + size], "big") + base, position + size


def _encode_options(options: tuple[tuple[int, bytes], ...]) -> bytes:
    out = bytearray()
    previous = 0
    for number, value in options:
        if not previous <= number <= MAX_OPTION_NUMBER or len(value) > MAX_OPTION_LENGTH:
            raise ValueError(f"option {number} is out of order, out of range or too long")
        delta, delta_extension = _nibble(number - previous)
        length, length_extension = _nibble(len(value))
        out.append(delta << 4 | length)
        out += delta_extension + length_extension + value
        previous = number
    return bytes(out)


def _nibble(value: int) -> tuple[int, bytes]:
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes((value - 13,))
    return 14, (value - 269).to_bytes(2, "big")


def encode_uint(value: int) -> bytes:
    """Shortest big-endian form; zero is the empty string (RFC 7252 section 3.2)."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def decode_uint(value: bytes) -> int:
    """Leading zeros are allowed when reading (RFC 7252 section 3.2)."""
    return int.from_bytes(value, "big")
