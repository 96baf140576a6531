"""The OSCORE option's value (RFC 8613 section 6.1): partial IV, kid context and kid, each where it is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from secure_coap.oscore.errors import OscoreError, OscoreReason

MAX_PARTIAL_IV: Final = 5
"""Bytes of a partial IV."""
MAX_SEQUENCE: Final = (1 << 40) - 1
_KID: Final = 0x08
_KID_CONTEXT: Final = 0x10
_RESERVED: Final = 0xE0


@dataclass(frozen=True, slots=True)
class OscoreOption:
    """None: absent. A request has partial IV and kid; a response has neither, or a partial IV of its own."""

    partial_iv: bytes = b""
    kid: bytes | None = None
    kid_context: bytes | None = None

    def encode(self) -> bytes:
        """The option value; empty where there is nothing to say."""
        flags = len(self.partial_iv)
        body = self.partial_iv
        if self.kid_context is not None:
            flags |= _KID_CONTEXT
            body += bytes((len(self.kid_context),)) + self.kid_context
        if self.kid is not None:
            flags |= _KID
            body += self.kid
        return bytes((flags,)) + body if flags else b""

    @classmethod
    def decode(cls, value: bytes) -> OscoreOption:
        """Raises `OscoreError` MALFORMED."""
        if not value:
            return cls()
        flags, position = value[0], 1 + (value[0] & 7)
        partial_iv = value[1:position]
        wrong = flags & _RESERVED or flags & 7 > MAX_PARTIAL_IV or len(partial_iv) != flags & 7 or not flags
        if wrong or (len(partial_iv) > 1 and partial_iv[0] == 0):
            raise OscoreError(OscoreReason.MALFORMED)
        kid_context = None
        if flags & _KID_CONTEXT:
            size = value[position] if position < len(value) else len(value)
            kid_context, position = value[position + 1 : position + 1 + size], position + 1 + size
            if position > len(value):
                raise OscoreError(OscoreReason.MALFORMED)
        rest = value[position:]
        if rest and not flags & _KID:
            raise OscoreError(OscoreReason.MALFORMED)
        return cls(partial_iv, rest if flags & _KID else None, kid_context)


def partial_iv(sequence: int) -> bytes:
    """A sequence number in its shortest form; zero is one byte (section 5.2)."""
    return sequence.to_bytes(max(1, (sequence.bit_length() + 7) // 8), "big")
