"""Devices for which something waits. While there are none, nobody listens to what devices send."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from lwm2m_server.server.events import Deregistered, Event, Events, Expired, Registered, Updated


class Pending:
    """A set of endpoint names. `heard` is told of each that registers or updates, `gone` of each that leaves."""

    def __init__(
        self, events: Events, heard: Callable[[str], None], gone: Callable[[str], None] = lambda _: None
    ) -> None:
        self._events = events
        self._callbacks = {Registered: heard, Updated: heard, Deregistered: gone, Expired: gone}
        self._names: set[str] = set()
        self._ends: list[Callable[[], None]] = []

    def __contains__(self, endpoint: str) -> bool:
        return endpoint in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._names))

    def __len__(self) -> int:
        return len(self._names)

    def add(self, endpoint: str) -> None:
        """Something waits for this device."""
        self.update((endpoint,))

    def update(self, endpoints: Iterable[str]) -> None:
        """Something waits for these devices."""
        self._names.update(endpoints)
        if self._names and not self._ends:
            self._ends = [self._events.on(kind, self._teller(tell)) for kind, tell in self._callbacks.items()]

    def discard(self, endpoint: str) -> None:
        """Nothing waits for this device any more."""
        self._names.discard(endpoint)
        if not self._names:
            for end in self._ends:
                end()
            self._ends = []

    def _teller(self, tell: Callable[[str], None]) -> Callable[[Event], None]:
        def told(event: Event) -> None:
            if event.endpoint in self._names:
                tell(event.endpoint)

        return told
