"""Objects 3303 (Temperature) and 6 (Location): values that change by themselves."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Final

from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.instance import Arguments, StoredInstance
from device_client.emulator.lwm2m.standard.simulation import Step
from objects.model import ObjectModel
from trust_transfer.device.events import Source

COLDEST: Final = -20.0
HOTTEST: Final = 60.0
METRES_PER_DEGREE: Final = 111_320.0


def temperature(model: ObjectModel, instances: int = 2) -> tuple[DeviceObject, Step]:
    """So many thermometers, in degrees Celsius; each step changes every one a little."""
    definition = model["Temperature"]

    def make(number: int) -> StoredInstance:
        def execute_reset(arguments: Arguments, source: Source) -> None:
            _reset(instance)

        instance = StoredInstance(
            definition,
            {
                "Sensor Value": 20.0 + number,
                "Min Range Value": COLDEST,
                "Max Range Value": HOTTEST,
                "Sensor Units": "Cel",
            },
            {"Reset Min and Max Measured Values": execute_reset},
        )
        _reset(instance)
        return instance

    thermometers = {number: make(number) for number in range(instances)}

    def step(rng: random.Random) -> None:
        for one in thermometers.values():
            value = round(min(HOTTEST, max(COLDEST, _number(one, "Sensor Value") + rng.uniform(-0.5, 0.5))), 2)
            one["Sensor Value"] = value
            one["Min Measured Value"] = min(value, _number(one, "Min Measured Value"))
            one["Max Measured Value"] = max(value, _number(one, "Max Measured Value"))

    return DeviceObject(definition, thermometers), step


def reset_extremes(thermometers: DeviceObject) -> None:
    """As after power on: the lowest and highest value are the present one."""
    for one in thermometers.instances.values():
        assert isinstance(one, StoredInstance)
        _reset(one)


def location(model: ObjectModel, now: Callable[[], int], speed: float = 1.5) -> tuple[DeviceObject, Step]:
    """A device carried about at `speed` metres per second, in a straight line that bends a little at each step."""
    definition = model["Location"]
    place = StoredInstance(
        definition,
        {
            "Latitude": 59.4043,
            "Longitude": 17.9492,
            "Altitude": 20.0,
            "Radius": 5.0,
            "Timestamp": now(),
            "Speed": speed,
        },
    )
    heading = 0.0

    def step(rng: random.Random) -> None:
        nonlocal heading
        heading += rng.uniform(-0.5, 0.5)
        seconds = max(0, now() - int(_number(place, "Timestamp")))
        north, east = (f(heading) * speed * seconds / METRES_PER_DEGREE for f in (math.cos, math.sin))
        latitude = min(89.0, max(-89.0, _number(place, "Latitude") + north))
        longitude = _number(place, "Longitude") + east / math.cos(math.radians(latitude))
        place["Latitude"] = round(latitude, 6)
        place["Longitude"] = round((longitude + 180.0) % 360.0 - 180.0, 6)
        place["Timestamp"] = now()

    return DeviceObject(definition, {0: place}), step


def _reset(thermometer: StoredInstance) -> None:
    for name in ("Min Measured Value", "Max Measured Value"):
        thermometer[name] = _number(thermometer, "Sensor Value")


def _number(instance: StoredInstance, name: str) -> float:
    value = instance[name]
    assert isinstance(value, int | float)
    return value
