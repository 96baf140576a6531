"""Observations of a device of another CoAP stack: begun, kept over everything that may happen, ended."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import AsyncExitStack
from pathlib import Path as FilePath
from typing import Any

import pytest
from aiocoap.message import Message  # type: ignore[import-untyped]
from aiocoap.numbers.codes import Code as AioCode  # type: ignore[import-untyped]

from lwm2m_server.clock import Clock
from lwm2m_server.protocol.errors import DeviceRefused
from lwm2m_server.protocol.observations import MAX_PER_DEVICE, NotObservable, State
from lwm2m_server.server.observing import TooManyObservations
from lwm2m_server.server.standing import UnknownObservation
from lwm2m_server.server.subscriptions import BACKLOG, Notification, Subscription
from objects.attributes import Attributes
from objects.path import Path
from secure_coap.message import Message as SentMessage
from secure_coap.message import MessageType
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from secure_coap.numbers.options import Option
from tests.lwm2m_server.server.aiocoap_device import AiocoapDevice
from tests.lwm2m_server.server.running import Running, running_server

SENSOR = Path(3303, 0, 5700)
LIFETIME = Path(1, 0, 1)


async def following(subscription: Subscription) -> Notification:
    async with asyncio.timeout(5):
        return await anext(subscription)


async def change(device: AiocoapDevice, value: float) -> None:
    device.values[SENSOR] = value
    device.notify()


async def test_values_arrive_as_they_change(running: Running) -> None:
    async with AiocoapDevice().running(running.address) as aiocoap:
        seen: list[Notification] = []
        running.server.events.on(Notification, seen.append)
        observation = await running.server.device("dev-1").observe("/3303/0/5700")
        first = await following(observation)
        assert (first.endpoint, first.value, first.values) == ("dev-1", 21.5, {SENSOR: 21.5})
        for value in (22.0, 22.5):
            await change(aiocoap, value)
            assert (await following(observation)).value == value
        assert [one.value for one in seen] == [21.5, 22.0, 22.5]
        assert [(one.path, one.value) for one in await running.server.latest.of("dev-1")] == [(SENSOR, 22.5)]
        await observation.cancel()
        with pytest.raises(StopAsyncIteration):
            await following(observation)
        assert aiocoap.asked[-1].opt.observe == 1
        assert running.server.observing.of("dev-1") == ()


async def test_what_comes_while_an_observation_is_stored_comes_after_the_first_value(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AiocoapDevice().running(running.address) as aiocoap:
        storing = running.server.observing._store

        async def slowly(*arguments: Any) -> None:
            await change(aiocoap, 22.0)
            await asyncio.sleep(0.05)
            await storing(*arguments)

        monkeypatch.setattr(running.server.observing, "_store", slowly)
        observation = await running.server.device("dev-1").observe(SENSOR)
        seen = [await following(observation) for _ in range(2)]
        assert [(one.value, one.observation) for one in seen] == [(21.5, 1), (22.0, 1)]


async def test_one_that_cannot_be_stored_is_not_kept(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(*_: Any) -> None:
        raise OSError("disk full")

    async with AiocoapDevice().running(running.address) as aiocoap:
        with monkeypatch.context() as broken:
            broken.setattr(running.server.observing, "_store", failing)
            with pytest.raises(OSError, match="full"):
                await running.server.device("dev-1").observe(SENSOR)
        assert running.server.observing.of("dev-1") == ()
        await change(aiocoap, 22.0)  # rejected
        assert (await following(await running.server.device("dev-1").observe(SENSOR))).value == 22.0


async def test_several_readers_share_one_observation(running: Running) -> None:
    async with AiocoapDevice().running(running.address) as aiocoap:
        device = running.server.device("dev-1")
        one, two = await device.observe(SENSOR), await device.observe(SENSOR)
        assert (await following(one)).value == (await following(two)).value == 21.5
        assert len(aiocoap.asked) == 1
        one.close()
        await change(aiocoap, 1.0)
        assert (await following(two)).value == 1.0
        with pytest.raises(StopAsyncIteration):
            await following(one)


async def test_several_paths_at_once_and_attributes(running: Running) -> None:
    async with AiocoapDevice(version="1.2").running(running.address) as aiocoap:
        device = running.server.device("dev-1")
        async with await device.observe_composite("/3303/0/5700", "/1/0/1") as several:
            assert (await following(several)).values == {SENSOR: 21.5, LIFETIME: 60}
            await change(aiocoap, 3.0)
            assert (await following(several)).values == {SENSOR: 3.0, LIFETIME: 60}
        await device.observe(SENSOR, Attributes(pmin=1, gt=30))
        assert aiocoap.asked[-1].opt.uri_query == ("pmin=1", "gt=30")
        await device.observe(SENSOR, Attributes(pmin=2))
        assert [str(one.subject.attributes.query()) for one in running.server.observing.of("dev-1")] == ["('pmin=2',)"]


async def test_a_slow_reader_misses_the_oldest(running: Running) -> None:
    async with AiocoapDevice().running(running.address):
        observation = await running.server.device("dev-1").observe(SENSOR)
        notification = await following(observation)
        for _ in range(BACKLOG + 3):
            observation.put(notification)
        assert observation.missed == 3


async def test_what_a_device_does_not_take(running: Running) -> None:
    async with AiocoapDevice(observable=False).running(running.address):
        device = running.server.device("dev-1")
        with pytest.raises(NotObservable):
            await device.observe(SENSOR)
        with pytest.raises(DeviceRefused):
            await device.observe("/3/0/1")
        assert running.server.observing.of("dev-1") == ()


async def test_a_format_a_device_does_not_notify_in_is_replaced(running: Running) -> None:
    tlv = (ContentFormat.LWM2M_TLV,)
    async with AiocoapDevice(speaks=tlv).running(running.address) as aiocoap:
        observation = await running.server.device("dev-1").observe("/3303/0")
        assert (await following(observation)).value == 21.5
        await change(aiocoap, 2.0)
        assert (await following(observation)).value == 2.0


async def test_observations_are_bounded(running: Running) -> None:
    device_ = AiocoapDevice(values={Path(3442, 0, 1120, number): number for number in range(MAX_PER_DEVICE + 1)})
    async with device_.running(running.address):
        device = running.server.device("dev-1")
        for number in range(MAX_PER_DEVICE):
            await device.observe(Path(3442, 0, 1120, number))
        with pytest.raises(TooManyObservations, match="cancel one"):
            await device.observe(Path(3442, 0, 1120, MAX_PER_DEVICE))
        await running.server.observing.cancel("dev-1", running.server.observing.of("dev-1")[0].id)
        await device.observe(Path(3442, 0, 1120, MAX_PER_DEVICE))
        with pytest.raises(UnknownObservation):
            await running.server.observing.cancel("dev-1", 12345)


async def test_a_notification_that_says_it_is_over(running: Running) -> None:
    async with AiocoapDevice().running(running.address) as aiocoap:
        observation = await running.server.device("dev-1").observe(SENSOR)
        await following(observation)
        for one in tuple(aiocoap._observations):
            one.trigger(Message(code=AioCode.NOT_FOUND), is_last=True)
        (stored,) = running.server.observing.of("dev-1")
        async with asyncio.timeout(5):
            while running.server.observing.state("dev-1", stored.id) is not State.REFUSED:
                await asyncio.sleep(0.01)
        await aiocoap.register()  # it may have become another: tried again
        assert (await following(observation)).value == 21.5


async def test_an_observation_begins_again_when_the_device_registers_anew(running: Running) -> None:
    first = AiocoapDevice()
    async with first.running(running.address):
        observation = await running.server.device("dev-1").observe(SENSOR)
        await following(observation)
        token = running.server.observing.of("dev-1")[0].token
    async with AiocoapDevice().running(running.address) as second:
        assert (await following(observation)).value == 21.5
        await change(second, 5.0)
        assert (await following(observation)).value == 5.0
    (stored,) = running.server.observing.of("dev-1")
    assert stored.token is not None
    assert stored.token != token


async def test_an_update_from_a_new_address_keeps_it(running: Running) -> None:
    async with AiocoapDevice().running(running.address) as first:
        observation = await running.server.device("dev-1").observe(SENSOR)
        await following(observation)
        token, handle = running.server.observing.of("dev-1")[0].token, first.handle
        await first.vanish()
        moved = AiocoapDevice(registers=False)
        async with moved.running(running.address):
            moved.handle = handle
            await moved.update()
            assert (await following(observation)).value == 21.5
            assert [one.token for one in moved.asked if one.opt.observe == 0] == [token]
            await change(moved, 7.0)
            assert (await following(observation)).value == 7.0


async def test_a_device_that_leaves_ends_it(running: Running) -> None:
    async with AiocoapDevice().running(running.address) as aiocoap:
        observation = await running.server.device("dev-1").observe(SENSOR)
        await following(observation)
        await aiocoap.deregister()
        with pytest.raises(StopAsyncIteration):
            await following(observation)
        assert running.server.observing.of("dev-1") == ()
        assert await running.server.latest.of("dev-1") == []


async def test_a_device_whose_registration_ran_out_is_not_listened_to_until_it_registers(tmp_path: FilePath) -> None:
    ahead = 0.0
    async with (
        running_server(tmp_path / "server.db", clock=Clock(lambda: time.time() + ahead)) as running,
        AiocoapDevice().running(running.address) as aiocoap,
    ):
        observation = await running.server.device("dev-1").observe(SENSOR)
        await following(observation)
        (stored,) = running.server.observing.of("dev-1")
        ahead = 1000.0
        async with asyncio.timeout(5):
            while running.server.observing.state("dev-1", stored.id) is not State.NOT_BEGUN:
                await asyncio.sleep(0.01)
        assert running.server.devices() == []
        await change(aiocoap, 8.0)  # rejected
        aiocoap.values[SENSOR] = 9.0
        await aiocoap.register()
        assert (await following(observation)).value == 9.0


async def test_it_survives_a_restart_of_the_server(tmp_path: FilePath) -> None:
    file = tmp_path / "server.db"
    async with AsyncExitStack() as stack:
        async with running_server(file) as before:
            aiocoap = await stack.enter_async_context(AiocoapDevice().running(before.address))
            await following(await before.server.device("dev-1").observe(SENSOR))
            (stored,) = before.server.observing.of("dev-1")
        async with running_server(file, port=before.address[1]) as after:
            assert after.server.observing.of("dev-1") == (stored,)
            assert after.server.observing.state("dev-1", stored.id) is State.APART
            observation = after.server.observing.listen("dev-1", stored.id)
            aiocoap.values[SENSOR] = 9.0
            await aiocoap.update()
            assert (await following(observation)).value == 9.0
            assert after.server.observing.state("dev-1", stored.id) is State.LIVE
            await change(aiocoap, 10.0)
            assert (await following(observation)).value == 10.0
            assert {one.token for one in aiocoap.asked if one.opt.observe == 0} == {stored.token}


async def test_the_first_that_is_heard_after_a_restart_may_be_a_notification(tmp_path: FilePath) -> None:
    file = tmp_path / "server.db"
    async with AsyncExitStack() as stack:
        async with running_server(file) as before:
            aiocoap = await stack.enter_async_context(AiocoapDevice().running(before.address))
            await following(await before.server.device("dev-1").observe(SENSOR))
            (stored,) = before.server.observing.of("dev-1")
        async with running_server(file, port=before.address[1]) as after:
            observation = after.server.observing.listen("dev-1", stored.id)
            await change(aiocoap, 9.0)
            assert (await following(observation)).value == 9.0
            assert after.server.observing.state("dev-1", stored.id) is State.LIVE
            assert await after.server.device("dev-1").read(SENSOR) == 9.0
            assert len([one for one in aiocoap.asked if one.opt.observe == 0]) == 2  # aiocoap renders what it notifies


async def test_a_stranger_who_knows_a_token_tells_nothing(running: Running) -> None:
    async with AiocoapDevice().running(running.address) as aiocoap:
        observation = await running.server.device("dev-1").observe(SENSOR)
        await following(observation)
        (stored,) = running.server.observing.of("dev-1")
        assert stored.token is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.settimeout(5)
            options = ((int(Option.OBSERVE), b"\x40"), (int(Option.CONTENT_FORMAT), b""))
            forged = SentMessage(MessageType.CON, Code.CONTENT, 1, stored.token, options, b"99.0")
            stranger.sendto(forged.encode(), running.address)
            answer = await asyncio.to_thread(stranger.recv, 100)
        assert answer == SentMessage.empty(MessageType.RST, 1).encode()
        await change(aiocoap, 9.0)
        assert (await following(observation)).value == 9.0
