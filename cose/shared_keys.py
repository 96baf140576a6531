"""Key-encryption keys that several parties hold: a COSE_Key of type Symmetric with its kid (RFC 9052, section 7)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final

from cose import cbor
from cose.errors import CoseError, CoseReason
from cose.numbers import KeyParameter, KeyType

KID_SIZE: Final = 8
SIZES: Final = (16, 24, 32)
"""Bytes of a key that wraps with AES."""
MAX_ENCODED: Final = 256


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A key and its name, which says nothing about it."""

    kid: bytes
    key: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> SharedKey:
        """A fresh key for AES-128 Key Wrap."""
        return cls(os.urandom(KID_SIZE), os.urandom(SIZES[0]))

    def encode(self) -> bytes:
        """The COSE_Key."""
        members = {KeyParameter.KTY: KeyType.SYMMETRIC, KeyParameter.KID: self.kid, KeyParameter.K: self.key}
        return cbor.encode(members)

    @classmethod
    def decode(cls, data: bytes) -> SharedKey:
        """From a COSE_Key with these members and no others. Raises `CborError`, `CoseError` KEY."""
        match cbor.decode(data, max_size=MAX_ENCODED):
            case {KeyParameter.KID: bytes(kid), KeyParameter.K: bytes(key)}:
                found = cls(kid, key)
                # Only the same bytes again: then nothing else is in it, and no member under an alias of its number.
                if len(key) in SIZES and len(kid) == KID_SIZE and found.encode() == data:
                    return found
        raise CoseError(CoseReason.KEY, f"a symmetric COSE_Key with a kid of {KID_SIZE} bytes, 16, 24 or 32 bytes long")
