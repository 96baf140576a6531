"""Many devices in one process: each lives by itself, a defect in one is its own."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from device_client.emulator.device import EmulatedDevice
from device_client.emulator.factory import device_files, endpoints
from device_client.emulator.life.parts import Surroundings
from device_client.emulator.log import Logger, device_logger
from device_client.emulator.plain.device import PlainDevice
from device_client.emulator.plain.settings import ClientSettings
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


class Runs(Protocol):
    """A device that lives until it is switched off."""

    started: bool
    """Whether it could begin to live."""

    async def run(self, off: asyncio.Event) -> None:
        """Raises StorageError when there is nothing that could be run."""


SwitchOn: TypeAlias = Callable[[Logger, random.Random], Runs]
"""Makes a device anew, at first and after each defect."""


def installed(data: Path, name: str, settings: RunSettings) -> SwitchOn:
    """The device of this name that was made and installed in `data`."""

    def switch_on(log: Logger, rng: random.Random) -> Runs:
        return EmulatedDevice(device_files(data, name), Surroundings(settings, log, rng))

    return switch_on


def standard(endpoint: str, settings: ClientSettings, data: Path | None) -> SwitchOn:
    """A standard client of this name; its accounts are kept in `data`, if there is one."""

    def switch_on(log: Logger, rng: random.Random) -> Runs:
        files = None if data is None else device_files(data, endpoint)
        return PlainDevice(endpoint, settings, log, rng, files)

    return switch_on


async def run(devices: Mapping[str, SwitchOn]) -> None:
    """Run these devices until SIGTERM or SIGINT. Raises StorageError when none of them can be run."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as tasks:
        lives = [tasks.create_task(_live(name, switch_on, stop), name=name) for name, switch_on in devices.items()]
    problems = [problem for life in lives if (problem := life.result()) is not None]
    if len(problems) == len(lives):
        raise problems[0]


async def _live(name: str, switch_on: SwitchOn, stop: asyncio.Event) -> StorageError | None:
    """One device, started again by a watchdog when a defect stops it.

    Returns the problem of a directory that cannot be run: it holds no device, or a damaged one, or one that runs.
    """
    log, rng = device_logger(name), random.SystemRandom()
    pauses = Pauses(WATCHDOG_MIN, WATCHDOG_MAX, rng)
    started = False
    while not stop.is_set():
        device: Runs | None = None
        try:
            device = switch_on(log, rng)
            await device.run(stop)
        except Exception as error:
            started = started or (device is not None and device.started)
            if isinstance(error, StorageError) and not started:
                log.warning("device_unusable", problem=str(error))
                return error
            log.exception("device_stopped_by_defect")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pauses.next()):
                    await stop.wait()
    return None
