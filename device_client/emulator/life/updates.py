"""When the next registration update is due: half the lifetime after the last contact, sooner while a report waits."""

from __future__ import annotations

from collections.abc import Callable

from device_client.emulator.settings import Pauses


class Updates:
    """Times in seconds; `clock` is monotonic."""

    def __init__(self, lifetime: Callable[[], int], pauses: Pauses, clock: Callable[[], float]) -> None:
        self._lifetime = lifetime
        self._pauses = pauses
        self._clock = clock
        self._last_contact = clock()
        self._announced: bytes | None = None
        """The report the server was told about by an update."""
        self._announce_at = 0.0

    def contacted(self) -> None:
        """The server has just answered a registration or an update."""
        self._last_contact = self._clock()
        self._announce_at = self._last_contact + self._pauses.next()

    def due_in(self, report: bytes | None) -> float:
        """Seconds until the next one. A report not yet announced is due at once, then after growing pauses."""
        regular = self._last_contact + self._lifetime() / 2
        if report is not None and report != self._announced:
            self._announced = report
            self._pauses.reset()
            self._announce_at = self._clock()
        due = regular if report is None else min(regular, self._announce_at)
        return max(0.0, due - self._clock())
