"""The queue of one device, sans-IO: what waits for it, what is on its way, and when it can be reached.

A device in queue mode (LwM2M Core 1.2, 6.5) listens for a while after its last message and then sleeps. Operations
for it wait here and are delivered one at a time, by priority, then by age, whenever it is awake; a device without
queue mode counts as awake from the moment it is heard until a request to it stays without an answer.

Every method takes the moment and returns what to do, in order. A `Store` is durable before the next action is begun:
so an entry is known to be in flight before a byte of it is sent, and after a crash nothing is lost or sent unawares.
What was in flight then has an unknown outcome. It is delivered again if that does no harm (`Operation.idempotent`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeAlias

from lwm2m_server.protocol.orders import Operation, Order
from secure_coap.numbers.codes import Code

AWAKE_TIME: Final = 93.0
"""Seconds a device in queue mode listens after its last message: MAX_TRANSMIT_WAIT (LwM2M Core 1.2, 6.5)."""
MAX_DETAIL: Final = 200
"""Characters kept of what a device says about a refusal."""


class EntryState(StrEnum):
    """How far an entry is. All but the first two are outcomes and final."""

    WAITING = "waiting"
    IN_FLIGHT = "in flight"
    DONE = "done"
    """The device answered with success."""
    REFUSED = "refused"
    """The device answered with an error, or what it answered cannot be used."""
    UNKNOWN = "unknown"
    """It was sent and no answer came; whether the device acted on it is not known, and a repetition might do harm."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"

    @property
    def open(self) -> bool:
        """Whether something is still to come."""
        return self in {EntryState.WAITING, EntryState.IN_FLIGHT}


class QueueFull(Exception):
    """The device's queue holds as much as it may. Nothing was added."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one device's queue may hold."""

    entries: int = 64
    octets: int = 256 * 1024
    """Of all orders together, in the form they are stored in."""


STANDARD_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device answered: its code, its words, and with success the values or links in the order's own format."""

    code: Code | None
    """None: nothing was sent, because the order can no longer be carried out."""
    detail: str = ""
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation for one device. Times are seconds since 1970; of two entries the one with the lower `id` is older.

    `priority`: higher goes first. `attempts`: how often it was begun to be sent.
    """

    id: int
    order: Order
    priority: int
    created_at: float
    expires_at: float
    """Not begun at or after this moment."""
    state: EntryState = EntryState.WAITING
    attempts: int = 0
    ended_at: float | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """Make the entry durable as it is here, before anything that follows."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send the entry's order; tell the queue by `answered`, `unanswered` or `not_sent` what came of it."""

    entry: Entry


Action: TypeAlias = Store | Deliver


class DeviceQueue:
    """The open entries of one device."""

    def __init__(self, entries: Iterable[Entry] = (), limits: Limits = STANDARD_LIMITS) -> None:
        self._entries = {entry.id: entry for entry in entries}
        self._limits = limits
        self._heard_at = -math.inf
        self._awake_time = 0.0
        self._awake = False
        self._sent_at = -math.inf

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def in_flight(self) -> Entry | None:
        """The entry on its way, if any; never more than one."""
        return next((entry for entry in self._entries.values() if entry.state is EntryState.IN_FLIGHT), None)

    def is_awake(self, now: float) -> bool:
        """Whether the device can be expected to listen."""
        return self._awake and now < self._heard_at + self._awake_time

    # --- what happens ---

    def restarted(self, now: float) -> tuple[Action, ...]:
        """First of all after the entries were read from the store: settle what was in flight when the process ended."""
        entry = self.in_flight
        return () if entry is None else (self._uncertain(entry, now),)

    def check_room(self, order: Order) -> None:
        """Raise `QueueFull` unless one more entry with this order may be added."""
        octets = sum(entry.order.size for entry in self._entries.values()) + order.size
        if len(self._entries) >= self._limits.entries or octets > self._limits.octets:
            raise QueueFull(
                f"the device's queue is full ({self._limits.entries} entries, {self._limits.octets} bytes): "
                "wait for entries to end or cancel some"
            )

    def add(self, entry: Entry, now: float) -> tuple[Action, ...]:
        """A new entry, durable already."""
        self._entries[entry.id] = entry
        return self._next(now)

    def cancel(self, entry_id: int, now: float) -> tuple[Action, ...]:
        """Take back an entry that waits; one that is in flight, or has ended, is left as it is."""
        entry = self._entries.get(entry_id)
        if entry is None or entry.state is not EntryState.WAITING:
            return ()
        return (self._end(entry, EntryState.CANCELLED, now),)

    def heard(self, at: float, awake_time: float | None, now: float) -> tuple[Action, ...]:
        """A message of the device arrived at `at`, now or before.

        `awake_time`: seconds it listens after its last message; None: it is not in queue mode. A message from before a
        request that stayed without an answer wakes nobody.
        """
        self._heard_at = max(at, self._heard_at)
        self._awake = self._awake or at > self._sent_at
        self._awake_time = math.inf if awake_time is None else awake_time
        return self._next(now)

    def gone(self) -> None:
        """The device cannot be reached until it is heard again: it deregistered, or its session ended."""
        self._awake = False

    def answered(self, entry_id: int, answer: Answer, now: float) -> tuple[Action, ...]:
        """The device's answer, which is a message of it too."""
        if (entry := self._flying(entry_id)) is None:
            return ()
        self._heard_at = now
        self._awake = True
        done = (answer.code is not None and answer.code.is_success) or _deleted_before(entry, answer)
        kept = replace(answer, detail=answer.detail[:MAX_DETAIL])
        state = EntryState.DONE if done else EntryState.REFUSED
        return (self._end(replace(entry, answer=kept), state, now), *self._next(now))

    def unanswered(self, entry_id: int, now: float) -> tuple[Action, ...]:
        """It was sent, and no answer came in time. The device is taken for asleep unless it was heard meanwhile."""
        if (entry := self._flying(entry_id)) is None:
            return ()
        if self._heard_at <= self._sent_at:
            self.gone()
        return (self._uncertain(entry, now), *self._next(now))

    def not_sent(self, entry_id: int, now: float) -> tuple[Action, ...]:
        """The device could not be reached, so that nothing was sent."""
        if (entry := self._flying(entry_id)) is None:
            return ()
        if self._heard_at <= self._sent_at:
            self.gone()
        waiting = replace(entry, state=EntryState.WAITING, attempts=entry.attempts - 1)
        return (self._change(waiting), *self._next(now))

    def timer(self, now: float) -> tuple[Action, ...]:
        """A moment has come: end what has expired."""
        expired = [entry for entry in self._waiting() if entry.expires_at <= now]
        return tuple(self._end(entry, EntryState.EXPIRED, now) for entry in expired)

    def next_timer(self) -> float | None:
        """When the next waiting entry expires."""
        return min((entry.expires_at for entry in self._waiting()), default=None)

    # --- what follows ---

    def _flying(self, entry_id: int) -> Entry | None:
        """The entry if it is in flight; one that was settled meanwhile is not any more."""
        entry = self._entries.get(entry_id)
        return entry if entry is not None and entry.state is EntryState.IN_FLIGHT else None

    def _waiting(self) -> list[Entry]:
        waiting = (entry for entry in self._entries.values() if entry.state is EntryState.WAITING)
        return sorted(waiting, key=lambda entry: (-entry.priority, entry.id))

    def _next(self, now: float) -> tuple[Action, ...]:
        """Deliver the first entry that may still go, when the device listens and nothing is in flight."""
        expired = self.timer(now)
        if not self.is_awake(now) or self.in_flight is not None or not (waiting := self._waiting()):
            return expired
        entry = replace(waiting[0], state=EntryState.IN_FLIGHT, attempts=waiting[0].attempts + 1)
        self._sent_at = now
        return (*expired, self._change(entry), Deliver(entry))

    def _uncertain(self, entry: Entry, now: float) -> Store:
        if entry.order.operation.idempotent:
            return self._change(replace(entry, state=EntryState.WAITING))
        return self._end(entry, EntryState.UNKNOWN, now)

    def _change(self, entry: Entry) -> Store:
        self._entries[entry.id] = entry
        return Store(entry)

    def _end(self, entry: Entry, state: EntryState, now: float) -> Store:
        del self._entries[entry.id]
        return Store(replace(entry, state=state, ended_at=now))


def _deleted_before(entry: Entry, answer: Answer) -> bool:
    """A Delete that is sent again finds nothing: the first one arrived, its answer did not."""
    return entry.order.operation is Operation.DELETE and entry.attempts > 1 and answer.code is Code.NOT_FOUND
