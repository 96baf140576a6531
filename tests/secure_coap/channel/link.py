"""A server's channel and clients' channels joined without sockets; every datagram can be seen, lost and forged."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from secure_coap.association import Address, Association
from secure_coap.channels.base import ChannelEvent, Closed, Opened, Received
from secure_coap.channels.oscore import OscoreClient, OscoreClientConfig, OscoreServer, OscoreServerConfig
from secure_coap.counters import Counters
from secure_coap.limits import CLIENT_LIMITS, SERVER_LIMITS, Limits
from secure_coap.message import Message, MessageType, decode
from secure_coap.numbers import Code, Option
from secure_coap.numbers.parameters import STANDARD

SERVER: Address = ("192.0.2.1", 5683)
DEVICE: Address = ("192.0.2.7", 40000)
Filter = Callable[[bytes, Address, Address], bool]
"""Given a datagram, its source and destination: whether it arrives."""
ROOM: Limits = replace(SERVER_LIMITS, half_open_per_source=1_000)


class Link:
    """Time stands still unless a test sets `now`. Reservations are stored when `stores` says so."""

    def __init__(self, config: OscoreServerConfig, *, limits: Limits = ROOM) -> None:
        self.rng = random.SystemRandom()
        self.now = 1000.0
        self.config = config
        self.limits = limits
        self.counters = Counters()
        self.stores = True
        self.clients: dict[Address, OscoreClient] = {}
        self.client_events: dict[Address, list[ChannelEvent]] = {}
        self.sent: list[tuple[Address, Address, bytes]] = []
        self.passes: Filter = lambda datagram, source, destination: True
        self.restart()

    def restart(self) -> None:
        """Kill the server's process and start it anew."""
        self.server = OscoreServer(self.config, self.rng, STANDARD, self.limits, self.counters)
        self.server_events: list[ChannelEvent] = []

    def connect(self, config: OscoreClientConfig, address: Address = DEVICE) -> OscoreClient:
        """Begin a handshake from `address`; a client that was there is gone, as after a reboot."""
        client = self.clients[address] = OscoreClient(config, self.rng, STANDARD, CLIENT_LIMITS, Counters())
        self.client_events[address] = []
        client.connect(SERVER, self.now)
        self.run()
        return client

    def run(self) -> None:
        """Carry datagrams until none is left."""
        while pending := self._collect():
            for source, destination, datagram in pending:
                self._carry(datagram, source, destination)

    def deliver(self, datagram: bytes, source: Address = DEVICE, destination: Address = SERVER) -> list[bytes]:
        """Put one datagram into a channel; what it sends in return."""
        if destination == SERVER:
            received = self.server.receive(datagram, source, self.now)
            self.server_events += [] if received is None else [received]
        elif destination in self.clients:
            received = self.clients[destination].receive(datagram, source, self.now)
            self.client_events[destination] += [] if received is None else [received]
        replies = self._collect()
        for origin, target, reply in replies:
            self._carry(reply, origin, target)
        return [reply for _, _, reply in replies]

    def _carry(self, datagram: bytes, source: Address, destination: Address) -> None:
        self.sent.append((source, destination, datagram))
        if self.passes(datagram, source, destination):
            self.deliver(datagram, source, destination)

    def _collect(self) -> list[tuple[Address, Address, bytes]]:
        self._reserve(self.server)
        self.server_events += self.server.events()
        out = [(SERVER, remote, datagram) for remote, datagram in self.server.datagrams()]
        for address, client in self.clients.items():
            self._reserve(client)
            self.client_events[address] += client.events()
            out += [(address, remote, datagram) for remote, datagram in client.datagrams()]
        return out

    def _reserve(self, channel: OscoreServer | OscoreClient) -> None:
        for reservation in channel.reservations() if self.stores else []:
            store = channel.store
            assert store is not None
            run(store.reserve(reservation.name, reservation.below))
            channel.reserved(reservation, self.now, stored=True)

    # --- what happened ---

    def opened(self) -> list[Association]:
        """Associations the server has opened."""
        return [event.association for event in self.server_events if isinstance(event, Opened)]

    def closed(self) -> list[str]:
        """Why server associations ended."""
        return [event.reason for event in self.server_events if isinstance(event, Closed)]

    def received(self) -> list[Message]:
        """What the server's engine was given."""
        return [decode(event.datagram) for event in self.server_events if isinstance(event, Received)]

    def client_received(self, address: Address = DEVICE) -> list[Message]:
        """What the client's engine was given."""
        return [decode(event.datagram) for event in self.client_events[address] if isinstance(event, Received)]

    def client_association(self, address: Address = DEVICE) -> Association:
        """The client's side of an open association."""
        return next(event.association for event in self.client_events[address] if isinstance(event, Opened))

    def client_failure(self, address: Address = DEVICE) -> str:
        """Why the client's handshake or association ended."""
        return next(event.reason for event in self.client_events[address] if isinstance(event, Closed))

    # --- what is said ---

    def sealed(self, message: Message, address: Address = DEVICE) -> bytes:
        """A message of the client, as it would go out."""
        datagram = self.clients[address].seal(self.client_association(address), message.encode())
        assert datagram is not None
        return datagram

    def say(self, message: Message, address: Address = DEVICE) -> bytes:
        """The client sends it."""
        datagram = self.sealed(message, address)
        self._carry(datagram, address, SERVER)
        self.run()
        return datagram

    def tell(self, message: Message, association: Association | None = None) -> bytes:
        """The server sends it."""
        association = association or self.opened()[-1]
        datagram = self.server.seal(association, message.encode())
        assert datagram is not None
        self._carry(datagram, SERVER, association.remote)
        self.run()
        return datagram


def run(coroutine: object) -> None:
    """Carry out a reservation of a store that does not wait."""
    try:
        coroutine.send(None)  # type: ignore[attr-defined]
    except StopIteration:
        return
    raise AssertionError("the store waits")


def request(mid: int = 1, token: bytes = b"\x01", payload: bytes = b"hi", code: Code = Code.POST) -> Message:
    """A confirmable request."""
    return Message(MessageType.CON, code, mid, token, ((int(Option.URI_PATH), b"x"),), payload)


def answer(asked: Message, payload: bytes = b"hi") -> Message:
    """The response in its acknowledgement."""
    return Message(MessageType.ACK, Code.CHANGED, asked.mid, asked.token, (), payload)
