"""Security test 16: the power goes at every write to the device's storage, one run for each; the end is one owner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum
from pathlib import Path

import pytest

from device_client.emulator.factory import device_files
from device_client.emulator.storage.files import DeviceFiles
from secure_coap.errors import Forbidden
from tests.device_client.peers import PATIENCE
from tests.device_client.pki import Pki
from tests.device_client.world import TRANSFER, World, execute, world, write


class PowerCut(BaseException):
    """Nothing of the program runs on after this; therefore no Exception that somebody could handle."""


class Moment(Enum):
    """Where in a write the power goes."""

    BEFORE = "nothing of it is there"
    TORN = "a part of it is under its temporary name"


class CuttingFiles(DeviceFiles):
    """Counts what changes the storage; at number `cut_at` the power goes, and nothing is stored any more."""

    def __init__(self, root: Path, cut_at: int | None, moment: Moment) -> None:
        super().__init__(root)
        self._cut_at = cut_at
        self._moment = moment
        self.changes = 0
        self.cut = asyncio.Event()

    def write(self, name: str, data: bytes) -> None:
        self._count(name, data)
        super().write(name, data)

    def erase(self, name: str) -> None:
        self._count(name, b"")
        super().erase(name)

    def _count(self, name: str, data: bytes) -> None:
        self.changes += 1
        if self._cut_at is not None and self.changes >= self._cut_at:
            if self.changes == self._cut_at and self._moment is Moment.TORN and data:
                path = self.path(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.with_name(path.name + ".new").write_bytes(data[: len(data) // 2])
            self.cut.set()
            raise PowerCut


async def transfer_cut_at(scene: World, cut_at: int | None, moment: Moment) -> int:
    """Prepare, order the transfer, cut the power, switch on again; returns how many changes there were."""
    first = scene.switch_on()
    await scene.sp1.registered()
    await scene.prepare()
    await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message()))
    await first.cut_power()
    scene.acknowledge_reports(scene.sp1, scene.sp2)
    files = CuttingFiles(device_files(scene.data, scene.endpoint).root, cut_at, moment)
    device = scene.switch_on(files)
    await start_when_registered(scene)
    settled = asyncio.ensure_future(scene.until(is_settled))
    await asyncio.wait(
        {settled, asyncio.ensure_future(files.cut.wait())}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED
    )
    settled.cancel()
    if files.cut.is_set():
        await device.cut_power()
        scene.switch_on()
        if scene.status()["state"] == "accepted":
            await start_when_registered(scene)
    return files.changes


async def start_when_registered(scene: World) -> None:
    count = len(scene.sp1.registrations)
    await scene.sp1.registered(count + 1)
    await scene.ok(scene.sp1, execute(TRANSFER["Start"]))


def is_settled(status: dict[str, object]) -> bool:
    return status["state"] == "idle" and not status["erase_pending"]


@pytest.mark.parametrize("moment", list(Moment))
async def test_cut_at_every_write_the_device_still_moves(tmp_path: Path, pki: Pki, moment: Moment) -> None:
    async def run(folder: Path, cut_at: int | None) -> int:
        async with world(folder, pki) as scene:
            changes = await transfer_cut_at(scene, cut_at, moment)
            end = await scene.until(lambda s: is_settled(s) and s["epoch"] == 1)
            assert set(end["secrets"]) == {"factory", "epoch 1"}, end["secrets"]  # type: ignore[call-overload]
            assert pki.sp1.anchor.hex() not in end["certificates"]  # type: ignore[operator]
            return changes

    await at_every_write(tmp_path, run)


@pytest.mark.parametrize("moment", list(Moment))
async def test_cut_at_every_write_the_device_still_comes_back(tmp_path: Path, pki: Pki, moment: Moment) -> None:
    async def run(folder: Path, cut_at: int | None) -> int:
        async with world(folder, pki) as scene:
            scene.sp2.refuse = Forbidden("never")
            changes = await transfer_cut_at(scene, cut_at, moment)
            end = await scene.until(lambda s: is_settled(s) and s["result"] == "registration_refused")
            assert end["epoch"] == 0 and end["server_uri"] == scene.sp1.uri
            assert set(end["secrets"]) <= {"factory", "epoch 0"}, end["secrets"]  # type: ignore[call-overload]
            return changes

    await at_every_write(tmp_path, run)


async def at_every_write(tmp_path: Path, run: Callable[[Path, int | None], Awaitable[int]]) -> None:
    changes = await run(folder_for(tmp_path, 0), None)
    assert changes > 10
    for cut_at in range(1, changes + 1):
        await run(folder_for(tmp_path, cut_at), cut_at)


def folder_for(tmp_path: Path, number: int) -> Path:
    folder = tmp_path / f"run-{number}"
    folder.mkdir()
    return folder
