"""Queues at work: entries are stored, delivered when their device is awake, and their outcome is kept for a while.

The queue of a device is in memory only while it is being worked off; what waits for all the others is in the store.
While nothing waits for anybody, nothing is looked at when a device is heard.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakValueDictionary

import structlog

from lwm2m_server.clock import Clock
from lwm2m_server.protocol.errors import AnswerUnusable, DeviceRefused
from lwm2m_server.protocol.orders import Order
from lwm2m_server.protocol.queue import (
    Action,
    Answer,
    Deliver,
    DeviceQueue,
    Entry,
    Limits,
    Store,
)
from lwm2m_server.server.events import Events
from lwm2m_server.server.pending import Pending
from lwm2m_server.server.sessions import DeviceOffline, NotConnected
from lwm2m_server.settings import QueueSettings
from lwm2m_server.store import queue as store
from lwm2m_server.store.database import Database
from objects.errors import ObjectsError
from objects.model import ObjectModel
from secure_coap.numbers.codes import Code

log = structlog.get_logger()

MAX_EXPIRY: Final = 365 * 86_400.0
MAX_PRIORITY: Final = 100
SWEEP: Final = 1.0
"""Seconds between two looks for entries whose time is over."""
_FORGET_EVERY: Final = 3600.0


class UnknownEntry(LookupError):
    """The device's queue has no entry of that number."""


class WrongEntry(ValueError):
    """An entry that cannot be: its expiry or priority is out of bounds."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An entry has its outcome."""

    endpoint: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Presence:
    """A device that can be reached: when it was last heard, and how long it then listens; None: always."""

    heard_at: float
    awake_time: float | None


class Queued:
    """An entry that was added. Awaiting it waits for its outcome: the entry as it ended.

    queued = await server.device("ep").enqueue("write", "/3/0/14", value="+02")
    outcome = await queued
    """

    def __init__(self, endpoint: str, entry: Entry, queues: Queues) -> None:
        self.endpoint = endpoint
        self.id = entry.id
        self._queues = queues

    def __await__(self) -> Generator[Any, None, Entry]:
        return self._queues.outcome(self.endpoint, self.id).__await__()

    async def cancel(self) -> Entry:
        """Take it back, unless it is on its way; returns the entry as it is then."""
        return await self._queues.cancel(self.endpoint, self.id)


class Queues:
    """The queues of all devices.

    `carry_out` sends one order to a device that is awake. `presence`: whether a device can be reached, as far as known.
    """

    def __init__(
        self,
        database: Database,
        events: Events,
        clock: Clock,
        *,
        carry_out: Callable[[str, Order], Awaitable[Answer]],
        presence: Callable[[str], Presence | None],
        model: ObjectModel,
        settings: QueueSettings,
    ) -> None:
        self.model = model
        self._database = database
        self._events = events
        self._clock = clock
        self._carry_out = carry_out
        self._presence = presence
        self._settings = settings
        self._limits = Limits(settings.max_entries, settings.max_bytes)
        self._pending = Pending(events, self.heard, self._gone)
        self._queues: dict[str, DeviceQueue] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiters: dict[int, list[asyncio.Future[Entry]]] = {}
        self._forgotten_at = 0.0
        self.outcomes: Counter[str] = Counter()

    # --- life ---

    async def resume(self) -> None:
        """Take up what waited before a restart; what was in flight then is settled at once."""
        async with self._database.reading() as connection:
            self._pending.update(await store.endpoints(connection))
            in_flight = await store.endpoints_in_flight(connection)
        for endpoint in in_flight:
            await self._change(endpoint, lambda queue, now: ())
        for endpoint in self._pending:
            if self._presence(endpoint) is not None:
                self.heard(endpoint)
        self._spawn(self._sweep())

    async def close(self) -> None:
        """Stop; what is in flight is settled after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for waiter in (one for waiters in self._waiters.values() for one in waiters):
            waiter.cancel()

    def heard(self, endpoint: str) -> None:
        """A device has sent something: it is awake."""
        if endpoint in self._pending:
            self._spawn(self._change(endpoint, self._heard_step(endpoint)))

    # --- entries ---

    async def add(self, endpoint: str, order: Order, *, priority: int = 0, expires_in: float | None = None) -> Queued:
        """Store an entry, and deliver it at once if the device is awake. Raises `QueueFull`, `WrongEntry`."""
        lifetime = self._settings.default_expiry if expires_in is None else expires_in
        if not 0 < lifetime <= MAX_EXPIRY:
            raise WrongEntry(f"an entry expires within {MAX_EXPIRY:.0f} seconds, in more than 0")
        if not 0 <= priority <= MAX_PRIORITY:
            raise WrongEntry(f"a priority is 0..{MAX_PRIORITY}")
        async with self._lock(endpoint):
            queue, actions = await self._load(endpoint)
            await self._carry_out_actions(endpoint, actions)
            queue.check_room(order)
            now = self._clock.now()
            async with self._database.transaction() as connection:
                entry = await store.add(
                    connection, endpoint, order, priority=priority, now=now, expires_at=now + lifetime
                )
            self._pending.add(endpoint)
            await self._carry_out_actions(endpoint, queue.add(entry, now))
            self._unload(endpoint, queue)
        return Queued(endpoint, entry, self)

    async def entries(self, endpoint: str, limit: int = 1000) -> list[Entry]:
        """A device's entries, the newest first: open ones, and ended ones that are still kept."""
        async with self._database.reading() as connection:
            return await store.all_entries(connection, endpoint, limit)

    async def get(self, endpoint: str, number: int) -> Entry:
        """One entry. Raises `UnknownEntry`."""
        async with self._database.reading() as connection:
            entry = await store.get(connection, endpoint, number)
        if entry is None:
            raise UnknownEntry(f"the queue of {endpoint!r} has no entry {number}")
        return entry

    async def cancel(self, endpoint: str, number: int) -> Entry:
        """Take back an entry that waits. Raises `UnknownEntry`."""
        await self.get(endpoint, number)
        await self._change(endpoint, lambda queue, now: queue.cancel(number, now))
        return await self.get(endpoint, number)

    async def outcome(self, endpoint: str, number: int) -> Entry:
        """The entry once it has ended. Raises `UnknownEntry`."""
        waiter: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(number, [])
        waiters.append(waiter)
        try:
            entry = await self.get(endpoint, number)
            return await waiter if entry.state.open else entry
        finally:
            waiters.remove(waiter)
            if not waiters:
                self._waiters.pop(number, None)

    # --- steps of one device's queue ---

    async def _change(self, endpoint: str, step: Callable[[DeviceQueue, float], tuple[Action, ...]]) -> None:
        async with self._lock(endpoint):
            queue, actions = await self._load(endpoint)
            await self._carry_out_actions(endpoint, (*actions, *step(queue, self._clock.now())))
            self._unload(endpoint, queue)

    def _lock(self, endpoint: str) -> asyncio.Lock:
        lock = self._locks.get(endpoint)
        if lock is None:
            lock = self._locks[endpoint] = asyncio.Lock()
        return lock

    async def _load(self, endpoint: str) -> tuple[DeviceQueue, tuple[Action, ...]]:
        """The queue from memory or the store; from the store with what is to be done first."""
        queue = self._queues.get(endpoint)
        if queue is not None:
            return queue, ()
        async with self._database.reading() as connection:
            queue = DeviceQueue(await store.open_entries(connection, endpoint), self._limits)
        self._queues[endpoint] = queue
        now = self._clock.now()
        return queue, (*queue.restarted(now), *self._heard_step(endpoint)(queue, now))

    def _heard_step(self, endpoint: str) -> Callable[[DeviceQueue, float], tuple[Action, ...]]:
        def step(queue: DeviceQueue, now: float) -> tuple[Action, ...]:
            presence = self._presence(endpoint)
            return () if presence is None else queue.heard(presence.heard_at, presence.awake_time, now)

        return step

    async def _carry_out_actions(self, endpoint: str, actions: tuple[Action, ...]) -> None:
        """Store what changed, then send. What could not be stored never happened: the store is read again."""
        changed = [action.entry for action in actions if isinstance(action, Store)]
        if changed and not await self._stored(endpoint, changed):
            return
        for entry in changed:
            if not entry.state.open:
                self._ended(endpoint, entry)
        for action in actions:
            if isinstance(action, Deliver):
                self._spawn(self._deliver(endpoint, action.entry))

    def _unload(self, endpoint: str, queue: DeviceQueue) -> None:
        """Keep in memory only what is being worked off."""
        if not len(queue):
            self._pending.discard(endpoint)
        if queue.in_flight is None and (not len(queue) or not queue.is_awake(self._clock.now())):
            self._queues.pop(endpoint, None)

    async def _stored(self, endpoint: str, changed: list[Entry]) -> bool:
        """False when the store says otherwise, because the device has left meanwhile."""
        stored = False
        try:
            async with self._database.transaction() as connection:
                stored = await store.put(connection, changed)
        finally:
            if not stored:
                self._queues.pop(endpoint, None)
        return stored

    @property
    def devices_waited_for(self) -> int:
        """Devices for which something waits."""
        return len(self._pending)

    def _ended(self, endpoint: str, entry: Entry) -> None:
        self.outcomes[entry.state.value] += 1
        log.info("queue_entry_ended", endpoint=endpoint, entry=entry.id, outcome=entry.state.value)
        for waiter in self._waiters.get(entry.id, ()):
            if not waiter.done():
                waiter.set_result(entry)
        self._events.emit(Ended(endpoint, entry))

    # --- delivery ---

    async def _deliver(self, endpoint: str, entry: Entry) -> None:
        try:
            answer = await self._carry_out(endpoint, entry.order)
        except NotConnected:
            await self._change(endpoint, lambda queue, now: queue.not_sent(entry.id, now))
        except DeviceOffline:
            await self._change(endpoint, lambda queue, now: queue.unanswered(entry.id, now))
        except DeviceRefused as refused:
            await self._answered(endpoint, entry, Answer(refused.code, refused.diagnostic))
        except AnswerUnusable as error:
            await self._answered(endpoint, entry, Answer(None, str(error)))
        except ObjectsError as error:
            await self._answered(endpoint, entry, Answer(None, str(error)))
        except Exception:
            log.exception("queue_delivery_failed", endpoint=endpoint, entry=entry.id)
            await self._answered(endpoint, entry, Answer(Code.INTERNAL_SERVER_ERROR, "a defect of this server"))
        else:
            await self._answered(endpoint, entry, answer)

    async def _answered(self, endpoint: str, entry: Entry, answer: Answer) -> None:
        await self._change(endpoint, lambda queue, now: queue.answered(entry.id, answer, now))

    # --- time and events ---

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP)
            try:
                await self.sweep()
            except Exception:
                log.exception("queue_sweep_failed")

    async def sweep(self) -> None:
        """End what has expired; forget outcomes that were kept long enough."""
        now = self._clock.now()
        if self._pending:
            async with self._database.reading() as connection:
                expiring = await store.endpoints_expiring(connection, now)
            for endpoint in expiring:
                await self._change(endpoint, lambda queue, moment: queue.timer(moment))
        if now - self._forgotten_at >= _FORGET_EVERY:
            self._forgotten_at = now
            async with self._database.transaction() as connection:
                await store.forget(connection, now - self._settings.keep_outcomes_days * 86_400)

    def _gone(self, endpoint: str) -> None:
        if (queue := self._queues.get(endpoint)) is not None:
            queue.gone()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
