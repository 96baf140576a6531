"""The CoAP message format over streams: a length before code, token, options and payload (RFC 8323 section 3.2)."""

from __future__ import annotations

from typing import Final

from secure_coap.errors import MessageFormatError
from secure_coap.message import MAX_TOKEN

_SIZES: Final = {13: (1, 13), 14: (2, 269), 15: (4, 65_805)}
"""Length nibbles with an extension: its bytes, and what is added to it."""

Frame = tuple[int, bytes, bytes]
"""Code, token, and body: options and payload."""


def encode_frame(code: int, token: bytes, body: bytes) -> bytes:
    """One message."""
    length = len(body)
    for nibble in (15, 14, 13):
        size, base = _SIZES[nibble]
        if length >= base:
            return (
                bytes((nibble << 4 | len(token),))
                + (length - base).to_bytes(size, "big")
                + bytes((code,))
                + token
                + body
            )
    return bytes((length << 4 | len(token), code)) + token + body


class FrameReader:
    """Cuts a stream into messages of at most `limit` bytes."""

    __slots__ = ("_buffer", "_limit", "read")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self.read = 0
        """Messages so far."""

    @property
    def is_partial(self) -> bool:
        """Whether a message has begun and is not complete."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that are complete now. Raises `MessageFormatError`; nothing can be read after that."""
        self._buffer += data
        frames: list[Frame] = []
        position = 0
        while (frame_end := self._end_of(position)) is not None:
            frames.append(self._cut(position, frame_end))
            position = frame_end
        del self._buffer[:position]
        self.read += len(frames)
        return frames

    def _end_of(self, position: int) -> int | None:
        """Where the message at `position` ends; None while too little of it is here."""
        available = len(self._buffer) - position
        if available < 1:
            return None
        nibble, token_length = self._buffer[position] >> 4, self._buffer[position] & 15
        if token_length > MAX_TOKEN:
            raise MessageFormatError("reserved token length")
        size, base = _SIZES.get(nibble, (0, nibble))
        if available < 1 + size:
            return None
        length = base + int.from_bytes(self._buffer[position + 1 : position + 1 + size], "big")
        total = 1 + size + 1 + token_length + length
        if total > self._limit:
            raise MessageFormatError(f"a message of {total} bytes: at most {self._limit} are taken")
        return position + total if available >= total else None

    def _cut(self, position: int, end: int) -> Frame:
        first = self._buffer[position]
        at = position + 1 + _SIZES.get(first >> 4, (0, 0))[0]
        token_end = at + 1 + (first & 15)
        return self._buffer[at], bytes(self._buffer[at + 1 : token_end]), bytes(self._buffer[token_end:end])
