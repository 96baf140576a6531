"""Versions of components as sequences of integers (draft-ietf-suit-update-management, suit-parameter-version).

1.2.3-rc.4 is (1, 2, 3, -1, 4): a release candidate, -1, sorts below the release, beta (-2) and alpha (-3) below it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from cose import cbor
from suit import decoding
from suit.errors import SuitError, SuitReason
from suit.numbers import VersionComparison

MAX_PARTS: Final = 16

Version: TypeAlias = tuple[int, ...]

_COMPARISONS: Final[Mapping[VersionComparison, Callable[[Version, Version], bool]]] = {
    VersionComparison.GREATER: lambda own, named: own > named,
    VersionComparison.GREATER_EQUAL: lambda own, named: own >= named,
    VersionComparison.EQUAL: lambda own, named: own == named,
    VersionComparison.LESSER_EQUAL: lambda own, named: own <= named,
    VersionComparison.LESSER: lambda own, named: own < named,
}


@dataclass(frozen=True, slots=True)
class VersionMatch:
    """A comparison with a version; what the version does not name does not matter."""

    comparison: VersionComparison
    version: Version

    @classmethod
    def from_item(cls, item: Any) -> VersionMatch:
        """From the decoded array. Raises SuitError MALFORMED."""
        match decoding.array(item, "version match"):
            case [comparison, value]:
                known = decoding.registered(comparison, VersionComparison)
                if known is not None:
                    return cls(known, parse_version(value))
        raise SuitError(SuitReason.MALFORMED, "a version match is an array of comparison and version")

    @classmethod
    def decode(cls, data: bytes) -> VersionMatch:
        """From its encoding. Raises SuitError MALFORMED."""
        return cls.from_item(decoding.decode(data, "version match"))

    @property
    def item(self) -> list[Any]:
        """The array to encode."""
        return [int(self.comparison), list(self.version)]

    def encode(self) -> bytes:
        """The encoded array."""
        return cbor.encode(self.item)

    def holds(self, version: Version) -> bool:
        """Whether a component's version compares as wanted, over as many parts as are named; missing ones are zero."""
        padded = version + (0,) * (len(self.version) - len(version))
        return _COMPARISONS[self.comparison](padded[: len(self.version)], self.version)


def parse_version(item: Any) -> Version:
    """A version from its decoded array. Raises SuitError MALFORMED."""
    parts = decoding.array(item, "version")
    if not 1 <= len(parts) <= MAX_PARTS or any(isinstance(part, bool) or not isinstance(part, int) for part in parts):
        raise SuitError(SuitReason.MALFORMED, f"a version is 1 to {MAX_PARTS} integers")
    if parts[0] < 0:
        raise SuitError(SuitReason.MALFORMED, "a version begins with a release, not with a pre-release indicator")
    return tuple(parts)
