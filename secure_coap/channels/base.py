"""What an endpoint needs of a channel: datagrams of the network in, datagrams of CoAP out, and back.

A channel opens no socket. It decides which association a datagram belongs to, so no endpoint ever looks one up by
address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from secure_coap.association import Address, Association

AssociationT = TypeVar("AssociationT", bound=Association)


@dataclass(frozen=True, slots=True)
class Opened:
    """An association is ready for use; its peer is verified."""

    association: Association


class Received(NamedTuple):
    """A CoAP datagram of the peer."""

    association: Association
    datagram: bytes


@dataclass(frozen=True, slots=True)
class Closed:
    """An association ended, or (`opened` False) never came to be."""

    association: Association
    reason: str
    opened: bool = True


ChannelEvent = Opened | Received | Closed


class Channel(Protocol):
    """Call `datagrams` and `events` after every other call but `seal`; each item is returned once."""

    def receive(self, datagram: bytes, remote: Address, now: float) -> Received | None:
        """A datagram from the network. Never raises for what it contains.

        What nearly every one is, a CoAP datagram of an open association, is returned; all else becomes events.
        """

    def seal(self, association: Association, datagram: bytes) -> bytes | None:
        """A CoAP datagram for the peer, as it goes to `association.remote`; None when the association is gone."""

    def close(self, association: Association, reason: str) -> None:
        """End one association, telling the peer."""

    def next_timer(self, now: float) -> float | None:
        """When to call `timer`."""

    def timer(self, now: float) -> None:
        """Time has passed."""

    def datagrams(self) -> list[tuple[Address, bytes]]:
        """What to put on the network."""

    def events(self) -> list[ChannelEvent]:
        """What happened."""
