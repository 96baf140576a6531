"""What is raised when something is wrong: with what is asked, with the answer, or with the way to the device.

Start it, then a device that calls itself `sensor` and registers at coap://127.0.0.1:5683.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from lwm2m_server.protocol.errors import DeviceRefused
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.server.sessions import DeviceOffline
from objects.errors import InvalidValue


async def main(data: Path = Path("data"), port: int = 5683) -> None:
    async with Lwm2mServer.open(data) as server:
        await server.bind("127.0.0.1", port)
        sensor = server.device("sensor", wait=60, timeout=10)

        try:
            await sensor.write("/1/0/1", "an hour")
        except InvalidValue as error:  # nothing was sent
            print(f"{error.subject}: {error.rule}")

        try:
            await sensor.read("/3303/77")
        except DeviceRefused as error:  # the device's own answer
            print(f"{error.code.dotted}: {error}")

        try:
            await server.device("somebody else").read("/3/0/0")
        except DeviceOffline as error:  # no way to it, or no answer
            print(error)


if __name__ == "__main__":
    asyncio.run(main())
