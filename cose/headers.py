"""The two header maps of every COSE message (RFC 9052 section 3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from cose import cbor
from cose.errors import CoseError, CoseReason
from cose.numbers import Algorithm, Header

HeaderMap: TypeAlias = Mapping[int | str, Any]

_SHORT: Final = 64
"""Bytes of a protected header that is remembered once it is read."""
_REMEMBERED: Final = 64
"""How many are."""
_ALGORITHMS: Final = {int(algorithm): algorithm for algorithm in Algorithm}
"""By number; calling an enum takes four times as long."""


def header_map(value: Any, reason: CoseReason) -> HeaderMap:
    """A decoded map of header parameters. Raises `CoseError` with `reason`."""
    if not isinstance(value, dict):
        raise CoseError(reason, "not a map")
    if value and any(isinstance(label, bytes) for label in value):
        raise CoseError(reason, "labels are integers or text")
    return value


def protected_map(data: bytes, max_size: int, *, any_order: bool = True) -> HeaderMap:
    """The protected header in its byte string. An empty map may be encoded as one or as the empty string (section 3).

    COSE leaves open in which order parameters come; a profile may not. Raises `CborError`, `CoseError`.
    """
    if not data:
        return {}
    if len(data) <= min(_SHORT, max_size):
        return _short_map(data, any_order)
    return _read(data, max_size, any_order)


@lru_cache(_REMEMBERED)
def _short_map(data: bytes, any_order: bool) -> HeaderMap:
    """A protected header of few bytes: message after message has the same."""
    return MappingProxyType(_read(data, len(data), any_order))


def _read(data: bytes, max_size: int, any_order: bool) -> HeaderMap:
    return header_map(cbor.decode(data, max_size=max_size, any_order=any_order), CoseReason.PROTECTED_HEADER)


def check_headers(protected: Mapping[int | str, Any], unprotected: Mapping[int | str, Any]) -> None:
    """Raise `CoseError` for a label in both maps, and for `crit`: no extension is understood here."""
    if unprotected and protected.keys() & unprotected.keys():
        raise CoseError(CoseReason.UNPROTECTED_HEADER, "a label appears in both headers")
    # An empty list is forbidden: whatever crit says, it cannot be met.
    if Header.CRIT in protected or Header.CRIT in unprotected:
        raise CoseError(CoseReason.CRITICAL)


def algorithm_of(headers: Mapping[int | str, Any], known: Collection[int], where: str = "protected") -> Algorithm:
    """The algorithm a header names. Raises `CoseError` ALGORITHM for one that is not among the known ones."""
    algorithm = headers.get(Header.ALG)
    if type(algorithm) is not int or algorithm not in known:
        raise CoseError(CoseReason.ALGORITHM, f"{algorithm!r} in the {where} header")
    return _ALGORITHMS[algorithm]
