"""A server with firmware, and emulated standard clients, over real sockets in this process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_client.emulator.log import device_logger
from device_client.emulator.plain.device import PlainDevice
from device_client.emulator.plain.settings import ClientSettings
from device_client.emulator.settings import RunSettings
from device_client.emulator.storage.files import DeviceFiles
from lwm2m_server.protocol.firmware import Order, Update
from lwm2m_server.server.firmware.service import OBJECT_5, Firmware
from lwm2m_server.settings import FirmwareSettings
from lwm2m_server.store.images import Image
from objects.firmware import PullProtocol
from secure_coap.numbers.parameters import TransmissionParameters
from tests.lwm2m_server.server.firmware.test_images import parts
from tests.lwm2m_server.server.running import HOST, Running, running_server

PATIENCE = 20.0
PARAMETERS = TransmissionParameters(ack_timeout=0.2, max_retransmit=4)
RUN = RunSettings(ack_timeout=0.2, max_retransmit=4, handshake_timeout=3.0, retry_min=0.05, retry_max=0.2)
IMAGE = random.Random(5).randbytes(100_000)


@dataclass(frozen=True)
class Depot:
    """A running server with its firmware."""

    running: Running
    firmware: Firmware

    async def image(self, body: bytes = IMAGE) -> Image:
        return await self.firmware.images.add(parts(body, 65_536))

    async def order(self, image: Image, *endpoints: str, **members: Any) -> list[Update]:
        ordered = []
        for endpoint in endpoints or ("sensor",):
            ordered += await self.firmware.order([Order(endpoint, OBJECT_5, image.digest, **members)])
        return ordered

    async def ended(self, endpoint: str = "sensor") -> list[Update]:
        """The updates of a device once all have ended."""
        return await self.when(lambda updates: not any(one.phase.open for one in updates), endpoint)

    async def when(self, condition: Callable[[list[Update]], bool], endpoint: str = "sensor") -> list[Update]:
        async with asyncio.timeout(PATIENCE):
            while not condition(updates := await self.firmware.updates(endpoint=endpoint)):
                await asyncio.sleep(0.02)
        return updates

    async def registered(self, *endpoints: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while not all(self.running.server.sessions.is_online(name) for name in endpoints or ("sensor",)):
                await asyncio.sleep(0.02)


@asynccontextmanager
async def depot(
    folder: Path, *, port: int = 0, parameters: TransmissionParameters = PARAMETERS, **settings: Any
) -> AsyncIterator[Depot]:
    async with running_server(folder / "server.db", port=port, parameters=parameters) as running:
        firmware = Firmware(running.server, folder / "firmware", FirmwareSettings(**settings))
        firmware.pulls.bases.setdefault(PullProtocol.COAP, f"coap://{HOST}:{running.address[1]}")
        await firmware.resume()
        try:
            yield Depot(running, firmware)
        finally:
            await firmware.close()


@asynccontextmanager
async def client(
    port: int, endpoint: str = "sensor", files: DeviceFiles | None = None, **members: Any
) -> AsyncIterator[PlainDevice]:
    """A client that registers with the server at this port."""
    settings = ClientSettings(
        **{
            "endpoint": endpoint,
            "server": f"coap://{HOST}:{port}",
            "run": RUN,
            "lifetime": 60,
            "period": 3600.0,
            "install_seconds": 0.0,
            "version": "1.2",
            **members,
        }
    )
    device = PlainDevice(endpoint, settings, device_logger(endpoint), random.Random(endpoint), files)
    task = asyncio.ensure_future(device.run(asyncio.Event()))
    try:
        yield device
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
