"""Reading of deterministic CBOR under a manifest's own limits, with typed errors for the wrong shape."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final, TypeVar

from cose import cbor
from suit.errors import SuitError, SuitReason

MAX_DEPTH: Final = 8

Number = TypeVar("Number", bound=IntEnum)


def decode(data: bytes, what: str, *, array_keys: bool = False) -> Any:
    """The item that fills `data`; `what` names it in errors. Raises SuitError MALFORMED."""
    try:
        return cbor.decode(data, max_size=len(data), max_depth=MAX_DEPTH, array_keys=array_keys)
    except cbor.CborError as error:
        raise SuitError(SuitReason.MALFORMED, f"{what}: {error}") from error


def registered(value: Any, registry: type[Number]) -> Number | None:
    """The registered number that `value` is, or None."""
    if type(value) is not int:
        return None
    return _numbers(registry).get(value)


def known_keys(fields: Mapping[Any, Any], registry: type[Number], what: str) -> dict[Number, Any]:
    """The members of a decoded map by their registered keys. Raises SuitError MALFORMED for any other key."""
    numbers = _numbers(registry)
    try:
        return {numbers[key]: value for key, value in fields.items()}
    except KeyError as error:
        raise SuitError(SuitReason.MALFORMED, f"{what} has an unknown element {error.args[0]!r:.40}") from None


def _numbers(registry: type[Number]) -> Mapping[Any, Number]:
    """By value; calling an enum takes four times as long."""
    return registry._value2member_map_  # type: ignore[return-value]


def integer(value: Any, what: str) -> int:
    """An unsigned integer. Raises SuitError MALFORMED."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SuitError(SuitReason.MALFORMED, f"{what} is not an unsigned integer")
    return value


def signed(value: Any, what: str) -> int:
    """An integer. Raises SuitError MALFORMED."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise SuitError(SuitReason.MALFORMED, f"{what} is not an integer")
    return value


def octets(value: Any, what: str, size: int | None = None) -> bytes:
    """A byte string, of `size` bytes if given. Raises SuitError MALFORMED."""
    if not isinstance(value, bytes) or (size is not None and len(value) != size):
        raise SuitError(SuitReason.MALFORMED, f"{what} is not a byte string" + (f" of {size}" if size else ""))
    return value


def text(value: Any, what: str) -> str:
    """A text string. Raises SuitError MALFORMED."""
    if not isinstance(value, str):
        raise SuitError(SuitReason.MALFORMED, f"{what} is not text")
    return value


def boolean(value: Any, what: str) -> bool:
    """True or false. Raises SuitError MALFORMED."""
    if not isinstance(value, bool):
        raise SuitError(SuitReason.MALFORMED, f"{what} is not true or false")
    return value


def array(value: Any, what: str) -> list[Any]:
    """An array. Raises SuitError MALFORMED."""
    if not isinstance(value, list):
        raise SuitError(SuitReason.MALFORMED, f"{what} is not an array")
    return value


def mapping(value: Any, what: str) -> dict[Any, Any]:
    """A map. Raises SuitError MALFORMED."""
    if not isinstance(value, dict):
        raise SuitError(SuitReason.MALFORMED, f"{what} is not a map")
    return value
