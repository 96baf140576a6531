"""Firmware under loss, broken links, restarts of either side, cancellation, crowds and devices that lie."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lwm2m_server.protocol.firmware import Failure, Method, Phase, Push
from lwm2m_server.testing.relay import Disturbance, Relay
from secure_coap.association import Association
from secure_coap.endpoint import CoapClient
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from tests.lwm2m_server.server.firmware.world import IMAGE, Depot, client, depot
from tests.lwm2m_server.server.running import HOST, QUICK

LARGE = random.Random(7).randbytes(900_000)


@pytest.mark.parametrize("method", [Method.PUSH, Method.PULL])
async def test_a_lossy_link(tmp_path: Path, method: Method) -> None:
    async with depot(tmp_path) as server:
        relay = await Relay.start((HOST, 0), server.running.address, loss=0.1, seed=3)
        for protocol in server.firmware.pulls.bases:
            server.firmware.pulls.bases[protocol] = f"coap://{HOST}:{relay.address[1]}"
        try:
            async with client(relay.address[1]):
                await server.order(await server.image(IMAGE[:40_000]), method=method)
                (update,) = await server.ended()
                assert (update.phase, update.transferred) == (Phase.INSTALLED, 40_000)
        finally:
            await relay.close()


async def test_a_push_goes_on_where_the_link_broke(tmp_path: Path) -> None:
    """One attempt is enough: the server goes on with the block the device has not acknowledged."""
    async with depot(tmp_path, parameters=QUICK) as server:
        relay = await Relay.start((HOST, 0), server.running.address, loss=0.0, seed=1)
        async with client(relay.address[1], lifetime=3):
            await server.order(await server.image(LARGE))
            await _moving(server)
            relay.disturbance = Disturbance(loss=0.999_999, seed=1)
            while server.running.server.sessions.is_online("sensor"):
                await asyncio.sleep(0.01)
            (broken,) = await server.when(lambda updates: updates[0].transferred > 0)
            relay.disturbance = Disturbance(loss=0.0, seed=1)
            (update,) = await server.ended()
        await relay.close()
        assert (broken.phase, broken.attempt) == (Phase.TRANSFERRING, 0)
        assert (update.phase, update.attempt, update.transferred) == (Phase.INSTALLED, 1, len(LARGE))


@pytest.mark.parametrize("method", [Method.PUSH, Method.PULL])
async def test_a_device_that_loses_power_begins_again(tmp_path: Path, method: Method) -> None:
    async with depot(tmp_path) as server:
        async with client(server.running.address[1]):
            await server.order(await server.image(LARGE), method=method)
            await _moving(server)
        async with client(server.running.address[1]):
            (update,) = await server.ended()
        assert (update.phase, update.transferred) == (Phase.INSTALLED, len(LARGE))


@pytest.mark.parametrize("method", [Method.PUSH, Method.PULL])
async def test_an_update_is_taken_back(tmp_path: Path, method: Method) -> None:
    async with depot(tmp_path) as server, client(server.running.address[1]):
        (ordered,) = await server.order(await server.image(LARGE), method=method)
        await _moving(server)
        await server.firmware.cancel(ordered.id)
        (update,) = await server.ended()
        assert update.phase is Phase.CANCELLED
        assert update.transferred < len(LARGE)
        assert await server.running.server.device("sensor").read("/5/0/3") == 0
        assert (await server.firmware.cancel(ordered.id))[0].phase is Phase.CANCELLED


async def test_twenty_devices_at_once(tmp_path: Path) -> None:
    names = [f"sensor-{number}" for number in range(20)]
    async with depot(tmp_path, concurrent=6) as server:
        image = await server.image(IMAGE[:8_000])
        clients = [client(server.running.address[1], name) for name in names]
        for one in clients:
            await one.__aenter__()
        await server.order(image, *names[:10])
        await server.order(image, *names[10:], method=Method.PULL)
        for name in names:
            (update,) = await server.ended(name)
            assert update.phase is Phase.INSTALLED, update
        for one in clients:
            await one.__aexit__(None, None, None)


# --- devices that lie ----------------------------------------------------------------------------


@asynccontextmanager
async def liar(server: Depot, state: Callable[[int], int], result: int = 0) -> Any:
    """A device whose State is whatever `state` says of the number of times it was asked, and that takes everything."""
    asked = [0]

    def handle(request: Request, _association: Association) -> Response:
        if request.method is not Code.GET:
            return Response(Code.CHANGED)
        if request.path == ("5", "0", "3"):
            asked[0] += 1
            return Response(Code.CONTENT, str(state(asked[0])).encode(), ContentFormat.TEXT)
        value = {"5": result, "9": 2}.get(request.path[2], 0)
        return Response(Code.CONTENT, str(value).encode(), ContentFormat.TEXT)

    device = await CoapClient.connect(*server.running.address, dtls=None, handler=handle)
    try:
        registration = Request(
            Code.POST, ("rd",), ("ep=sensor", "lt=60", "lwm2m=1.0"), b"</5/0>", ContentFormat.LINK_FORMAT
        )
        assert (await device.request(registration)).code is Code.CREATED
        yield asked
    finally:
        await device.close()


@pytest.mark.parametrize(
    ("state", "failure"),
    [
        (lambda _: 1, Failure.BUSY),
        (lambda asked: min(1, asked - 1), Failure.STALLED),
        (lambda asked: 0 if asked < 2 else 2, Failure.INSTALL_TIMEOUT),
        (lambda asked: 0 if asked < 2 else 3, Failure.INSTALL_TIMEOUT),
        (lambda _: 0, Failure.OUT_OF_ORDER),
        (lambda _: 7, Failure.OUT_OF_ORDER),
        (lambda _: -1, Failure.OUT_OF_ORDER),
    ],
)
async def test_a_device_that_runs_in_circles(tmp_path: Path, state: Callable[[int], int], failure: Failure) -> None:
    async with depot(tmp_path, stall_timeout=0.2, install_timeout=0.4) as server, liar(server, state) as asked:
        await server.order(await server.image(b"x"))
        (update,) = await server.ended()
        assert (update.phase, update.failure) == (Phase.FAILED, failure)
        assert asked[0] < 60


async def test_a_device_that_answers_nonsense_about_its_abilities_is_pushed_to(tmp_path: Path) -> None:
    """Resources 8 and 9 of another shape than they are defined with say nothing."""
    async with depot(tmp_path, install_timeout=0.2) as server, liar(server, lambda asked: 0 if asked < 2 else 2, 99):
        await server.order(await server.image(b"x"))
        (update,) = await server.ended()
        assert (update.way, update.failure, update.result) == (Push.PUSH, Failure.RESULT, 99)


async def test_an_image_whose_file_is_gone(tmp_path: Path) -> None:
    async with depot(tmp_path) as server, client(server.running.address[1]):
        image = await server.image(IMAGE)
        (tmp_path / "firmware" / image.sha256.hex()).unlink()
        for method in (Method.PUSH, Method.PULL):
            await server.order(image, method=method)
            assert (await server.ended())[-1].failure is Failure.IMAGE


async def _moving(server: Depot) -> None:
    """Wait until some of the image has arrived."""
    async with asyncio.timeout(20):
        while not (updates := await server.firmware.updates()) or server.firmware.progress(updates[0])[0] < 50_000:
            await asyncio.sleep(0.01)
