"""Values whose encoding shows a type of its own (JSON, CBOR), against the type their resource's definition asks for."""

from __future__ import annotations

from typing import Any, Final

from objects.errors import FormatError, FormatReason
from objects.formats import text
from objects.path import Path
from objects.values import INTEGER_MAX, INTEGER_MIN, UNSIGNED_MAX, ObjectLink, ResourceType, Value

_EXACT: Final = 2.0**53
"""Floats up to here hold every integer."""
_TEXT: Final = frozenset({ResourceType.STRING, ResourceType.CORELNK})
_INTEGERS: Final = frozenset({ResourceType.INTEGER, ResourceType.TIME, ResourceType.UNSIGNED})


def typed(value: Any, kind: ResourceType | None, path: Path) -> Value:
    """`value`, an int, float, bool, str, bytes or ObjectLink, as the type `kind`; None takes it as it is.

    A float that is a whole number is an integer too, an integer is a float too, and an object link may be text `66:0`.
    Raises FormatError WRONG_TYPE.
    """
    python = type(value)
    if python is int or python is float:
        return _number(value, kind, path)
    if kind is None or (python is str and kind in _TEXT):
        fits = python in (str, bool, bytes, ObjectLink)
    elif kind is ResourceType.OBJLNK:
        value = text.link(value) if python is str else value
        fits = type(value) is ObjectLink
    else:
        fits = (python is bytes and kind is ResourceType.OPAQUE) or (python is bool and kind is ResourceType.BOOLEAN)
    if not fits:
        raise _wrong(python.__name__, kind, path)
    result: Value = value
    return result


def _number(value: int | float, kind: ResourceType | None, path: Path) -> int | float:
    if kind is ResourceType.FLOAT or (kind is None and isinstance(value, float)):
        return float(value)
    if kind is not None and kind not in _INTEGERS:
        raise _wrong("a number", kind, path)
    if isinstance(value, float):
        if not value.is_integer() or abs(value) > _EXACT:
            raise FormatError(FormatReason.WRONG_TYPE, f"{value} at {path} is no exact integer")
        value = int(value)
    low = 0 if kind is ResourceType.UNSIGNED else INTEGER_MIN
    high = INTEGER_MAX if kind in (ResourceType.INTEGER, ResourceType.TIME) else UNSIGNED_MAX
    if not low <= value <= high:
        raise FormatError(FormatReason.WRONG_TYPE, f"an integer outside {low}..{high} at {path}")
    return value


def _wrong(found: str, kind: ResourceType | None, path: Path) -> FormatError:
    wanted = "a value" if kind is None else kind.value or "executed"
    return FormatError(FormatReason.WRONG_TYPE, f"{found} at {path}, which is {wanted}")
