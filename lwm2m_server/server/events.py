"""What happens to registrations and devices, for everyone who wants to know.

A callback is called at once and must be quick; an iterator has a bounded queue and drops its oldest event when its
reader is too slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from lwm2m_server.protocol.registrations import Registration

log = structlog.get_logger()

BACKLOG: Final = 1024
"""Events kept for a slow reader."""


@dataclass(slots=True, eq=False)
class Event:
    """Something happened to a device."""

    registration: Registration

    @property
    def endpoint(self) -> str:
        """The device's endpoint name."""
        return self.registration.endpoint


class Registered(Event):
    """It registered, for the first time or again: a session is there, and the registration is stored."""

    __slots__ = ()


class Updated(Event):
    """It sent an Update: it is awake and reachable now."""

    __slots__ = ()


class Deregistered(Event):
    """It left."""

    __slots__ = ()


class Expired(Event):
    """Its lifetime passed without an Update."""

    __slots__ = ()


E = TypeVar("E")


class Events:
    """Callbacks and iterators by type of event."""

    def __init__(self) -> None:
        self._callbacks: dict[type, tuple[Callable[[Any], None], ...]] = {}

    def on(self, kind: type[E], callback: Callable[[E], None]) -> Callable[[], None]:
        """Call `callback` with each event of this type; returns what ends that."""
        self._callbacks[kind] = (*self._callbacks.get(kind, ()), callback)

        def end() -> None:
            self._callbacks[kind] = tuple(one for one in self._callbacks[kind] if one is not callback)

        return end

    def emit(self, event: object) -> None:
        """Tell everyone who wants to know; one that fails keeps no other from it."""
        for callback in self._callbacks.get(type(event), ()):
            try:
                callback(event)
            except Exception:
                log.exception("event_callback_failed", kind=type(event).__name__)

    def wanted(self, kind: type) -> bool:
        """Whether anybody wants this type of event."""
        return bool(self._callbacks.get(kind))

    async def stream(self, *kinds: type[E]) -> AsyncIterator[E]:
        """Events of these types as they happen."""
        queue: asyncio.Queue[E] = asyncio.Queue(BACKLOG)

        def keep(event: E) -> None:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

        ends = [self.on(kind, keep) for kind in kinds]
        try:
            while True:
                yield await queue.get()
        finally:
            for end in ends:
                end()
