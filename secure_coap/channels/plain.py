"""CoAP without security (NoSec), for loopback only: one association per address."""

from __future__ import annotations

from dataclasses import dataclass

from secure_coap.association import Address, Association, Transport
from secure_coap.channels.base import ChannelEvent, Closed, Opened, Received
from secure_coap.engine.rng import Rng
from secure_coap.errors import TooManyOutstanding


@dataclass(frozen=True, slots=True, eq=False)
class PlainAssociation:
    """An anonymous peer."""

    key: bytes
    remote: Address
    opened_at: float
    peer: None = None
    transport: Transport = Transport.UDP
    channel_binding: bytes = b""


class PlainChannel:
    """Both sides. A server opens an association with the first datagram of an address, a client by `connect`."""

    def __init__(self, rng: Rng, *, associations: int, accepts: bool) -> None:
        self._rng = rng
        self._limit = associations
        self._accepts = accepts
        self._open: dict[Address, PlainAssociation] = {}
        self._datagrams: list[tuple[Address, bytes]] = []
        self._events: list[ChannelEvent] = []

    def connect(self, remote: Address, now: float) -> None:
        """Open the association with `remote`."""
        association = PlainAssociation(self._rng.randbytes(16), remote, now)
        self._open[remote] = association
        self._events.append(Opened(association))

    def associate(self, remote: Address, now: float) -> Association:
        """The association with `remote`, opened if need be. Raises `TooManyOutstanding` when all places are taken."""
        if remote not in self._open:
            if len(self._open) >= self._limit:
                raise TooManyOutstanding("all places for associations are taken")
            self.connect(remote, now)
        return self._open[remote]

    def receive(self, datagram: bytes, remote: Address, now: float) -> None:
        """See `Channel`. When all places are taken the datagram is dropped."""
        if remote not in self._open and self._accepts and len(self._open) < self._limit:
            self.connect(remote, now)
        association = self._open.get(remote)
        if association is not None:
            self._events.append(Received(association, datagram))

    def send(self, association: Association, datagram: bytes, now: float) -> None:
        """See `Channel`."""
        if self._open.get(association.remote) is association:
            self._datagrams.append((association.remote, datagram))

    def close(self, association: Association, reason: str) -> None:
        """See `Channel`; without security there is nothing to tell the peer."""
        if self._open.get(association.remote) is association:
            del self._open[association.remote]
            self._events.append(Closed(association, reason))

    def next_timer(self, now: float) -> float | None:
        """See `Channel`."""
        return None

    def timer(self, now: float) -> None:
        """See `Channel`."""

    def datagrams(self) -> list[tuple[Address, bytes]]:
        """See `Channel`."""
        sent, self._datagrams = self._datagrams, []
        return sent

    def events(self) -> list[ChannelEvent]:
        """See `Channel`."""
        happened, self._events = self._events, []
        return happened
