"""The power goes at every write while a manifest is taken and installed: the old state is there or the new one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from cose.keys import authority_key
from device_client.emulator.log import device_logger
from device_client.emulator.lwm2m.firmware.component import Component
from device_client.emulator.lwm2m.firmware.fetching import Source
from device_client.emulator.settings import Pauses
from device_client.emulator.software.software import Software
from device_client.emulator.software.suit_packages import SuitPackages
from device_client.emulator.storage.files import DeviceFiles, Files
from device_client.emulator.storage.manifests import Manifests
from device_client.emulator.storage.software import SoftwareStore
from objects.firmware import UpdateResult, UpdateState
from suit.recipient import DeviceDescription
from suit.templates import IMAGE, component_id
from tests.device_client.test_plain_suit import CLASS, KEY, NEW, OLD, VENDOR, signed
from tests.device_client.test_power_cuts import CuttingFiles, Moment, PowerCut

PLACE = "firmware/firmware/"
PACKAGE = signed(NEW)


def component(files: Files) -> Component:
    log = device_logger("sensor")

    def nowhere(uri: str) -> Source:
        raise AssertionError(uri)

    async def nothing(uri: str) -> bytes:
        raise AssertionError(uri)

    device = DeviceDescription(VENDOR, CLASS)
    store = SoftwareStore.opened(files, PLACE, OLD)
    software = Software(store, Manifests(files, PLACE), device, tuple, log)
    return Component(
        "firmware",
        packages=SuitPackages(software, lambda: authority_key(KEY.public_key()), nothing, log),
        open_source=nowhere,
        pauses=lambda: Pauses(0.1, 1.0, random.Random(1)),
        now=lambda: 0,
        touch=lambda: None,
        log=log,
        files=files,
    )


async def go_on(one: Component) -> None:
    """What server and device do from wherever they are."""
    if one.now.state is UpdateState.IDLE and one.now.result is not UpdateResult.SUCCESS:
        one.take(PACKAGE)
    if one.now.state is UpdateState.DOWNLOADED:
        one.update()
    if one.updating:
        assert await one.install()


@pytest.mark.parametrize("moment", list(Moment))
async def test_cut_at_every_write_the_old_or_the_new_image_is_there(tmp_path: Path, moment: Moment) -> None:
    cut_at, changes = 0, 1
    while cut_at < changes:
        cut_at += 1
        root = tmp_path / str(cut_at)
        component(DeviceFiles(root))
        files = CuttingFiles(root, cut_at, moment)
        try:
            await go_on(component(files))
        except PowerCut:
            changes = cut_at + 1
        image = SoftwareStore(DeviceFiles(root), PLACE).read(component_id(IMAGE))
        assert image in {OLD, NEW}
        again = component(DeviceFiles(root))
        await go_on(again)
        assert SoftwareStore(DeviceFiles(root), PLACE).read(component_id(IMAGE)) == NEW
        assert (again.now.state, again.now.result) == (UpdateState.IDLE, UpdateResult.SUCCESS)
        assert DeviceFiles(root).size("firmware/firmware.package") == 0
    assert cut_at > 8
