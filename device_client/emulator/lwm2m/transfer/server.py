"""Object 1 (LwM2M Server) of a device that can be transferred: the one account it has, as its server may change it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.instance import Arguments, Content
from device_client.emulator.lwm2m.registration import BINDING
from device_client.emulator.storage.preferences import PreferencesFile
from secure_coap.errors import BadRequest
from trust_transfer.device.actions import Answer
from trust_transfer.device.events import Source

SHORT_SERVER_ID: Final = 1
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

    def trigger(arguments: Arguments, source: Source) -> Answer | None:
        update()
        return None

    return DeviceObject.single(
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
