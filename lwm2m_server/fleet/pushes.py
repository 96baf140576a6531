"""Firmware over object 5: a signed SUIT envelope is written, and run unless it is only to be kept.

Each step is stored before the device is told, so that after a crash the device's own state says what is left.
"""

from __future__ import annotations

from enum import IntEnum

import structlog

from lwm2m_server.clock import Clock
from lwm2m_server.fleet.definitions import FIRMWARE
from lwm2m_server.protocol.errors import DeviceRefused
from lwm2m_server.server.device import Device
from lwm2m_server.store import firmware as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.firmware import Push, PushState
from secure_coap.numbers.codes import Code

log = structlog.get_logger()

_PACKAGE = FIRMWARE["Package"]
_UPDATE = FIRMWARE["Update"]
_STATE = FIRMWARE["State"]
_RESULT = FIRMWARE["Update Result"]


class UpdateState(IntEnum):
    """Resource 5/0/3."""

    IDLE = 0
    DOWNLOADING = 1
    DOWNLOADED = 2
    UPDATING = 3


_SUCCESS = 1
"""Resource 5/0/5: updated successfully."""


class Pushes:
    """Works off the pushes ordered for a device."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self, endpoint: str, device: Device) -> bool:
        """One pass; True when a push is under way and has to be looked after again."""
        async with self._database.reading() as connection:
            waiting = await store.open_pushes(connection, endpoint)
        for push in waiting:
            step = self._deliver if push.state is PushState.PENDING else self._follow
            if await step(push, device):
                return True
        return False

    async def _deliver(self, push: Push, device: Device) -> bool:
        async with self._database.reading() as connection:
            firmware = await store.get(connection, push.digest)
        assert firmware is not None, "a push refers to stored firmware"
        try:
            await device.write(_PACKAGE, firmware.envelope)
        except DeviceRefused as refused:
            return await self._refused(push, device, refused)
        state, result = await _read(device)
        if state is not UpdateState.DOWNLOADED:
            return await self._end(push, PushState.FAILED, result)
        if not push.install:
            # The manifest is kept by its digest; the empty package takes it off the way of the next update.
            await device.write(_PACKAGE, b"")
            return await self._end(push, PushState.KEPT, result)
        await self._store(push, PushState.INSTALLING, None)
        return await self._install(push, device)

    async def _follow(self, push: Push, device: Device) -> bool:
        state, result = await _read(device)
        if state is UpdateState.DOWNLOADED:
            return await self._install(push, device)
        if state in {UpdateState.UPDATING, UpdateState.DOWNLOADING}:
            return True
        return await self._end(push, PushState.INSTALLED if result == _SUCCESS else PushState.FAILED, result)

    async def _install(self, push: Push, device: Device) -> bool:
        try:
            await device.execute(_UPDATE.path())
        except DeviceRefused as refused:
            return await self._refused(push, device, refused)
        return True

    async def _refused(self, push: Push, device: Device, refused: DeviceRefused) -> bool:
        """5.xx and 4.05 (an update or a transfer is running) pass; any other refusal is about this manifest."""
        log.warning("firmware_refused", endpoint=push.endpoint, digest=push.digest.hex(), error=str(refused))
        if refused.code.code_class == 5 or refused.code is Code.METHOD_NOT_ALLOWED:
            return True
        _, result = await _read(device)
        return await self._end(push, PushState.FAILED, result)

    async def _end(self, push: Push, state: PushState, result: int | None) -> bool:
        await self._store(push, state, result)
        log.info("firmware_push", endpoint=push.endpoint, digest=push.digest.hex(), state=state.value, result=result)
        return False

    async def _store(self, push: Push, state: PushState, result: int | None) -> None:
        async with self._database.transaction() as connection:
            await store.set_push(connection, push.id, state, self._clock.seconds(), result)


async def _read(device: Device) -> tuple[UpdateState | None, int | None]:
    state = await device.read_value(_STATE)
    result = await device.read_value(_RESULT)
    known = isinstance(state, int) and state in UpdateState.__members__.values()
    return UpdateState(state) if known else None, result if isinstance(result, int) else None  # type: ignore[arg-type]
