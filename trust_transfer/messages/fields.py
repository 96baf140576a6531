"""Reading CBOR maps member by member.

Each member is asked for once, with its type and bounds; what nobody asked for is refused. Booleans are never taken for
numbers, and keys that are equal only to Python (True, 1.0 and 1) do not get past `cose.cbor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from cose.cbor import CborError, CborReason
from cose.cbor import decode as decode_cbor
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Result

T = TypeVar("T")

MAX_UINT: Final = (1 << 64) - 1
MAX_TEXT: Final = 255


def malformed(detail: str) -> MessageError:
    """A `MessageError` with Result *malformed*."""
    return MessageError(Result.MALFORMED, detail)


@contextmanager
def cbor_as_result() -> Iterator[None]:
    """Turn `CborError` into `MessageError`: *too large* or *malformed*."""
    try:
        yield
    except CborError as error:
        too_large = error.reason is CborReason.TOO_LARGE
        raise MessageError(Result.TOO_LARGE if too_large else Result.MALFORMED, str(error)) from error


def decode(data: bytes, *, max_size: int, max_depth: int = 8) -> Any:
    """Decode deterministic CBOR; raises `MessageError` (too large, malformed)."""
    with cbor_as_result():
        return decode_cbor(data, max_size=max_size, max_depth=max_depth)


def is_uint(value: Any, low: int = 0, high: int = MAX_UINT) -> bool:
    """Whether `value` is an integer (no boolean) from `low` to `high`."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def array(value: Any, name: str, *, minimum: int = 0, maximum: int | None = None) -> list[Any]:
    """`value` as an array of `minimum` to `maximum` members."""
    if not isinstance(value, list) or len(value) < minimum or (maximum is not None and len(value) > maximum):
        raise malformed(f"{name} is not an array of the required length")
    return value


def byte_string(value: Any, name: str, low: int, high: int | None = None) -> bytes:
    """`value` as a byte string of `low` to `high` bytes (`high` defaults to `low`)."""
    if not isinstance(value, bytes) or not low <= len(value) <= (low if high is None else high):
        raise malformed(f"{name} is not a byte string of the required length")
    return value


def text(value: Any, name: str, low: int = 0, high: int = MAX_TEXT) -> str:
    """`value` as a text string of `low` to `high` bytes of UTF-8."""
    if not isinstance(value, str) or not low <= len(value.encode()) <= high:
        raise malformed(f"{name} is not a text of {low} to {high} bytes")
    return value


def uint(value: Any, name: str, low: int = 0, high: int = MAX_UINT) -> int:
    """`value` as an integer from `low` to `high`."""
    if not is_uint(value, low, high):
        raise malformed(f"{name} is not a number from {low} to {high}")
    return int(value)


class Fields:
    """The members of one map, taken one after the other."""

    def __init__(self, value: Any, name: str) -> None:
        if not isinstance(value, dict):
            raise malformed(f"{name} is not a map")
        self._members: dict[Any, Any] = dict(value)
        self._name = name

    def take(self, key: int, convert: Callable[[Any], T]) -> T:
        """The member `key`, converted; raises `MessageError` (malformed) when it is absent or does not convert."""
        if key not in self._members:
            raise malformed(f"{self._name} lacks {_label(key)}")
        return convert(self._members.pop(key))

    def optional(self, key: int, convert: Callable[[Any], T]) -> T | None:
        """The member `key`, converted, or None when it is absent. A null is no absence and is passed on."""
        return self.take(key, convert) if key in self._members else None

    def done(self) -> None:
        """Refuse members nobody asked for (Result *unknown typ or claim*)."""
        if self._members:
            key = next(iter(self._members))
            label = key if isinstance(key, int) else "that is no number"
            raise MessageError(Result.UNKNOWN_TYP_OR_CLAIM, f"{self._name} has an unknown member {label}")

    # Shorthands for the member types that occur everywhere.

    def uint(self, key: int, low: int = 0, high: int = MAX_UINT) -> int:
        return self.take(key, lambda value: uint(value, self._path(key), low, high))

    def optional_uint(self, key: int, low: int = 0, high: int = MAX_UINT) -> int | None:
        return self.optional(key, lambda value: uint(value, self._path(key), low, high))

    def bytes_(self, key: int, low: int, high: int | None = None) -> bytes:
        return self.take(key, lambda value: byte_string(value, self._path(key), low, high))

    def optional_bytes(self, key: int, low: int, high: int | None = None) -> bytes | None:
        return self.optional(key, lambda value: byte_string(value, self._path(key), low, high))

    def text(self, key: int, low: int = 0, high: int = MAX_TEXT) -> str:
        return self.take(key, lambda value: text(value, self._path(key), low, high))

    def optional_text(self, key: int, low: int = 0, high: int = MAX_TEXT) -> str | None:
        return self.optional(key, lambda value: text(value, self._path(key), low, high))

    def nested(self, key: int) -> Fields:
        return self.take(key, lambda value: Fields(value, self._path(key)))

    def boolean(self, key: int) -> bool:
        return self.take(key, lambda value: _boolean(value, self._path(key)))

    def _path(self, key: int) -> str:
        return f"{self._name}/{_label(key)}"


def _boolean(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise malformed(f"{name} is not a boolean")
    return value


def _label(key: int) -> str:
    return f"{int(key)}"
