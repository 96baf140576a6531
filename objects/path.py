"""Paths in the data model: /object/instance/resource/resource-instance (LwM2M Core 1.2, 7.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from objects.errors import InvalidPath

MAX_ID: Final = 65534
"""Highest usable id at every level; 65535 is reserved."""

UNASSIGNED: Final = 65535
"""The reserved id: stands for the instance a Create leaves to the device to number. Never on the wire."""


@dataclass(frozen=True, slots=True)
class Path:
    """A place in the data model. Levels after the first that is None are None too. `ids` are those that are not.

    Paths have an order: a place comes before what is beneath it.

    >>> str(Path(3, 0, 1))
    '/3/0/1'
    """

    object: int
    instance: int | None = None
    resource: int | None = None
    resource_instance: int | None = None
    ids: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        levels = (self.object, self.instance, self.resource, self.resource_instance)
        given = tuple(i for i in levels if i is not None)
        if levels[: len(given)] != given:
            raise InvalidPath(f"a level is missing in {levels}")
        if not all(0 <= i <= UNASSIGNED for i in given):
            raise InvalidPath(f"ids are 0..{MAX_ID}: {given}")
        object.__setattr__(self, "ids", given)

    @classmethod
    def of(cls, ids: Iterable[int]) -> Path:
        """The path with these ids, first the object's. Raises InvalidPath."""
        levels = tuple(ids)
        if not 1 <= len(levels) <= 4:
            raise InvalidPath(f"a path has 1 to 4 levels, not {len(levels)}")
        return cls(*levels)

    @classmethod
    def from_segments(cls, segments: Iterable[str]) -> Path:
        """The path of a request's Uri-Path options. Raises InvalidPath."""
        return cls.of(_number(segment) for segment in segments)

    @classmethod
    def parse(cls, text: str) -> Path:
        """The path written as `/3/0/1`. Raises InvalidPath.

        >>> Path.parse("/3/0").instance
        0
        """
        return _parse(text)

    @property
    def segments(self) -> tuple[str, ...]:
        """As Uri-Path options."""
        return tuple(str(i) for i in self.ids)

    @property
    def level(self) -> int:
        """1 object, 2 instance, 3 resource, 4 resource instance."""
        return len(self.ids)

    def child(self, number: int) -> Path:
        """The path one level deeper. Raises InvalidPath below a resource instance."""
        return Path.of((*self.ids, number))

    def contains(self, other: Path) -> bool:
        """Whether `other` is this place or lies beneath it."""
        return other.ids[: len(self.ids)] == self.ids

    def __lt__(self, other: Path) -> bool:
        return self.ids < other.ids

    def __str__(self) -> str:
        return "/" + "/".join(self.segments)


# Devices name the same places again and again: a name that was a path once need not be taken apart again.
@lru_cache(maxsize=4096)
def _parse(text: str) -> Path:
    if not text.startswith("/"):
        raise InvalidPath(f"a path begins with '/': {text[:40]!r}")
    return Path.from_segments(text[1:].split("/"))


def _number(segment: str) -> int:
    if not (segment.isascii() and segment.isdecimal()) or len(segment) > 5 or (segment[0] == "0" and segment != "0"):
        raise InvalidPath(f"not an id: {segment[:40]!r}")
    number = int(segment)
    if number > MAX_ID:
        raise InvalidPath(f"ids are 0..{MAX_ID}: {number}")
    return number
