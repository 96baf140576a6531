"""CBOR items as C509 uses them: each function returns an item as what it must be, or raises `C509Error`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from device_pki.c509.errors import C509Error, C509Reason, malformed

_MAX_PAIRS: Final = 256
"""Extensions of a certificate, attributes of a name, names in one extension."""


def integer(item: Any) -> int:
    """Return an integer; booleans are none."""
    if isinstance(item, int) and not isinstance(item, bool):
        return item
    raise malformed("not an integer")


def unsigned(item: Any) -> int:
    """Return an integer that is not negative."""
    number = integer(item)
    if number < 0:
        raise malformed("a negative integer")
    return number


def octets(item: Any) -> bytes:
    """Return a byte string."""
    if isinstance(item, bytes):
        return item
    raise malformed("not a byte string")


def text(item: Any) -> str:
    """Return a text string."""
    if isinstance(item, str):
        return item
    raise malformed("not a text string")


def array(item: Any, length: int | None = None) -> list[Any]:
    """Return an array, of `length` items if given."""
    if not isinstance(item, list):
        raise malformed("not an array")
    if length is not None and len(item) != length:
        raise malformed(f"an array of {len(item)} items instead of {length}")
    return item


def pairs(item: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the items of an array two by two. So many that each costs little and all together much are refused."""
    items = array(item)
    if len(items) > 2 * _MAX_PAIRS:
        raise C509Error(C509Reason.TOO_LARGE, f"{len(items) // 2} pairs, at most {_MAX_PAIRS} are taken")
    if len(items) % 2:
        raise malformed("an array of pairs with an odd number of items")
    return zip(items[::2], items[1::2], strict=True)
