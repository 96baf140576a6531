"""The wall clock, as a value that tests replace."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """`source` returns seconds since 1970."""

    source: Callable[[], float] = time.time

    def now(self) -> float:
        """Seconds since 1970, with fractions."""
        return self.source()

    def seconds(self) -> int:
        """Whole seconds since 1970."""
        return int(self.source())

    def datetime(self) -> datetime:
        """The same as an aware time."""
        return datetime.fromtimestamp(self.source(), UTC)
