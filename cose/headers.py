"""The two header maps of every COSE message (RFC 9052 section 3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from cose import cbor
from cose.errors import CoseError, CoseReason
from cose.numbers import Algorithm, Header

HeaderMap: TypeAlias = dict[int | str, Any]


def header_map(value: Any, reason: CoseReason) -> HeaderMap:
    """A decoded map of header parameters. Raises `CoseError` with `reason`."""
    if not isinstance(value, dict):
        raise CoseError(reason, "not a map")
    if any(isinstance(label, bytes) for label in value):
        raise CoseError(reason, "labels are integers or text")
    return value


def protected_map(data: bytes, max_size: int) -> HeaderMap:
    """The protected header in its byte string. An empty map may be encoded as one or as the empty string (section 3).

    Raises `CborError`, `CoseError`.
    """
    return header_map(cbor.decode(data, max_size=max_size), CoseReason.PROTECTED_HEADER) if data else {}


def check_headers(protected: Mapping[int | str, Any], unprotected: Mapping[int | str, Any]) -> None:
    """Raise `CoseError` for a label in both maps, and for `crit`: no extension is understood here."""
    if protected.keys() & unprotected.keys():
        raise CoseError(CoseReason.UNPROTECTED_HEADER, "a label appears in both headers")
    # An empty list is forbidden: whatever crit says, it cannot be met.
    if Header.CRIT in protected or Header.CRIT in unprotected:
        raise CoseError(CoseReason.CRITICAL)


def algorithm_of(headers: Mapping[int | str, Any], known: Collection[int], where: str = "protected") -> Algorithm:
    """The algorithm a header names. Raises `CoseError` ALGORITHM for one that is not among the known ones."""
    algorithm = headers.get(Header.ALG)
    if isinstance(algorithm, bool) or not isinstance(algorithm, int) or algorithm not in known:
        raise CoseError(CoseReason.ALGORITHM, f"{algorithm!r} in the {where} header")
    return Algorithm(algorithm)
