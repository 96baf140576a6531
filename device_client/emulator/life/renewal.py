"""When the next certificate is due: by its age or by order, and after a failure not before a growing pause."""

from __future__ import annotations

from collections.abc import Callable

from device_client.emulator.settings import Pauses


class Renewal:
    """Times in seconds; `clock` is monotonic, `age` gives the seconds until the certificate's age demands renewal."""

    def __init__(self, age: Callable[[], float | None], pauses: Pauses, clock: Callable[[], float]) -> None:
        self._age = age
        self._pauses = pauses
        self._clock = clock
        self._ordered = False
        self._not_before = 0.0

    def order(self) -> None:
        """The server wants it now."""
        self._ordered = True
        self._not_before = 0.0

    def due_in(self) -> float | None:
        """Seconds until it is to be tried; None when nothing is known to come."""
        due = 0.0 if self._ordered else self._age()
        return None if due is None else max(due, self._not_before - self._clock(), 0.0)

    def failed(self) -> None:
        self._not_before = self._clock() + self._pauses.next()

    def done(self) -> None:
        self._ordered = False
        self._not_before = 0.0
        self._pauses.reset()
