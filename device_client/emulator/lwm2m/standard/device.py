"""Object 3 (Device): who made the device, how it is, and what time it is there."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.instance import Arguments, Content, Executor, Reader
from device_client.emulator.lwm2m.registration import BINDING
from device_client.emulator.lwm2m.standard.simulation import Step
from objects.model import ObjectModel
from trust_transfer.device.events import Source

MANUFACTURER: Final = "LwM2M Trust Transfer"
MODEL_NUMBER: Final = "emulator"
SOFTWARE_VERSION: Final = "0.1.0"
NO_ERROR: Final = 0
BATTERY: Final = 1
"""Of Available Power Sources."""
MEMORY: Final = 256
"""Kilobytes, of which half are free."""

Order = Callable[[], None]
"""Something to be done once the answer has been given."""


def device_object(endpoint: str, now: Callable[[], int], reboot: Order) -> DeviceObject:
    """Object 3 of a device that can be transferred; `reboot` restarts it."""
    return DeviceObject.single("Device", readers=_identity(endpoint, now, BINDING), executors=_reboots(reboot))


def client_device_object(
    model: ObjectModel, endpoint: str, now: Callable[[], int], reboot: Order, *, binding: str
) -> tuple[DeviceObject, Step]:
    """Object 3 of a standard client: with a battery that drains at each step, and a time zone and clock to set."""
    battery, fast = 100.0, 0
    zone = {"UTC Offset": "+00:00", "Timezone": "Etc/UTC"}

    def write_zone(name: str) -> Callable[[Content, Source], None]:
        def write(content: Content, source: Source) -> None:
            zone[name] = str(content)

        return write

    def write_time(content: Content, source: Source) -> None:
        nonlocal fast
        assert isinstance(content, int)
        fast = content - now()

    def step(rng: random.Random) -> None:
        nonlocal battery
        battery = battery - rng.random() / 10 if battery > 1 else 100.0

    readers = _identity(endpoint, lambda: now() + fast, binding) | {
        "Firmware Version": lambda: SOFTWARE_VERSION,
        "Available Power Sources": lambda: {0: BATTERY},
        "Power Source Voltage": lambda: {0: 3800},
        "Power Source Current": lambda: {0: 125},
        "Battery Level": lambda: int(battery),
        "Memory Free": lambda: MEMORY // 2,
        "Memory Total": lambda: MEMORY,
        "UTC Offset": lambda: zone["UTC Offset"],
        "Timezone": lambda: zone["Timezone"],
        "Device Type": lambda: "emulated sensor",
        "Hardware Version": lambda: "none",
        "Battery Status": lambda: 0,
    }
    made = DeviceObject.single(
        "Device",
        readers=readers,
        writers={
            "Current Time": write_time,
            "UTC Offset": write_zone("UTC Offset"),
            "Timezone": write_zone("Timezone"),
        },
        executors=_reboots(reboot) | {"Reset Error Code": lambda arguments, source: None},
        model=model,
    )
    return made, step


def _identity(endpoint: str, now: Callable[[], int], binding: str) -> dict[str, Reader]:
    return {
        "Manufacturer": lambda: MANUFACTURER,
        "Model Number": lambda: MODEL_NUMBER,
        "Serial Number": lambda: endpoint,
        "Error Code": lambda: {0: NO_ERROR},
        "Current Time": now,
        "Supported Binding and Modes": lambda: binding,
        "Software Version": lambda: SOFTWARE_VERSION,
    }


def _reboots(reboot: Order) -> dict[str, Executor]:
    def execute_reboot(arguments: Arguments, source: Source) -> None:
        reboot()

    return {"Reboot": execute_reboot}
