"""What was counted: messages, operations, and one column of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lwm2m_server.sizes.conditions import FLEET


@dataclass(frozen=True, slots=True)
class Message:
    """One UDP payload."""

    name: str
    size: int
    sent: bool
    """By the device."""


@dataclass(frozen=True, slots=True)
class Operation:
    """Messages that belong together."""

    messages: Sequence[Message]

    @property
    def size(self) -> int:
        """Bytes of UDP payload, both ways."""
        return sum(message.size for message in self.messages)


@dataclass(frozen=True, slots=True)
class Column:
    """One profile. Sizes in bytes; `device_list` is a list for `FLEET` devices with its signature."""

    name: str
    title: str
    options: Sequence[str]
    """What was negotiated or set, each in a few words."""
    factory_certificate: int
    transfer_message_plain: int
    transfer_message: int
    delivery: Operation
    handshake: Operation
    enrollment: Operation
    endorser: Operation
    """The endorser's certificate, written once to devices that lack it: in no sum."""
    device_list: int
    by_value: Operation | None = None
    """The handshake when CA2 shows its certificate to a device that does not hold it: in no sum."""

    @property
    def total(self) -> int:
        """Bytes of one transfer as its device sees it."""
        return self.delivery.size + self.handshake.size + self.enrollment.size

    def operations(self) -> dict[str, Operation]:
        """What was run, by name."""
        operations = {
            "delivery": self.delivery,
            "handshake": self.handshake,
            "enrollment": self.enrollment,
            "endorser's certificate": self.endorser,
        }
        return operations if self.by_value is None else operations | {"handshake by value": self.by_value}

    def figures(self) -> dict[str, int]:
        """Bytes by row. A device's share of the list is rounded up."""
        return {
            "factory_certificate": self.factory_certificate,
            "transfer_message_plain": self.transfer_message_plain,
            "transfer_message": self.transfer_message,
            "delivery": self.delivery.size,
            "handshake": self.handshake.size,
            "enrollment": self.enrollment.size,
            "total": self.total,
            "device_update_info": -(-self.device_list // FLEET),
        }
