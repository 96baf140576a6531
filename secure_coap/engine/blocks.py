"""The Block1 and Block2 option value (RFC 7959 section 2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from secure_coap.errors import BadOption, BadRequest
from secure_coap.message import decode_uint, encode_uint

MAX_NUMBER: Final = (1 << 20) - 1
BERT: Final = 7
"""Over streams only: a block of several times 1,024 bytes, numbered in units of 1,024 (RFC 8323 section 6)."""


@dataclass(slots=True, unsafe_hash=True)
class Block:
    """Block `number` of 2 ** (4 + `exponent`) bytes; `more` blocks follow."""

    number: int
    more: bool
    exponent: int

    @property
    def size(self) -> int:
        """Bytes per block, or per unit of a larger one."""
        return 16 << min(self.exponent, 6)

    @property
    def offset(self) -> int:
        """Where in the body this block begins."""
        return self.number << (min(self.exponent, 6) + 4)

    def fits(self, length: int) -> bool:
        """Whether a payload of `length` bytes can be this block: all but the last are full."""
        if self.exponent == BERT:
            return not self.more or (length > 0 and length % self.size == 0)
        return length == self.size or (not self.more and length < self.size)

    def encode(self) -> bytes:
        """The option value."""
        if self.number > MAX_NUMBER:
            raise ValueError("the body has more than 2 ** 20 blocks: use larger blocks")
        return encode_uint(self.number << 4 | self.more << 3 | self.exponent)

    @classmethod
    def decode(cls, value: bytes, *, bert: bool = False) -> Block:
        """Raises `BadOption` for more than three bytes, `BadRequest` for exponent 7 unless `bert` (section 2.2)."""
        if len(value) > 3:
            raise BadOption("Block option longer than 3 bytes")
        number = decode_uint(value)
        if number & 7 == BERT and not bert:
            raise BadRequest("reserved block size exponent 7")
        return cls(number >> 4, bool(number & 8), number & 7)

    @classmethod
    def at(cls, offset: int, exponent: int, total: int) -> Block:
        """The block of this size at `offset` of a body of `total` bytes."""
        return cls(offset >> (exponent + 4), offset + (16 << exponent) < total, exponent)
