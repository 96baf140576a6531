"""Devices of every LwM2M version, as the emulator has them, under every operation and over everything that happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path as FilePath
from typing import Any

import pytest

from device_client.emulator.plain.settings import Credentials
from lwm2m_server.protocol.errors import DeviceRefused
from lwm2m_server.protocol.observations import State
from lwm2m_server.server.sending import Sent
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.store.database import Database
from objects.attributes import Attributes
from objects.errors import InvalidValue
from objects.path import Path
from secure_coap.channels.dtls import DtlsServerConfig
from tests.device_client.plain_world import Client, quick
from tests.lwm2m_server.server.running import QUICK, Running

PATIENCE = 10.0


@asynccontextmanager
async def emulated(running: Running, **members: Any) -> AsyncIterator[Client]:
    """A device that has registered."""
    client = Client.start(quick(server=f"coap://127.0.0.1:{running.address[1]}", endpoint="dev-1", **members))
    try:
        await running.server.sessions.appear("dev-1", PATIENCE)
        yield client
    finally:
        await client.cut_power()


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
async def test_every_operation_in_every_version(running: Running, version: str) -> None:
    async with asyncio.timeout(30), emulated(running, version=version):
        device = running.server.device("dev-1")
        assert await device.read("/3303/0/5701") == "Cel"
        assert (await device.read("/3303/0"))[5701] == "Cel"
        assert set(await device.read("/3303")) == {0, 1}
        for path, value in (
            ("/3442/0/110", "grüß"),
            ("/3442/0/120", -(2**40)),
            ("/3442/0/125", 2**63),
            ("/3442/0/130", 0.1),
            ("/3442/0/140", True),
            ("/3442/0/150", b"\x00\xff"),
            ("/3442/0/160", 1_700_000_000),
            ("/3442/0/1120", {0: 7, 5: -7}),
        ):
            await device.write(path, value)
            assert await device.read(path) == value
        await device.update("/3442/0", {110: "partly"})
        assert (await device.read("/3442/0/110"), await device.read("/3442/0/140")) == ("partly", True)
        place = await device.create("/3442", {110: "new"})
        assert await device.read(f"{place}/110") == "new"
        await device.delete(place)
        with pytest.raises(DeviceRefused, match=r"4\.04"):
            await device.read(place)
        await device.execute("/3442/0/2")
        await device.write_attributes("/3442/0/120", Attributes(pmin=0, pmax=60))
        found = {str(one.path): one.attributes for one in await device.discover("/3442/0")}
        assert found["/3442/0/120"].pmax == 60
        if version == "1.0":
            with pytest.raises(InvalidValue, match=r"need LwM2M 1\.1"):
                await device.read_composite("/3442/0/110")
        else:
            await device.write_composite({"/3442/0/110": "both", "/3442/0/120": 5})
            values = await device.read_composite("/3442/0/110", "/3442/0/120")
            assert values == {Path(3442, 0, 110): "both", Path(3442, 0, 120): 5}


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
async def test_observing_over_a_new_registration(running: Running, version: str) -> None:
    async with asyncio.timeout(30):
        async with emulated(running, version=version, period=0.05):
            observation = await running.server.device("dev-1").observe("/3303/0/5700", Attributes(pmin=0))
            seen = [(await anext(observation)).value for _ in range(3)]
            assert len(set(seen)) > 1
            (before,) = running.server.observing.of("dev-1")
        async with emulated(running, version=version, period=0.05):  # another device of that name, as after a reboot
            while running.server.observing.of("dev-1")[0].token == before.token:
                assert isinstance((await anext(observation)).value, float)
            assert isinstance((await anext(observation)).value, float)
            await observation.cancel()


async def test_a_device_that_sends_by_itself(running: Running) -> None:
    sent: asyncio.Queue[Sent] = asyncio.Queue()
    running.server.events.on(Sent, sent.put_nowait)
    async with asyncio.timeout(30), emulated(running, send=(Path(3303, 0, 5700),), send_every=0.1):
        report = await sent.get()
        assert [str(one.path) for one in report.samples] == ["/3303/0/5700"]
        (kept,) = await running.server.latest.of("dev-1")
        assert kept.path == Path(3303, 0, 5700)


KEY = bytes(range(16))


@asynccontextmanager
async def over_dtls(file: FilePath, port: int) -> AsyncIterator[Lwm2mServer]:
    """A server for devices with pre-shared keys."""
    database = await Database.open(file)
    try:
        async with Lwm2mServer(database, parameters=QUICK) as server:
            await server.credentials.put("identity", "dev-1", KEY)
            await server.bind("127.0.0.1", port, dtls=DtlsServerConfig(psk=server.credentials.find))
            yield server
    finally:
        await database.close()


async def test_an_observation_over_dtls_survives_a_restart(tmp_path: FilePath, unused_udp_port: int) -> None:
    """The session does not: the device opens another and updates, and its observation is adopted by its token."""
    file = tmp_path / "server.db"
    client = Client.start(
        quick(
            server=f"coaps://127.0.0.1:{unused_udp_port}",
            credentials=Credentials(psk_identity="identity", psk=KEY),
            endpoint="dev-1",
            lifetime=4,
            period=0.05,
        )
    )
    try:
        async with asyncio.timeout(60):
            async with over_dtls(file, unused_udp_port) as before:
                observation = await before.device("dev-1", wait=PATIENCE).observe("/3303/0/5700", Attributes(pmin=0))
                await anext(observation)
                (stored,) = before.observing.of("dev-1")
            async with over_dtls(file, unused_udp_port) as after:
                observation = after.observing.listen("dev-1", stored.id)
                assert isinstance((await anext(observation)).value, float)
                assert after.observing.state("dev-1", stored.id) is State.LIVE
    finally:
        await client.cut_power()
