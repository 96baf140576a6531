"""Sees every update through: looks at the device, asks the table, stores what it says, does what it says.

One pass per device at a time. What is to be done is read from the store each time, so a restart loses nothing; a pass
ends when the device has to be waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

import structlog

from lwm2m_server.clock import Clock
from lwm2m_server.protocol.errors import AnswerUnusable, DeviceRefused
from lwm2m_server.protocol.firmware import Failure, Phase, Push, Seen, Update
from lwm2m_server.protocol.firmware_table import (
    Action,
    Patience,
    Situation,
    begun_whole,
    cancelled,
    refused,
    step,
    unusable,
)
from lwm2m_server.server.device import Device
from lwm2m_server.server.firmware.component import Component, ComponentUnusable
from lwm2m_server.server.firmware.errors import UnknownFirmware
from lwm2m_server.server.firmware.pulls import Pulls
from lwm2m_server.server.firmware.transfers import DISLIKED, NoWay, Transfers
from lwm2m_server.store import firmware as store
from lwm2m_server.store.database import Database
from objects.firmware import UpdateResult

log = structlog.get_logger()

_MAX_STEPS: Final = 12
"""Steps of one component in one pass, so that no device keeps a pass going."""
_CONFLICTS: Final = frozenset({UpdateResult.CONFLICTING_STATE, UpdateResult.DEPENDENCY_ERROR})
"""Results of which the device names the components that stand in the way."""


@dataclass(frozen=True, slots=True)
class FirmwareProgress:
    """An update has moved on."""

    update: Update

    @property
    def endpoint(self) -> str:
        """The device's endpoint name."""
        return self.update.order.endpoint


class Updates:
    """Works off the updates ordered for a device.

    `registered_at`: when a device last registered, 0 when it is not; `on_progress` hears of every change.
    """

    def __init__(
        self,
        database: Database,
        transfers: Transfers,
        pulls: Pulls,
        clock: Clock,
        *,
        patience: Patience,
        registered_at: Callable[[str], float],
        on_progress: Callable[[FirmwareProgress], None],
    ) -> None:
        self._database = database
        self._transfers = transfers
        self._pulls = pulls
        self._clock = clock
        self._patience = patience
        self._registered_at = registered_at
        self._on_progress = on_progress

    async def run(self, device: Device) -> bool:
        """One pass; True when an update is under way and has to be looked after again. Raises `DeviceOffline`."""
        async with self._database.reading() as connection:
            waiting = await store.open_updates(connection, device.endpoint)
        for _, group in groupby(waiting, key=lambda one: one.batch):
            if await self._batch(list(group), device):
                return True
        return False

    async def cancel(self, numbers: Iterable[int]) -> list[Update]:
        """Take back updates, each with the components it is installed with. Raises `UnknownFirmware`.

        One the device knows of is ended there at the next pass; one that is being installed goes on.
        """
        changed = []
        async with self._database.transaction() as connection:
            for number in numbers:
                if (named := await store.get(connection, number)) is None:
                    raise UnknownFirmware(f"firmware update {number} is not known here")
                for one in await store.batch(connection, named.batch):
                    changed.append(cancelled(one, self._clock.now()))
                    await store.put(connection, [changed[-1]])
        for one in changed:
            self._transfers.stop(one.id)
            self._tell(one)
        return changed

    # --- one pass ---

    async def _batch(self, waiting: list[Update], device: Device) -> bool:
        """Components that are installed together: bring all, then install them by the first one's Update."""
        async with self._database.reading() as connection:
            updates = {one.id: one for one in await store.batch(connection, waiting[0].batch)}
        for one in waiting:
            updates[one.id] = await self._advance(one, updates, device)
        if any(one.phase is Phase.FAILED for one in updates.values()):
            for one in [one for one in updates.values() if one.phase.open]:
                withdrawn = cancelled(one, self._clock.now(), Failure.COMPANION)
                updates[one.id] = await self._store(one, withdrawn)
        return any(one.phase.open for one in updates.values())

    async def _advance(self, update: Update, updates: dict[int, Update], device: Device) -> Update:
        """Follow the table until the device has to be waited for."""
        component = Component(device, update.order.component)
        seen: Seen | None = None
        for _ in range(_MAX_STEPS):
            before = update = self._with_progress(update)
            try:
                seen = seen or Seen(*await component.look(), self._registered_at(device.endpoint))
            except (ComponentUnusable, AnswerUnusable) as error:
                return await self._store(before, unusable(update, str(error), self._clock.now()))
            mates = [one for one in updates.values() if one.id != update.id]
            together = _leads(update, mates) and all(one.phase is Phase.DELIVERED for one in mates)
            situation = Situation(update, seen, self._clock.now(), self._patience, together)
            update, action = step(situation)
            if action is Action.EXECUTE and not _leads(update, mates):
                action = Action.LOOK
            if update.failure is Failure.RESULT and update.result in _CONFLICTS:
                others = ", ".join(map(str, await component.conflicts()))
                update = replace(update, detail=f"conflicts with {others}" if others else "")
            update = await self._store(before, begun_whole(update, self._clock.now()))
            if action is Action.EXECUTE:
                await self._begin_installing(update, mates, updates)
            again = update.phase is not before.phase
            if action is not Action.LOOK:
                update, again = await self._act(action, update, seen, component, mates)
                seen = None
            if not (again and update.phase.open):
                return update
        return update

    def _with_progress(self, update: Update) -> Update:
        """With the bytes the device has fetched by now, which are counted where they are served."""
        fetched = self._pulls.progress(update.token)
        if fetched is None or fetched == update.transferred:
            return update
        return replace(update, transferred=fetched, progress_at=self._clock.now())

    async def _begin_installing(self, leader: Update, mates: Sequence[Update], updates: dict[int, Update]) -> None:
        for one in mates:
            if one.phase is Phase.DELIVERED:
                began = replace(one, phase=Phase.INSTALLING, since=leader.since)
                updates[one.id] = await self._store(one, began)

    async def _act(
        self, action: Action, update: Update, seen: Seen, component: Component, mates: Sequence[Update]
    ) -> tuple[Update, bool]:
        """Do it; returns the update as it is then, and whether to look at the device again at once."""
        try:
            match action:
                case Action.TRANSFER:
                    return await self._transfer(update, seen, component)
                case Action.EXECUTE:
                    await component.update(tuple(one.order.component for one in mates))
                case Action.RESET:
                    await component.reset(update.way)
                case Action.CANCEL:
                    await component.cancel(update.way)
                case Action.LOOK | Action.NOTHING:
                    pass
        except DeviceRefused as refusal:
            return await self._refused(action, update, refusal, component), False
        except (AnswerUnusable, ComponentUnusable) as error:
            return await self._store(update, unusable(update, str(error), self._clock.now())), False
        return update, action in {Action.RESET, Action.CANCEL}

    async def _transfer(self, update: Update, seen: Seen, component: Component) -> tuple[Update, bool]:
        self._pulls.close(update.token)
        try:
            begun = await self._transfers.prepare(update, component)
        except (NoWay, OSError) as error:
            disliked = Failure.RESULT if seen.result > UpdateResult.SUCCESS else Failure.UNSUPPORTED
            failure = Failure.IMAGE if isinstance(error, OSError) else disliked
            return await self._store(update, unusable(update, str(error), self._clock.now(), failure)), False
        begun = await self._store(update, begun)
        if not begun.phase.open or begun.phase is Phase.CANCELLING:
            return begun, True
        try:
            if begun.way is not Push.PUSH:
                await self._transfers.pull(begun, component)
                return begun, False
            return await self._push(begun, seen, component)
        except DeviceRefused as refusal:
            return await self._refused(Action.TRANSFER, await self._stored(begun), refusal, component), False
        except (AnswerUnusable, ComponentUnusable, OSError) as error:
            begun = await self._stored(begun)
            failure = Failure.IMAGE if isinstance(error, OSError) else Failure.OUT_OF_ORDER
            return await self._store(begun, unusable(begun, str(error), self._clock.now(), failure)), False

    async def _stored(self, update: Update) -> Update:
        """The update as it is after a transfer that failed."""
        async with self._database.reading() as connection:
            return await store.get(connection, update.id) or update

    async def _push(self, update: Update, seen: Seen, component: Component) -> tuple[Update, bool]:
        try:
            whole = await self._transfers.push(update, component, seen.state)
        finally:
            update = await self._store(update, self._transfers.pushed(update))
        return update, whole

    async def _refused(self, action: Action, update: Update, refusal: DeviceRefused, component: Component) -> Update:
        """A refused Reset or Cancel changes nothing: what the device shows next decides."""
        log.warning("firmware_refused", endpoint=update.order.endpoint, action=action.name, error=str(refusal))
        if action not in {Action.TRANSFER, Action.EXECUTE}:
            return update
        changed, _ = refused(update, refusal.code, refusal.diagnostic, self._clock.now())
        if changed.failure is not None:
            with suppress(ComponentUnusable, AnswerUnusable):
                _, result = await component.look()
                # A URI it cannot use is no refusal of the image: the next look finds another way.
                changed = replace(update if result in DISLIKED else changed, result=result)
        return await self._store(update, begun_whole(changed, self._clock.now()))

    async def _store(self, before: Update, after: Update) -> Update:
        """Store a change, unless the update was ended or cancelled meanwhile: that counts, and is returned."""
        if after == before:
            return after
        if not after.phase.open:
            self._pulls.close(after.token)
            after = replace(after, token=None)
        async with self._database.transaction() as connection:
            known = await store.get(connection, before.id)
            if known is not None and known.phase is not before.phase:
                after = cancelled(after, self._clock.now(), known.failure) if known.phase.open else known
            await store.put(connection, [after])
        self._tell(after)
        return after

    def _tell(self, update: Update) -> None:
        if not update.phase.open:
            self._transfers.forget(update.id)
            log.info(
                "firmware_update",
                endpoint=update.order.endpoint,
                component=str(update.order.component),
                digest=update.order.digest.hex(),
                phase=update.phase.value,
                result=update.result,
                failure=update.failure and update.failure.value,
            )
        self._on_progress(FirmwareProgress(update))


def _leads(update: Update, mates: Sequence[Update]) -> bool:
    """Whether this is the component whose Update installs all of them."""
    return all(update.id < one.id for one in mates)
