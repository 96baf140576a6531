"""What a server has ordered and the device does once it has answered."""

from __future__ import annotations

from enum import Enum

from device_client.emulator.signal import Signal


class Order(Enum):
    """Things to do after the answer."""

    UPDATE = "send a registration update"
    REBOOT = "restart"
    ENROLL = "get a new certificate"
    FIRMWARE = "process the written package"
    DISABLE = "deregister for the account's disable timeout"
    BOOTSTRAP = "ask the bootstrap server for accounts"


class Orders:
    """Orders given and not yet taken; volatile, for a server that gets no result asks again."""

    def __init__(self) -> None:
        self._given: set[Order] = set()
        self.given = Signal()

    def give(self, order: Order) -> None:
        self._given.add(order)
        self.given.fire()

    def take(self, order: Order) -> bool:
        """Whether it was given; it is not any more."""
        given = order in self._given
        self._given.discard(order)
        return given

    def clear(self) -> None:
        self._given.clear()
