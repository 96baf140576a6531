"""CBOR Web Token claims (RFC 8392): a map whose registered claims have their registered types."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from cose import cbor
from cose.numbers import Claim

_TEXT_CLAIMS: Final = frozenset({Claim.ISS, Claim.SUB, Claim.AUD})
_TIME_CLAIMS: Final = frozenset({Claim.EXP, Claim.NBF, Claim.IAT})
_BYTES_CLAIMS: Final = frozenset({Claim.CTI, Claim.EAT_NONCE})


class ClaimsError(ValueError):
    """Not a claims set, or a registered claim of a wrong type; `claim` names it where there is one."""

    def __init__(self, detail: str, claim: int | None = None) -> None:
        super().__init__(detail)
        self.claim = claim


def decode_claims(
    payload: bytes, *, max_size: int = cbor.DEFAULT_MAX_SIZE, nullable: Collection[int] = ()
) -> dict[int, Any]:
    """Decode a claims set with integer keys; times are whole seconds since 1970.

    Claims in `nullable` may also be null, where a profile gives that a meaning. Raises `CborError` when it is not
    deterministic CBOR and `ClaimsError` otherwise.
    """
    claims = cbor.decode(payload, max_size=max_size)
    if not isinstance(claims, dict):
        raise ClaimsError("the claims are not a map")
    for key, value in claims.items():
        if not isinstance(key, int):
            raise ClaimsError("a claim's key is not an integer")
        if not (value is None and key in nullable) and not _has_registered_type(key, value):
            raise ClaimsError(f"claim {key} has a wrong type", key)
    return claims


def _has_registered_type(key: int, value: Any) -> bool:
    if key in _TEXT_CLAIMS:
        return isinstance(value, str)
    if key in _TIME_CLAIMS:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return key not in _BYTES_CLAIMS or isinstance(value, bytes)
