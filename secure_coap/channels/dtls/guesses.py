"""Who tries pre-shared keys: five wrong ones from one source within a minute, and it waits for a minute."""

from __future__ import annotations

from typing import Final

from secure_coap.limits import Limits

_WINDOW: Final = 60.0
_SOURCES: Final = 10_000
"""Sources remembered; each has proven its address by a cookie."""


class Guesses:
    """The last wrong guesses of each source, the source that guessed last at the end."""

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.guesses_per_source
        self._pause = limits.guess_pause
        self._times: dict[str, list[float]] = {}

    def add(self, source: str | None, now: float) -> None:
        """A Finished that did not open."""
        if source is None:
            return
        recent = [time for time in self._times.pop(source, ()) if now - time < _WINDOW]
        self._times[source] = [*recent, now][-self._limit :]
        self._forget_old(now)

    def take_back(self, source: str | None, time: float) -> None:
        """The handshake counted at `time` has finished after all: a record was forged, or came too early."""
        times = self._times.get(source) if source is not None else None
        if times is not None and time in times:
            times.remove(time)

    def paused(self, source: str | None, now: float) -> bool:
        """Whether nothing is accepted from there for now."""
        times = self._times.get(source) if source is not None else None
        return times is not None and len(times) >= self._limit and now - times[-1] < self._pause

    def _forget_old(self, now: float) -> None:
        keep = max(_WINDOW, self._pause)
        while self._times:
            source, times = next(iter(self._times.items()))
            if len(self._times) <= _SOURCES and times and now - times[-1] < keep:
                return
            del self._times[source]
