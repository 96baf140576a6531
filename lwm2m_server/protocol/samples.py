"""Values with their moment, as notifications and Send bring them (LwM2M Core 1.2, 6.4; RFC 8428 section 4.5.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from objects.formats.records import Record
from objects.path import Path
from objects.values import Value

_ABSOLUTE: Final = 2**28
"""SenML times below this are seconds from now."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A value at a moment, seconds since 1970."""

    path: Path
    value: Value
    at: float


def resolved(records: Iterable[Record], now: float) -> tuple[Sample, ...]:
    """Records with their moments: as the device says, else `now`. No device measures in the future."""
    return tuple(Sample(one.path, one.value, _moment(one.time, now)) for one in records)


def _moment(time: float | None, now: float) -> float:
    if time is None:
        return now
    return min(now, time if time >= _ABSOLUTE else now + time)
