"""Who vouches for a manifest: authentication blocks over its digest (draft-ietf-suit-manifest-37, section 8.3).

A block is a COSE_Sign1, COSE_Sign, COSE_Mac0 or COSE_Mac with the digest as its detached payload. The algorithms
are those of suit-mti: ESP256, Ed25519 and HSS/LMS signatures, HMAC 256 directly or under AES Key Wrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from cose import cbor
from cose.algorithms import VerificationKey
from cose.errors import CoseError, CoseReason
from cose.keys import PrivateKey
from cose.mac import Mac, create_mac, create_mac0
from cose.numbers import Tag
from cose.recipients import RecipientKey, SealedFor
from cose.sign import Sign
from cose.sign1 import Sign1, create
from suit.digest import Digest
from suit.errors import SuitError, SuitReason

MAX_BLOCKS: Final = 8
MAX_BLOCK_SIZE: Final = 1 << 16
"""Bytes of one block; HSS/LMS signatures are the large ones."""


@dataclass(frozen=True, slots=True, repr=False)
class MacKey:
    """A key for HMAC 256 that author and recipient both hold."""

    key: bytes


_SHARED: Final = (MacKey, RecipientKey)

Authority: TypeAlias = VerificationKey | MacKey | RecipientKey
"""Whose word counts: a public key, a shared MAC key, or the key a COSE_Mac's key is wrapped for."""
Author: TypeAlias = PrivateKey | MacKey | Sequence[SealedFor]
"""Who vouches: a private key, a shared MAC key, or the recipients of a fresh MAC key."""


def authenticate(digest: Digest, author: Author) -> bytes:
    """The block by which `author` vouches for the manifest with that digest."""
    payload = digest.encode()
    if isinstance(author, MacKey):
        return create_mac0(payload, author.key, detached=True)
    if isinstance(author, Sequence):
        return create_mac(payload, author, detached=True)
    return create(payload, author, protected={}, detached=True)


def check(digest: Digest, blocks: Sequence[bytes], authority: Authority) -> None:
    """Raise SuitError unless one of the blocks is the authority's word on this digest.

    SIGNATURE when there is none; ALGORITHM, which names it, when a block is in an algorithm unknown here.
    """
    payload = digest.encode()
    unknown: list[str] = []
    for block in blocks:
        try:
            _verify(block, payload, authority)
        except CoseError as error:
            if error.reason is CoseReason.ALGORITHM:
                unknown.append(str(error))
        except cbor.CborError:
            continue
        else:
            return
    if unknown:
        raise SuitError(SuitReason.ALGORITHM, "; ".join(unknown)[:200])
    raise SuitError(SuitReason.SIGNATURE, f"{len(blocks)} authentication blocks")


def _verify(block: bytes, payload: bytes, authority: Authority) -> None:
    """Blocks of other kinds than the authority's are for other recipients."""
    tag = _tag(block)
    if isinstance(authority, _SHARED):
        if tag not in (Tag.COSE_MAC0, Tag.COSE_MAC):
            raise CoseError(CoseReason.STRUCTURE, "a MAC expected")
        key = authority.key if isinstance(authority, MacKey) else authority
        Mac.parse(block, max_size=MAX_BLOCK_SIZE).verify(key, detached_payload=payload)
    elif tag == Tag.COSE_SIGN:
        Sign.parse(block, max_size=MAX_BLOCK_SIZE).verify(authority, detached_payload=payload)
    else:
        Sign1.parse(block, max_size=MAX_BLOCK_SIZE, any_order=True).verify(authority, detached_payload=payload)


def _tag(block: bytes) -> int | None:
    """The CBOR tag of a block: one byte below 24, two bytes for 96 to 98."""
    if block[:1] == b"\xd8":
        return block[1] if len(block) > 1 else None
    return block[0] & 0x1F if block and block[0] >> 5 == 6 else None
