"""Duties towards devices that a life without trouble does not show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from lwm2m_server.clock import Clock
from lwm2m_server.fleet.inventory import Build, build_envelope
from lwm2m_server.protocol.object_links import links_of
from secure_coap.errors import BadRequest
from tests.lwm2m_server.sp.device import until
from tests.lwm2m_server.sp.transfer import ENDPOINT, Stage, order, stage


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as set_up:
        yield set_up


async def push_states(scene: Stage) -> list[str]:
    pushes = (await scene.sp1.admin.get("/firmware/pushes")).json()
    return [push["state"] for push in pushes if push["install"]]


async def ordered_push(scene: Stage) -> None:
    provider = scene.sp1.provider.running.provider
    envelope = build_envelope(Build(b"next", 7, bytes(16), bytes(16)), provider.keys.firmware.private_key)
    digest = (await order(scene.sp1.admin, "/firmware", envelope))["digest"]
    await order(scene.sp1.admin, f"/firmware/{digest}/pushes", {"device": ENDPOINT})


async def test_a_cancel_follows_the_end_of_the_window_without_a_new_contact(scene: Stage) -> None:
    """Rule 7: a device that is connected is not left in doubt until its next Update, perhaps a day later."""
    transfer = scene.transfer()
    seq = await transfer.begin()
    await until(lambda: scene.device.payloads("/33001/0/0"))
    provider = scene.sp1.provider.running.provider
    later = Clock(lambda: Clock().now() + 3600)
    provider.clock = later
    provider.device_work._clock = later
    await until(lambda: scene.device.payloads("/33001/0/4") == [f"0='{seq}'".encode()])
    await until(lambda: transfer.is_(scene.sp1, book="owned"))


async def test_an_order_of_one_stay_ends_with_it(scene: Stage) -> None:
    """A device that comes back a year later is not given the firmware that waited for it when it left."""
    transfer = scene.transfer()
    seq = await transfer.begin()
    await until(lambda: scene.device.payloads("/33001/0/0"))
    await scene.device.close()
    await until(lambda: not scene.sp1.provider.running.provider.server.sessions.is_online(ENDPOINT))
    await ordered_push(scene)
    assert await push_states(scene) == ["pending"]
    queue, read = f"/devices/{ENDPOINT}/queue", {"operation": "read", "paths": ["/3/0/0"]}
    assert (await order(scene.sp1.admin, queue, read))["state"] == "waiting"
    moved = await transfer.commit(seq)
    assert await push_states(scene) == ["failed"]
    assert [entry["state"] for entry in (await scene.sp1.admin.get(queue)).json()] == ["cancelled"]
    assert (await scene.sp1.admin.post(queue, json=read)).status_code == 404
    await moved.close()


async def test_an_update_the_device_will_not_run_ends(scene: Stage) -> None:
    scene.device.refuse["/5/0/2"] = BadRequest("not for this board")
    await ordered_push(scene)

    async def failed() -> bool:
        return await push_states(scene) == ["failed"]

    await until(failed)


async def test_an_answer_that_is_no_value_is_told_without_a_traceback(scene: Stage) -> None:
    scene.device.resources["/33001/0/1"] = b"not a number"
    with capture_logs() as logs:
        await scene.device.update()
        await until(lambda: any(entry["event"] == "device_answer_unusable" for entry in logs))
    assert not [entry for entry in logs if entry["event"] == "worker_failed"]


def test_instances_nobody_can_have_are_not_listed() -> None:
    assert links_of("</33002/70000>,</33002/99999>,</33002/3>,</33002/65535>,</33002/123456>").instances_of(33002) == (
        3,
    )
