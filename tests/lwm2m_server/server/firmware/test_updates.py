"""Firmware end to end: the server against emulated clients, by push and by pull, alone and together."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from device_client.emulator.plain.settings import Credentials
from lwm2m_server.protocol.firmware import Failure, Method, Order, Phase, Push
from lwm2m_server.server.firmware.errors import WrongOrder
from lwm2m_server.server.firmware.updates import FirmwareProgress
from objects.firmware import PullProtocol, UpdateResult
from objects.path import Path as ObjectPath
from secure_coap.channels.dtls import DtlsServerConfig
from tests.lwm2m_server.server.firmware.world import IMAGE, client, depot

VERSION = sha256(IMAGE).hexdigest()[:12]


@pytest.mark.parametrize(("method", "way"), [(Method.AUTO, Push.PUSH), (Method.PULL, PullProtocol.COAP)])
async def test_an_image_is_brought_and_installed(tmp_path: Path, method: Method, way: object) -> None:
    async with depot(tmp_path) as server, client(server.running.address[1]):
        seen: list[Phase] = []
        server.running.server.events.on(FirmwareProgress, lambda one: seen.append(one.update.phase))
        image = await server.image()
        await server.order(image, method=method)
        (update,) = await server.ended()
        assert (update.phase, update.way, update.result) == (Phase.INSTALLED, way, UpdateResult.SUCCESS)
        assert (update.transferred, update.size) == (len(IMAGE), len(IMAGE))
        assert await server.running.server.device("sensor", wait=5).read("/5/0/7") == VERSION
        order = [Phase.TRANSFERRING, Phase.DELIVERED, Phase.INSTALLING, Phase.INSTALLED]
        assert [phase for phase in dict.fromkeys(seen) if phase in order] == order
        assert await server.order(image, method=method) == []


async def test_only_delivered(tmp_path: Path) -> None:
    async with depot(tmp_path) as server, client(server.running.address[1]):
        await server.order(await server.image(), install=False)
        (update,) = await server.ended()
        assert update.phase is Phase.KEPT
        assert await server.running.server.device("sensor").read("/5/0/3") == 0


async def test_a_device_that_is_not_there_gets_it_when_it_comes(tmp_path: Path) -> None:
    async with depot(tmp_path) as server:
        await server.order(await server.image(b"small"))
        async with client(server.running.address[1]):
            (update,) = await server.ended()
            assert update.phase is Phase.INSTALLED


async def test_components_that_are_installed_together(tmp_path: Path) -> None:
    async with depot(tmp_path) as server, client(server.running.address[1]) as device:
        first, second = await server.image(b"modem 2"), await server.image(b"application 2")
        orders = [
            Order("sensor", ObjectPath(33629, number), image.digest) for number, image in enumerate((first, second))
        ]
        await server.firmware.order(orders)
        updates = await server.ended()
        assert [(one.phase, one.batch) for one in updates] == [(Phase.INSTALLED, updates[0].id)] * 2
        versions = [await server.running.server.device("sensor", wait=5).read(f"/33629/{n}/15") for n in (0, 1)]
        assert versions == [sha256(body).hexdigest()[:12] for body in (b"modem 2", b"application 2")]
        assert device is not None


async def test_one_component_alone(tmp_path: Path) -> None:
    async with depot(tmp_path) as server, client(server.running.address[1]):
        image = await server.image(b"modem 3")
        await server.firmware.order([Order("sensor", ObjectPath(33629, 1), image.digest, Method.PULL)])
        (update,) = await server.ended()
        assert (update.phase, update.way) == (Phase.INSTALLED, PullProtocol.COAP)


async def test_a_device_with_a_key_fetches_over_its_own_session(tmp_path: Path) -> None:
    """It is sent nowhere else, although it knows CoAP without security and that is served too."""
    async with depot(tmp_path) as server:
        stored = await server.running.server.credentials.put("key-1", "sensor")
        dtls = DtlsServerConfig(psk=server.running.server.credentials.find)
        host, port = await server.running.server.bind("127.0.0.1", 0, dtls=dtls)
        server.firmware.pulls.bases[PullProtocol.COAPS] = f"coaps://{host}:{port}"
        credentials = Credentials(psk_identity="key-1", psk=stored.key)
        async with client(port, server=f"coaps://{host}:{port}", credentials=credentials):
            await server.order(await server.image(IMAGE[:20_000]), method=Method.PULL)
            (update,) = await server.ended()
            assert (update.phase, update.way) == (Phase.INSTALLED, PullProtocol.COAPS)
            del server.firmware.pulls.bases[PullProtocol.COAPS]
            await server.order(await server.image(b"other"), method=Method.PULL)
            updates = await server.ended()
            assert updates[-1].failure is Failure.UNSUPPORTED


async def test_no_common_way(tmp_path: Path) -> None:
    async with depot(tmp_path) as server, client(server.running.address[1]):
        server.firmware.pulls.bases.clear()
        await server.order(await server.image(), method=Method.PULL)
        (update,) = await server.ended()
        assert (update.phase, update.failure) == (Phase.FAILED, Failure.UNSUPPORTED)
        assert "this server offers push" in update.detail


async def test_a_device_without_the_object(tmp_path: Path) -> None:
    async with depot(tmp_path) as server, client(server.running.address[1], objects=()):
        await server.order(await server.image(b"x"))
        (update,) = await server.ended()
        assert (update.phase, update.failure) == (Phase.FAILED, Failure.OUT_OF_ORDER)


async def test_orders_that_contradict_themselves(tmp_path: Path) -> None:
    async with depot(tmp_path) as server:
        image = await server.image(b"x")
        for wrong in (
            [],
            [Order("a", ObjectPath(5, 0), image.digest), Order("b", ObjectPath(5, 0), image.digest)],
            [Order("a", ObjectPath(3, 0), image.digest)],
            [Order("a", ObjectPath(5, 0), image.digest), Order("a", ObjectPath(33629, 0), image.digest)],
        ):
            with pytest.raises(WrongOrder):
                await server.firmware.order(wrong)
