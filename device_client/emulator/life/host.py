"""The state table at work on this device: store the record, answer, then act - in this order, always.

One worker performs the actions one after the other. Actions of a later outcome replace those that have not begun and
end the one that runs: a deadline or Fall Back does not wait for a server that is silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from device_client.emulator.log import Logger
from device_client.emulator.signal import Signal
from device_client.emulator.storage.files import StorageError
from trust_transfer.device import machine
from trust_transfer.device.actions import SUCCESS, Action, Answer, rejection
from trust_transfer.device.events import Event, Tick
from trust_transfer.device.facts import Facts
from trust_transfer.device.record import DeviceRecord
from trust_transfer.messages.numbers import Result

STORAGE_PAUSE = 1.0
"""Seconds until what could not be stored is done again."""
MIN_TICK = 1.0
"""Seconds between two looks at a moment that is already due, as long as nothing else happens."""

Perform = Callable[[Action], Awaitable[Event | None]]
"""Does one action and returns the event it leads to."""


class RecordStore(Protocol):
    """Where the record lives."""

    def load(self) -> DeviceRecord: ...

    def save(self, record: DeviceRecord) -> None:
        """Durably, in one write, before it returns."""


class TransferHost:
    """Owns the device's record; every change of it goes through `handle`."""

    def __init__(self, store: RecordStore, facts: Callable[[], Facts], now: Callable[[], int], log: Logger) -> None:
        self._store = store
        self._facts = facts
        self._now = now
        self._log = log
        self._pending: list[Action] = []
        self._arrived = Signal()
        self._running: asyncio.Task[Event | None] | None = None
        self.record = store.load()
        self.changed = Signal()
        """Fires at every change of the record."""

    def resume(self) -> None:
        """What follows from the stored record after a start."""
        self._take(machine.resume(self.record, self._now(), self._facts()))

    def handle(self, event: Event) -> Answer:
        """Let one event happen. The record is stored when this returns; when it cannot be, nothing has changed."""
        outcome = machine.handle(self.record, event, self._now(), self._facts())
        try:
            self._take(outcome)
        except StorageError as error:
            self._log.warning("storage_failed", problem=str(error))
            return rejection(Result.STORAGE, "the device cannot store")
        return outcome.answer or SUCCESS

    async def work(self, perform: Perform) -> None:
        """Perform actions and let time pass, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._work(perform))
            tasks.create_task(self._keep_time())

    def _take(self, outcome: machine.Outcome) -> None:
        before, after = self.record, outcome.record
        if after != before:
            self._store.save(after)
            self.record = after
            if after.state is not before.state:
                self._log.info("state", state=after.state.name.lower(), result=after.result.name.lower())
        if outcome.actions:
            self._pending = list(outcome.actions)
            self._arrived.fire()
            if self._running is not None:
                self._running.cancel()
        if after != before:
            self.changed.fire()

    async def _work(self, perform: Perform) -> None:
        while True:
            action = await self._next()
            self._running = asyncio.ensure_future(perform(action))
            try:
                await asyncio.wait({self._running})
            finally:
                running, self._running = self._running, None
                running.cancel()
            if not running.cancelled() and not self._carried_through(running):
                self._pending.insert(0, replace(action, delay=STORAGE_PAUSE))

    def _carried_through(self, done: asyncio.Future[Event | None]) -> bool:
        """Let the event of a finished action happen; False when the device could not store what it had to."""
        try:
            event = done.result()
        except StorageError as error:
            self._log.warning("storage_failed", problem=str(error))
            return False
        return event is None or self.handle(event).result is not Result.STORAGE

    async def _next(self) -> Action:
        """The next action, once its pause is over; another one when others have come meanwhile."""
        while True:
            if not self._pending:
                await self._arrived.next()
            elif self._pending[0].delay <= 0 or not await self._arrived.wait(self._pending[0].delay):
                return self._pending.pop(0)

    async def _keep_time(self) -> None:
        """Send Tick whenever one is due."""
        while True:
            due = machine.next_timer(self.record, self._now(), self._facts())
            pause = None if due is None else max(float(due - self._now()), MIN_TICK)
            if not await self.changed.wait(pause):
                self.handle(Tick())
