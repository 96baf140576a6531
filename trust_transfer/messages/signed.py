"""Opening a signed claims set in the fixed order: size, envelope, typ, signer, signature, claims.

Each step has one Result. Nothing of the claims is read before the signature is verified.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from cose import sign1
from cose.cbor import encode
from cose.cwt import ClaimsError, decode_claims
from cose.errors import CoseError
from cose.keys import PrivateKey, PublicKey, kid
from cose.sign1 import Sign1
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.fields import Fields, cbor_as_result, malformed
from trust_transfer.messages.numbers import Result, Typ
from trust_transfer.messages.values import MAX_WINDOW

MAX_DEVICE_MESSAGE: Final = 1024
"""Largest TransferMessage a device reads, in bytes."""
MAX_SERVER_MESSAGE: Final = 4096
"""Largest signed claims set a server reads, in bytes."""


def seal(claims: Mapping[int, Any], key: PrivateKey, typ: Typ) -> bytes:
    """Sign a claims set; claims that are `ABSENT` are left out."""
    present = {claim: value for claim, value in claims.items() if value is not ABSENT}
    return sign1.sign(encode(present), key, typ)


ABSENT: Final = object()
"""Marks a claim to leave out; None is a value of its own (null)."""


def if_given(value: Any) -> Any:
    """`value`, or `ABSENT` for None."""
    return ABSENT if value is None else value


def open_envelope(raw: bytes, typ: Typ, *, max_size: int) -> Sign1:
    """Check size, envelope and typ. Raises `MessageError`: too large, malformed, unknown typ or claim."""
    with cbor_as_result(), _cose_as_malformed():
        envelope = sign1.parse_profile(raw, max_size=max_size)
    if envelope.typ != typ:
        raise MessageError(Result.UNKNOWN_TYP_OR_CLAIM, f"typ {envelope.typ} where {typ.value} belongs")
    return envelope


def names_key(envelope: Sign1, key: PublicKey) -> bool:
    """Whether the envelope's kid is that of `key`; takes the same time either way."""
    return envelope.kid is not None and hmac.compare_digest(envelope.kid, kid(key))


def verified_payload(envelope: Sign1, key: PublicKey) -> bytes:
    """The payload, if the pinned `key` has signed it. Raises `MessageError`: wrong signer, bad signature."""
    if not names_key(envelope, key):
        raise MessageError(Result.WRONG_SIGNER, "kid is not that of the pinned key")
    try:
        return envelope.verify(key)
    except CoseError as error:
        raise MessageError(Result.BAD_SIGNATURE, str(error)) from error


def read_claims(payload: bytes, name: str, *, nullable: Collection[int] = ()) -> Fields:
    """The claims of a payload. Raises `MessageError` (malformed)."""
    with cbor_as_result():
        try:
            claims = decode_claims(payload, max_size=len(payload), nullable=nullable)
        except ClaimsError as error:
            raise malformed(str(error)) from error
    return Fields(claims, name)


def check_window(not_before: int, not_after: int) -> None:
    """Raises `MessageError` (window) unless the window opens before it closes, at most 90 days later."""
    if not 0 < not_after - not_before <= MAX_WINDOW:
        raise MessageError(
            Result.WINDOW, f"the window lasts {not_after - not_before} s; it must last 1 to {MAX_WINDOW} s"
        )


@contextmanager
def _cose_as_malformed() -> Iterator[None]:
    try:
        yield
    except CoseError as error:
        raise malformed(str(error)) from error
