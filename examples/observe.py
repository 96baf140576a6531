"""Be told when values change, and of what devices report by themselves.

Start it, then a device that calls itself `sensor` and registers at coap://127.0.0.1:5683.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from lwm2m_server.server.sending import Sent
from lwm2m_server.server.server import Lwm2mServer
from objects.attributes import Attributes


async def main(data: Path = Path("data"), port: int = 5683) -> None:
    async with Lwm2mServer.open(data) as server:
        await server.bind("127.0.0.1", port)
        server.events.on(Sent, lambda sent: print(f"{sent.endpoint} sent {len(sent.samples)} values"))
        sensor = server.device("sensor", wait=60)

        async with await sensor.observe("/3303/0/5700", Attributes(pmin=0, pmax=60)) as notifications:
            for _ in range(3):
                notification = await anext(notifications)
                print(f"{notification.endpoint}: {notification.value} °C")

        async with await sensor.observe_composite("/3303/0/5700", "/3303/1/5700") as notifications:
            notification = await anext(notifications)
            print(f"both: {sorted(map(str, notification.values))}")

        newest = await server.latest.of("sensor")
        print(f"kept: {sorted(str(sample.path) for sample in newest)}")


if __name__ == "__main__":
    asyncio.run(main())
