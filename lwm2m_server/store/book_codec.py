"""A book entry as bytes for the store: deterministic CBOR with field names as keys."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from typing import Any, Final

from pydantic import TypeAdapter

from cose import cbor
from trust_transfer.provider.book import BookEntry

_MAX_SIZE: Final = 4 * 1024 * 1024
_ADAPTER: Final = TypeAdapter(BookEntry)


def dump(entry: BookEntry) -> bytes:
    """The entry as bytes."""
    return cbor.encode(_plain(asdict(entry)))


def load(data: bytes) -> BookEntry:
    """The entry that `dump` wrote; every field is checked against its type."""
    return _ADAPTER.validate_python(cbor.decode(data, max_size=_MAX_SIZE))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value
