"""A DTLS server and clients joined without sockets; every datagram can be seen, lost and forged."""

from __future__ import annotations

import random
from collections.abc import Callable

from secure_coap.association import Address, Association
from secure_coap.channels.base import ChannelEvent, Closed, Opened, Received
from secure_coap.channels.dtls import DtlsClient, DtlsClientConfig, DtlsServer, DtlsServerConfig
from secure_coap.counters import Counters
from secure_coap.limits import CLIENT_LIMITS, SERVER_LIMITS, Limits

SERVER: Address = ("192.0.2.1", 5684)
Filter = Callable[[bytes, Address, Address], bool]
"""Given a datagram, its source and destination: whether it arrives."""


class Link:
    """Time stands still unless a test sets `now`; OpenSSL's own clock is not used."""

    def __init__(self, config: DtlsServerConfig, *, limits: Limits = SERVER_LIMITS) -> None:
        self._rng = random.SystemRandom()
        self.now = 1000.0
        self.counters = Counters()
        self.server = DtlsServer(config, self._rng, limits, self.counters)
        self.clients: dict[Address, DtlsClient] = {}
        self.server_events: list[ChannelEvent] = []
        self.client_events: dict[Address, list[ChannelEvent]] = {}
        self.sent: list[tuple[Address, Address, bytes]] = []
        self.passes: Filter = lambda datagram, source, destination: True

    def connect(self, address: Address, config: DtlsClientConfig) -> DtlsClient:
        """Begin a handshake from `address`; a client that was there is gone, as after a reboot."""
        client = self.clients[address] = DtlsClient(config, self._rng, CLIENT_LIMITS)
        self.client_events[address] = []
        client.connect(SERVER, self.now)
        return client

    def run(self) -> None:
        """Carry datagrams until none is left."""
        while pending := self._collect():
            for source, destination, datagram in pending:
                self.sent.append((source, destination, datagram))
                if self.passes(datagram, source, destination):
                    self.deliver(datagram, source, destination)

    def deliver(self, datagram: bytes, source: Address, destination: Address) -> None:
        """Put one datagram into a channel."""
        if destination == SERVER:
            received = self.server.receive(datagram, source, self.now)
            self.server_events += [] if received is None else [received]
        elif destination in self.clients:
            received = self.clients[destination].receive(datagram, source, self.now)
            self.client_events[destination] += [] if received is None else [received]

    def _collect(self) -> list[tuple[Address, Address, bytes]]:
        self.server_events += self.server.events()
        out = [(SERVER, remote, datagram) for remote, datagram in self.server.datagrams()]
        for address, client in self.clients.items():
            self.client_events[address] += client.events()
            out += [(address, remote, datagram) for remote, datagram in client.datagrams()]
        return out

    def opened(self) -> list[Association]:
        """Associations the server opened so far."""
        return [event.association for event in self.server_events if isinstance(event, Opened)]

    def closed(self) -> list[str]:
        """Why server associations or handshakes ended."""
        return [event.reason for event in self.server_events if isinstance(event, Closed)]

    def received(self) -> list[bytes]:
        """What the server received."""
        return [event.datagram for event in self.server_events if isinstance(event, Received)]

    def client_association(self, address: Address) -> Association:
        """The client's side of an open association."""
        return next(event.association for event in self.client_events[address] if isinstance(event, Opened))

    def client_failure(self, address: Address) -> str:
        """Why the client's handshake failed."""
        (event,) = (event for event in self.client_events[address] if isinstance(event, Closed))
        assert not event.opened
        return event.reason

    def say(self, address: Address, text: bytes) -> None:
        """The client sends application data."""
        self._carry(self.clients[address].seal(self.client_association(address), text), address, SERVER)

    def tell(self, association: Association, text: bytes) -> None:
        """The server sends application data."""
        self._carry(self.server.seal(association, text), SERVER, association.remote)

    def _carry(self, datagram: bytes | None, source: Address, destination: Address) -> None:
        if datagram is not None:
            self.sent.append((source, destination, datagram))
            self.deliver(datagram, source, destination)
        self.run()
