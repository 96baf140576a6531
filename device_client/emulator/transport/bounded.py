"""A dictionary that stays small: what aiocoap remembers for minutes, however much a server makes it remember."""

from __future__ import annotations

from typing import Any, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class BoundedDict(dict[Key, Value]):
    """Holds at most `limit` entries; the one set first gives way. Removing what is gone already is no error."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def __setitem__(self, key: Key, value: Value) -> None:
        if key not in self and len(self) >= self._limit:
            del self[next(iter(self))]
        super().__setitem__(key, value)

    def pop(self, key: Key, default: Any = None) -> Any:
        return super().pop(key, default)
