"""JSON (RFC 8259) with bounds: names once, finite numbers, valid text, and no more items than a pack needs."""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

from objects.errors import FormatError, FormatReason
from objects.formats.tree import MAX_PAYLOAD

MAX_MARKS: Final = 1 << 18
"""Brackets, braces and commas: each may begin an item."""
MAX_DIGITS: Final = 24
"""Of one integer; 64 bits have 20."""


def load(data: bytes) -> Any:
    """The one value in `data`. Raises FormatError: TOO_LARGE, TOO_MANY, DUPLICATE, MALFORMED."""
    if len(data) > MAX_PAYLOAD:
        raise FormatError(FormatReason.TOO_LARGE, f"{len(data)} bytes of JSON, at most {MAX_PAYLOAD}")
    if sum(map(data.count, (b"[", b"{", b","))) > MAX_MARKS:
        raise FormatError(FormatReason.TOO_MANY, f"more than {MAX_MARKS} JSON items")
    try:
        return json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FormatError(FormatReason.MALFORMED, f"not JSON: {error}") from error


def dump(value: object) -> bytes:
    """The shortest JSON of `value`. Raises FormatError UNSUPPORTED for numbers that are not finite."""
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise FormatError(FormatReason.UNSUPPORTED, f"JSON cannot carry it: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise FormatError(FormatReason.DUPLICATE, "a JSON name twice")
    for text in (*result, *result.values()):
        if isinstance(text, str) and not text.isascii():
            text.encode()  # an escape may name half a character
    return result


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise FormatError(FormatReason.MALFORMED, f"an integer of {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise FormatError(FormatReason.MALFORMED, "a number too large for a float")
    return number


def _constant(name: str) -> NoReturn:
    raise FormatError(FormatReason.MALFORMED, f"{name} is no JSON number")
