"""Who of the devices plays which part, and in which process each of them runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SMALLEST = 4


@dataclass(frozen=True, slots=True)
class Cast:
    """Endpoint names by part. Everybody but the first three is to move."""

    refused: str
    """CA2's operator has removed its entry: it has to fall back."""
    cancelled: str
    """SP1's operator cancels its transfer before the window opens."""
    sleeper: str
    """It is switched off from before its window opens until after it has closed."""
    movers: tuple[str, ...]

    @classmethod
    def of(cls, endpoints: Sequence[str]) -> Cast:
        refused, cancelled, sleeper, *movers = sorted(endpoints)
        return cls(refused, cancelled, sleeper, tuple(movers))

    @property
    def processes(self) -> dict[str, tuple[str, ...]]:
        """Process name → devices in it. The sleeper has one of its own, so that it can be switched off alone."""
        others = (self.refused, self.cancelled, *self.movers)
        half = (len(others) + 1) // 2
        return {"devices-1": others[:half], "devices-2": others[half:], "sleeper": (self.sleeper,)}

    @property
    def cloned(self) -> str:
        """The device whose directory somebody copies before its reset."""
        return self.movers[0]
