"""Two engines joined by OSCORE on a lossy network in virtual time, the association begun by EDHOC on that network."""

from __future__ import annotations

import random
from collections.abc import Hashable
from typing import cast

from lwm2m_server.testing.clock import VirtualClock
from lwm2m_server.testing.network import Conditions, LossyNetwork
from secure_coap.association import Address
from secure_coap.channels.base import Closed, Opened, Received
from secure_coap.channels.oscore import OscoreClient, OscoreServer
from secure_coap.counters import Counters
from secure_coap.engine import Engine, Incoming, Link
from secure_coap.limits import Limits
from secure_coap.numbers import TransmissionParameters
from tests.secure_coap.channel.parties import Parties
from tests.secure_coap.simulation import Node

DEVICE: Address = ("192.0.2.7", 40000)
SERVER: Address = ("192.0.2.1", 5683)


class OscoreNode(Node):
    """One engine behind its channel; `link` is its association once there is one."""

    channel: OscoreServer | OscoreClient
    opened = False
    ended: str | None = None

    def __post_init__(self) -> None:
        self.peer = SERVER if self.name == "a" else DEVICE

    def receive(self, datagram: bytes, _source: Hashable) -> None:
        received = self.channel.receive(datagram, self.peer, self.clock.now)
        if received is not None:
            self._deliver(received)
        self.flush()

    def _deliver(self, received: Received) -> None:
        incoming = self.engine.receive(cast(Link, received.association), received.datagram, self.clock.now)
        if incoming is not None:
            self._serve(incoming)

    def _serve(self, incoming: Incoming) -> None:
        self.requests.append(incoming.request)
        self._answer(incoming, self.answerer(incoming.request))

    def flush(self) -> None:
        for event in self.channel.events():
            match event:
                case Opened(association):
                    self.link = cast(Link, association)
                    self.engine.open(self.link)
                    self.opened = True
                case Received():
                    self._deliver(event)
                case Closed(_, reason):
                    self.ended = reason
        outbox = [(link, self.channel.seal(link, datagram)) for link, datagram in self.engine.outbox]
        self.engine.outbox.clear()
        for _, datagram in self.channel.datagrams():
            self.network.send(datagram, self.name, self.other)
        for _, sealed in outbox:
            if sealed is not None:
                self.network.send(sealed, self.name, self.other)
        super().flush()
        due = self.channel.next_timer(self.clock.now)
        if due is not None and not self._channel_waits:
            self._channel_waits = True
            self.clock.call_at(due, self._on_channel_timer)

    _channel_waits = False

    def _on_channel_timer(self) -> None:
        self._channel_waits = False
        self.channel.timer(self.clock.now)
        self.flush()


class OscorePair:
    """A device `a` and a server `b`; both can play either role once the device has made its first request."""

    def __init__(self, seed: int, conditions: Conditions, parameters: TransmissionParameters, limits: Limits) -> None:
        self.clock = VirtualClock()
        self.network = LossyNetwork(self.clock, seed=seed, conditions=conditions)
        self.parties = Parties()
        rng = random.Random(seed)
        nodes = []
        for name, other in (("a", "b"), ("b", "a")):
            engine = Engine(rng=rng, parameters=parameters, limits=limits, token_bytes=1)
            node = OscoreNode(self.clock, self.network, name, other, engine)
            self.network.attach(name, node.receive)
            nodes.append(node)
        self.a, self.b = nodes
        self.b.channel = OscoreServer(self.parties.server_config(), rng, parameters, limits, self.b.engine.counters)
        client = OscoreClient(self.parties.client_config(), rng, parameters, limits, Counters())
        self.a.channel = client
        client.connect(SERVER, 0.0)
        self.a.flush()
        assert self.clock.run_until(lambda: self.a.opened or self.a.ended is not None, limit=1e6)
        assert self.a.opened, self.a.ended
