"""One emulated device: from power on to power off."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from device_client.emulator.life.housekeeping import erase_rubbish
from device_client.emulator.life.management import Management
from device_client.emulator.life.parts import Parts, Surroundings, assemble
from device_client.emulator.life.performer import Performer
from device_client.emulator.orders import Order
from device_client.emulator.storage.files import DeviceFiles

WIRE_REPORT: Final = 2.0
"""Seconds between two reports of the bytes counted."""
GOODBYE: Final = 2.0
"""Seconds a device gets to deregister when it is switched off."""


class EmulatedDevice:
    """The device whose directory this is."""

    def __init__(self, files: DeviceFiles, outside: Surroundings) -> None:
        self._files = files
        self._outside = outside
        self.started = False
        """Whether the directory held a device that could begin to live."""

    async def run(self, off: asyncio.Event) -> None:
        """Live until `off` is set, then deregister and end. Cancelled, it ends at once, like a power cut.

        Raises StorageError when the directory holds no installed device, or another process runs it.
        """
        with self._files.alone():
            await self._run(off)

    async def _run(self, off: asyncio.Event) -> None:
        parts = assemble(self._files, self._outside)
        erase_rubbish(parts)
        if parts.firmware.updating:
            parts.orders.give(Order.FIRMWARE)
        parts.host.resume()
        self.started = True
        parts.log.info("started", state=parts.host.record.state.name.lower(), epoch=parts.host.record.epoch)
        life = asyncio.ensure_future(self._live(parts))
        try:
            switched_off = asyncio.ensure_future(off.wait())
            await asyncio.wait({life, switched_off}, return_when=asyncio.FIRST_COMPLETED)
            switched_off.cancel()
            if life.done():
                life.result()
            else:
                await self._say_goodbye(parts, life)
        finally:
            life.cancel()
            # A power cut has nobody left to tell what went wrong in the moment it came.
            life.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            parts.links.abandon()
            parts.sessions.report_wire()

    async def _live(self, parts: Parts) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(parts.host.work(Performer(parts).perform))
            tasks.create_task(Management(parts).run())
            tasks.create_task(parts.firmware.run_downloads())
            tasks.create_task(parts.simulation.run())
            tasks.create_task(self._report_wire(parts))

    async def _say_goodbye(self, parts: Parts, life: asyncio.Future[None]) -> None:
        life.cancel()
        await asyncio.wait({life})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await parts.links.drop(deregister=True)
        parts.log.info("stopped")

    async def _report_wire(self, parts: Parts) -> None:
        while True:
            await asyncio.sleep(WIRE_REPORT)
            parts.sessions.report_wire()
