"""Objects 1 (LwM2M Server) and 3 (Device): what every LwM2M device has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from device_client.emulator.lwm2m.device_object import Content, DeviceObject
from device_client.emulator.lwm2m.registration import BINDING
from device_client.emulator.storage.preferences import PreferencesFile
from secure_coap.errors import BadRequest
from trust_transfer.device.actions import Answer
from trust_transfer.device.events import Source

SHORT_SERVER_ID: Final = 1
MANUFACTURER: Final = "LwM2M Trust Transfer"
MODEL_NUMBER: Final = "emulator"
SOFTWARE_VERSION: Final = "0.1.0"
NO_ERROR: Final = 0
MAX_LIFETIME: Final = 10 * 365 * 86400

Order = Callable[[], None]
"""Something to be done once the answer has been given."""


def server_object(preferences: PreferencesFile, lifetime: Callable[[], int], update: Order) -> DeviceObject:
    """Object 1: `lifetime` is the present one (s); a server may change it and order an Update."""

    def write_lifetime(content: Content, source: Source) -> None:
        if not isinstance(content, int) or not 1 <= content <= MAX_LIFETIME:
            raise BadRequest(f"a lifetime is 1..{MAX_LIFETIME} seconds")
        preferences.change(lifetime=content)
        update()

    def trigger(arguments: Mapping[int, str | None], source: Source) -> Answer | None:
        update()
        return None

    return DeviceObject(
        "LwM2M Server",
        readers={
            "Short Server ID": lambda: SHORT_SERVER_ID,
            "Lifetime": lifetime,
            "Notification Storing When Disabled or Offline": lambda: False,
            "Binding": lambda: BINDING,
        },
        writers={"Lifetime": write_lifetime},
        executors={"Registration Update Trigger": trigger},
    )


def device_object(endpoint: str, now: Callable[[], int], reboot: Order) -> DeviceObject:
    """Object 3: who made the device and what time it is there; `reboot` restarts it."""

    def execute_reboot(arguments: Mapping[int, str | None], source: Source) -> Answer | None:
        reboot()
        return None

    return DeviceObject(
        "Device",
        readers={
            "Manufacturer": lambda: MANUFACTURER,
            "Model Number": lambda: MODEL_NUMBER,
            "Serial Number": lambda: endpoint,
            "Error Code": lambda: {0: NO_ERROR},
            "Current Time": now,
            "Supported Binding and Modes": lambda: BINDING,
            "Software Version": lambda: SOFTWARE_VERSION,
        },
        executors={"Reboot": execute_reboot},
    )
