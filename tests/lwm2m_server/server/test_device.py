"""Every operation on a device of another CoAP stack, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path as FilePath

import pytest
from aiocoap.message import Message  # type: ignore[import-untyped]
from aiocoap.numbers.codes import Code as AioCode  # type: ignore[import-untyped]

from lwm2m_server.protocol.errors import AnswerUnusable, DeviceRefused, FormatRefused
from lwm2m_server.server.sessions import DeviceOffline
from objects.attributes import Attributes
from objects.errors import InvalidPath, InvalidValue
from objects.model import MODEL
from objects.path import Path
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from tests.lwm2m_server.server.aiocoap_device import AiocoapDevice
from tests.lwm2m_server.server.running import Running, running_server

TLV, CBOR, JSON = ContentFormat.LWM2M_TLV, ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON


async def test_read_every_level(running: Running) -> None:
    async with AiocoapDevice().running(running.address):
        device = running.server.device("dev-1")
        assert await device.read("/3/0/0") == "Example Ltd"
        assert await device.read(Path(3303, 0, 5700)) == 21.5
        assert await device.read(MODEL["Device"]["Battery Level"]) == 95
        assert await device.read("/3442/0/150") == b"\x00\xff"
        assert await device.read("/3/0/11") == {0: 0}
        assert await device.read("/3/0/11/0") == 0
        assert await device.read("/3/0") == {0: "Example Ltd", 9: 95, 11: {0: 0}, 14: "+00"}
        assert await device.read("/3303") == {0: {5700: 21.5}}
        assert await device.read("/40000/0/1") == "own"


async def test_change_execute_create_and_delete(running: Running) -> None:
    async with AiocoapDevice().running(running.address) as aiocoap:
        device = running.server.device("dev-1")
        await device.write("/3/0/14", "+02")
        await device.update("/3/0", {14: "+03"})
        assert aiocoap.values[Path(3, 0, 14)] == "+03"
        assert aiocoap.values[Path(3, 0, 9)] == 95
        await device.write("/40000/0/1", 2.5)
        assert aiocoap.values[Path(40000, 0, 1)] == 2.5
        await device.execute("/3/0/4", 1, "two")
        assert aiocoap.executed == [(Path(3, 0, 4), b"0='1',1='two'")]
        assert await device.create("/3442", {110: "x"}) == Path(3442, 7)
        assert await device.create("/3442/2", {120: 5, 1120: {0: 1, 3: 2}}) == Path(3442, 2)
        assert aiocoap.values[Path(3442, 2, 1120, 3)] == 2
        await device.delete("/3442/7")
        assert Path(3442, 7, 110) not in aiocoap.values


async def test_discover_and_attributes(running: Running) -> None:
    async with AiocoapDevice().running(running.address) as aiocoap:
        device = running.server.device("dev-1")
        found = await device.discover("/1")
        assert [str(one.path) for one in found] == ["/1/0/0", "/1/0/1", "/1/0/6", "/1/0/7"]
        assert found[0].attributes == Attributes(pmin=10)
        await device.write_attributes("/1/0/1", Attributes(pmin=5, pmax=60))
        assert aiocoap.asked[-1].opt.uri_query == ("pmin=5", "pmax=60")


async def test_composite_operations(running: Running) -> None:
    async with AiocoapDevice().running(running.address) as aiocoap:
        device = running.server.device("dev-1")
        await device.write_composite({Path(1, 0, 1): 90, Path(3, 0, 14): "+05"})
        assert await device.read_composite("/1/0/1", "/3/0/14", "/3303") == {
            Path(1, 0, 1): 90,
            Path(3, 0, 14): "+05",
            Path(3303, 0, 5700): 21.5,
        }
        assert {one.code for one in aiocoap.asked} == {AioCode.FETCH, AioCode.iPATCH}


@pytest.mark.parametrize("speaks", [(TLV,), (JSON,), (CBOR,), (ContentFormat.LWM2M_CBOR,)])
async def test_the_format_a_device_answers_to_is_found_and_survives_a_restart(
    tmp_path: FilePath, speaks: Iterable[int]
) -> None:
    file = tmp_path / "server.db"
    async with running_server(file) as running, AiocoapDevice(speaks=speaks).running(running.address) as aiocoap:
        device = running.server.device("dev-1")
        assert await device.read("/3303/0") == {5700: 21.5}
        assert len(aiocoap.asked) <= 5
        await device.update("/3/0", {14: "+02"})
    async with running_server(file) as running, AiocoapDevice(speaks=speaks).running(running.address) as aiocoap:
        assert await running.server.device("dev-1").read("/3303/0") == {5700: 21.5}
        assert [one.opt.accept for one in aiocoap.asked] == list(speaks)


async def test_what_is_wrong_is_said_before_anything_is_sent(running: Running) -> None:
    async with AiocoapDevice().running(running.address) as aiocoap:
        device = running.server.device("dev-1")
        with pytest.raises(InvalidValue, match="LwM2M Server/Lifetime"):
            await device.write("/1/0/1", "long")
        with pytest.raises(InvalidValue, match="/3/0"):
            await device.update("/3/0", "x")
        with pytest.raises(InvalidValue, match=r"Manufacturer.*cannot be written"):
            await device.update("/3/0", {0: "x"})
        with pytest.raises(InvalidPath):
            await device.read("3/0/0")
        with pytest.raises(InvalidPath):
            await device.create("/3/0/0", {})
        assert aiocoap.asked == []


async def test_a_value_is_checked_against_the_version_the_device_has(running: Running) -> None:
    """Nothing of a definition of another version is asked of a device that named its own."""
    async with AiocoapDevice().running(running.address):
        target = await running.server.targets.of("dev-1")
        assert target.version == "1.1"
        with pytest.raises(DeviceRefused, match=r"4\.04 NOT_FOUND"):
            await running.server.device("dev-1").read("/3/0/1")


async def test_refusals_and_nonsense_are_typed(running: Running) -> None:
    answers = {
        "0": Message(code=AioCode.UNAUTHORIZED, payload=b"not\x1b[31m you"),
        "1": Message(code=AioCode.CONTENT, payload=b"\xff\xff", content_format=int(TLV)),
        "2": Message(code=AioCode.CHANGED),
        "9": Message(code=AioCode.NOT_ACCEPTABLE),
    }
    device_ = AiocoapDevice(answer=lambda request: answers.get(request.opt.uri_path[-1]))
    async with device_.running(running.address):
        device = running.server.device("dev-1")
        with pytest.raises(DeviceRefused) as refused:
            await device.read("/3/0/0")
        assert refused.value.code is Code.UNAUTHORIZED
        for number in (1, 2):
            with pytest.raises(AnswerUnusable):
                await device.read(f"/3/0/{number}")
        with pytest.raises(FormatRefused, match="TEXT, SENML_CBOR"):
            await device.read("/3/0/9")


async def test_a_device_that_is_not_there(running: Running) -> None:
    with pytest.raises(DeviceOffline, match="not connected"):
        await running.server.device("dev-1").read("/3/0/0")
    waiting = asyncio.create_task(running.server.device("dev-1", wait=10).read("/3/0/0"))
    await asyncio.sleep(0)
    async with AiocoapDevice().running(running.address):
        assert await waiting == "Example Ltd"


async def test_a_device_that_falls_silent_is_offline_until_it_is_heard_again(running: Running) -> None:
    async with AiocoapDevice().running(running.address) as aiocoap:
        device = running.server.device("dev-1")
        await aiocoap.vanish()
        with pytest.raises(DeviceOffline, match="did not answer"):
            await device.read("/3/0/0")
        assert not running.server.sessions.is_online("dev-1")
        async with AiocoapDevice().running(running.address):
            assert await device.read("/3/0/0") == "Example Ltd"


async def test_without_security_a_device_is_reached_after_a_restart_before_it_is_heard(tmp_path: FilePath) -> None:
    async with AsyncExitStack() as stack:
        async with running_server(tmp_path / "server.db") as before:
            aiocoap = await stack.enter_async_context(AiocoapDevice().running(before.address))
        async with running_server(tmp_path / "server.db", port=before.address[1]) as after:
            device = after.server.device("dev-1")
            assert await device.read("/3/0/0") == "Example Ltd"
            await aiocoap.vanish()
            for reason in ("did not answer", "not connected"):  # one try, no more
                with pytest.raises(DeviceOffline, match=reason):
                    await device.read("/3/0/0")
