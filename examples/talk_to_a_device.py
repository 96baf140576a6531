"""Read, write and run what a device has.

Start it, then a device that calls itself `sensor` and registers at coap://127.0.0.1:5683.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from lwm2m_server.server.server import Lwm2mServer


async def main(data: Path = Path("data"), port: int = 5683) -> None:
    async with Lwm2mServer.open(data) as server:
        await server.bind("127.0.0.1", port)
        sensor = server.device("sensor", wait=60)

        manufacturer = await sensor.read("/3/0/0")
        print(f"made by {manufacturer}")

        temperatures = await sensor.read("/3303")
        for number, thermometer in temperatures.items():
            print(f"thermometer {number}: {thermometer[5700]} {thermometer[5701]}")

        await sensor.write("/3442/0/110", "hello")
        await sensor.update("/1/0", {1: 120, 6: True})
        print(f"lifetime {await sensor.read('/1/0/1')} s")

        await sensor.execute("/3303/0/5605")

        place = await sensor.create("/3442", {110: "made by the server", 1120: {0: 1, 7: 49}})
        print(f"created {place}: {await sensor.read(f'{place}/1120')}")
        await sensor.delete(place)

        for found in await sensor.discover("/3303/0"):
            print(f"there is {found.path}")

        values = await sensor.read_composite("/3442/0/110", "/3303/0/5701")
        print({str(path): value for path, value in values.items()})


if __name__ == "__main__":
    asyncio.run(main())
