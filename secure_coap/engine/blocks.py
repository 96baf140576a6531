"""The Block1 and Block2 option value (RFC 7959 section 2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from secure_coap.errors import BadOption, BadRequest
from secure_coap.message import decode_uint, encode_uint

MAX_NUMBER: Final = (1 << 20) - 1


@dataclass(frozen=True, slots=True)
class Block:
    """Block `number` of 2 ** (4 + `exponent`) bytes; `more` blocks follow."""

    number: int
    more: bool
    exponent: int

    @property
    def size(self) -> int:
        """Bytes per block."""
        return 16 << self.exponent

    @property
    def offset(self) -> int:
        """Where in the body this block begins."""
        return self.number << (self.exponent + 4)

    def encode(self) -> bytes:
        """The option value."""
        if self.number > MAX_NUMBER:
            raise ValueError("the body has more than 2 ** 20 blocks: use larger blocks")
        return encode_uint(self.number << 4 | self.more << 3 | self.exponent)

    @classmethod
    def decode(cls, value: bytes) -> Block:
        """Raises `BadOption` for more than three bytes, `BadRequest` for the reserved exponent 7 (section 2.2)."""
        if len(value) > 3:
            raise BadOption("Block option longer than 3 bytes")
        number = decode_uint(value)
        if number & 7 == 7:
            raise BadRequest("reserved block size exponent 7")
        return cls(number >> 4, bool(number & 8), number & 7)

    @classmethod
    def at(cls, offset: int, exponent: int, total: int) -> Block:
        """The block of this size at `offset` of a body of `total` bytes."""
        return cls(offset >> (exponent + 4), offset + (16 << exponent) < total, exponent)
