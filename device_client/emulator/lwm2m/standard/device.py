"""Object 3 (Device): who made the device, how it is, and what time it is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.instance import Arguments
from device_client.emulator.lwm2m.registration import BINDING
from objects.model import MODEL, ObjectModel
from trust_transfer.device.actions import Answer
from trust_transfer.device.events import Source

MANUFACTURER: Final = "LwM2M Trust Transfer"
MODEL_NUMBER: Final = "emulator"
SOFTWARE_VERSION: Final = "0.1.0"
NO_ERROR: Final = 0

Order = Callable[[], None]
"""Something to be done once the answer has been given."""


def device_object(
    endpoint: str, now: Callable[[], int], reboot: Order, *, binding: str = BINDING, model: ObjectModel = MODEL
) -> DeviceObject:
    """Object 3: who made the device and what time it is there; `reboot` restarts it."""

    def execute_reboot(arguments: Arguments, source: Source) -> Answer | None:
        reboot()
        return None

    return DeviceObject.single(
        "Device",
        readers={
            "Manufacturer": lambda: MANUFACTURER,
            "Model Number": lambda: MODEL_NUMBER,
            "Serial Number": lambda: endpoint,
            "Error Code": lambda: {0: NO_ERROR},
            "Current Time": now,
            "Supported Binding and Modes": lambda: binding,
            "Software Version": lambda: SOFTWARE_VERSION,
        },
        executors={"Reboot": execute_reboot},
        model=model,
    )
