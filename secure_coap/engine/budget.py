"""The memory all block-wise bodies of an endpoint share."""

from __future__ import annotations


class BodyBudget:
    """Counts bytes of partial bodies over all peers. Shared by the engines of one endpoint."""

    __slots__ = ("_left", "_total")

    def __init__(self, total: int) -> None:
        self._total = total
        self._left = total

    @property
    def used(self) -> int:
        """Bytes taken now."""
        return self._total - self._left

    def take(self, size: int) -> bool:
        """Reserve `size` bytes; False when that would exceed the total."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give(self, size: int) -> None:
        """Return what was taken."""
        self._left += size
