"""Many devices in one process: each lives by itself, a defect in one is its own."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from device_client.emulator.device import EmulatedDevice
from device_client.emulator.factory import device_files, endpoints
from device_client.emulator.life.parts import Surroundings
from device_client.emulator.log import device_logger
from device_client.emulator.settings import Pauses, RunSettings
from device_client.emulator.storage.files import StorageError

WATCHDOG_MIN: Final = 1.0
WATCHDOG_MAX: Final = 60.0
"""Seconds until a device that stopped by a defect is started again."""


def choose(data: Path, select: Sequence[str], first: int, count: int | None) -> list[str]:
    """Names of the devices to run: those selected, else `count` of the sorted ones from number `first` (0 is the
    first). Raises StorageError when a selected one is not there, or none is."""
    present = list(endpoints(data))
    missing = [name for name in select if name not in present]
    if missing:
        raise StorageError(f"no device {missing[0]} in {data}: make it with `lwm2m-device factory make`")
    chosen = list(select) or present[first : None if count is None else first + count]
    if not chosen:
        raise StorageError(f"no devices to run in {data}: make them with `lwm2m-device factory make`")
    return chosen


async def run(data: Path, names: Sequence[str], settings: RunSettings) -> None:
    """Run these devices until SIGTERM or SIGINT. Raises StorageError when none of them can be run."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        lives = [tasks.create_task(_live(data, name, settings, stop), name=name) for name in names]
    problems = [problem for life in lives if (problem := life.result()) is not None]
    if len(problems) == len(lives):
        raise problems[0]


async def _live(data: Path, name: str, settings: RunSettings, stop: asyncio.Event) -> StorageError | None:
    """One device, started again by a watchdog when a defect stops it.

    Returns the problem of a directory that cannot be run: it holds no device, or a damaged one, or one that runs.
    """
    log = device_logger(name)
    outside = Surroundings(settings, log, random.SystemRandom())
    pauses = Pauses(WATCHDOG_MIN, WATCHDOG_MAX, outside.rng)
    started = False
    while not stop.is_set():
        device = EmulatedDevice(device_files(data, name), outside)
        try:
            await device.run(stop)
        except Exception as error:
            started = started or device.started
            if isinstance(error, StorageError) and not started:
                log.warning("device_unusable", problem=str(error))
                return error
            log.exception("device_stopped_by_defect")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pauses.next())
    return None
