"""Registrations over real sessions: lifetime, leaving, changing, limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lwm2m_server.store.registrations import RegistrationStore
from secure_coap.numbers.codes import Code
from tests.lwm2m_server.sp.device import until
from tests.lwm2m_server.sp.transfer import ENDPOINT, Stage, stage


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as set_up:
        yield set_up


async def shown(scene: Stage) -> tuple[bool, bool]:
    page = (await scene.sp1.admin.get(f"/devices/{ENDPOINT}")).json()
    return page["registered"], page["online"]


async def test_a_lifetime_that_passes(scene: Stage) -> None:
    assert await shown(scene) == (True, True)
    assert (await scene.device.register(lifetime=1)).code is Code.CREATED

    async def ended() -> bool:
        return await shown(scene) == (False, False)

    await until(ended)
    assert (await scene.device.update()).code is Code.NOT_FOUND
    assert (await scene.device.register()).code is Code.CREATED
    assert await shown(scene) == (True, True)


async def test_deregistering(scene: Stage) -> None:
    assert (await scene.device.ask(Code.DELETE, *scene.device.location)).code is Code.DELETED
    assert await shown(scene) == (False, False)
    assert (await scene.device.update()).code is Code.NOT_FOUND


async def test_a_handle_belongs_to_its_certificate(scene: Stage) -> None:
    """After a re-enrollment the device registers again: its handle does not move to another key."""
    await scene.device.connect(scene.world.sp1.operational(ENDPOINT))
    assert (await scene.device.update()).code is Code.NOT_FOUND
    assert (await scene.device.register()).code is Code.CREATED


async def test_an_update_changes_what_it_names(scene: Stage) -> None:
    device = scene.device
    answer = await device.ask(Code.POST, *device.location, query=("lt=90",), payload=b"</3/0>,</33001/0>")
    assert answer.code is Code.CHANGED
    stored = {one.endpoint: one for one in await RegistrationStore(scene.world.sp1.running.provider.database).load()}
    assert (stored[ENDPOINT].lifetime, stored[ENDPOINT].links, stored[ENDPOINT].version) == (
        90,
        "</3/0>,</33001/0>",
        "1.1",
    )


async def test_ten_registrations_a_minute(scene: Stage) -> None:
    codes = [(await scene.device.register()).code for _ in range(10)]  # the stage has registered once
    assert codes == [Code.CREATED] * 9 + [Code.TOO_MANY_REQUESTS]
