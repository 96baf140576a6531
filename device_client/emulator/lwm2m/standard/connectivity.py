"""Objects 4 (Connectivity Monitoring) and 7 (Connectivity Statistics): a wired device that counts its bytes."""

from __future__ import annotations

import random
from typing import Final

from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.instance import Arguments, Content, StoredInstance
from device_client.emulator.lwm2m.standard.simulation import Step
from device_client.emulator.transport.wire import WireMeter
from objects.model import ObjectModel
from trust_transfer.device.events import Source

ETHERNET: Final = 41
KILOBYTE: Final = 1000


def connectivity_monitoring(model: ObjectModel, address: str = "127.0.0.1") -> tuple[DeviceObject, Step]:
    """Object 4; the signal wavers at each step."""
    definition = model["Connectivity Monitoring"]
    network = StoredInstance(
        definition,
        {
            "Network Bearer": ETHERNET,
            "Available Network Bearer": {0: ETHERNET},
            "Radio Signal Strength": -60,
            "Link Quality": 90,
            "IP Addresses": {0: address},
        },
    )

    def step(rng: random.Random) -> None:
        network["Radio Signal Strength"] = rng.randint(-70, -50)

    return DeviceObject(definition, {0: network}), step


def connectivity_statistics(model: ObjectModel, meter: WireMeter) -> DeviceObject:
    """Object 7, over everything the device sends and receives; the collection period is kept and does not end it."""
    begin = (0, 0)
    end: tuple[int, int] | None = (0, 0)
    period = 0

    def start(arguments: Arguments, source: Source) -> None:
        nonlocal begin, end
        begin, end = meter.total, None

    def stop(arguments: Arguments, source: Source) -> None:
        nonlocal end
        end = end or meter.total

    def write_period(content: Content, source: Source) -> None:
        nonlocal period
        assert isinstance(content, int)
        period = content

    def kilobytes(which: int) -> int:
        return ((end or meter.total)[which] - begin[which]) // KILOBYTE

    return DeviceObject.single(
        "Connectivity Statistics",
        readers={
            "Tx Data": lambda: kilobytes(0),
            "Rx Data": lambda: kilobytes(1),
            "Collection Period": lambda: period,
        },
        writers={"Collection Period": write_period},
        executors={"Start": start, "Stop": stop},
        model=model,
    )
