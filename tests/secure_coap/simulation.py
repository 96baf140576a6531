"""Engines on a lossy network in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from lwm2m_server.testing.clock import VirtualClock
from lwm2m_server.testing.network import Conditions, LossyNetwork
from secure_coap.association import Address
from secure_coap.channels.plain import PlainAssociation
from secure_coap.engine import (
    AddressProof,
    Engine,
    Event,
    Incoming,
    Link,
    Notified,
    RequestFailed,
    ResponseArrived,
)
from secure_coap.errors import TransportError
from secure_coap.exchange import Request, Response
from secure_coap.limits import SERVER_LIMITS, Limits
from secure_coap.message import Message, decode
from secure_coap.numbers import Code, TransmissionParameters
from secure_coap.numbers.parameters import STANDARD

CLEAR = Conditions()
NOT_RANDOM = TransmissionParameters(ack_random_factor=1)
Answerer = Callable[[Request], Response]


def changed(request: Request) -> Response:
    """The plainest handler."""
    return Response(Code.CHANGED)


@dataclass(eq=False)
class Node:
    """One engine with its place in the network, and its association with the other one."""

    clock: VirtualClock
    network: LossyNetwork
    name: str
    other: str
    engine: Engine
    answerer: Answerer = changed
    thinking: float = 0.0
    observes: bool = False
    requests: list[Request] = field(default_factory=list)
    outcomes: dict[int, Response | TransportError] = field(default_factory=dict)
    notifications: list[Response | TransportError] = field(default_factory=list)
    link: Link = field(init=False)
    _timer: float | None = None

    def __post_init__(self) -> None:
        self.link = associated(self.engine)

    def receive(self, datagram: bytes, _source: Hashable) -> None:
        incoming = self.engine.receive(self.link, datagram, self.clock.now)
        if incoming is not None:
            assert incoming.request is not None
            self.requests.append(incoming.request)
            self._answer(incoming, self.answerer(incoming.request))
        self.flush()

    def request(self, request: Request, token: bytes | None = None) -> int:
        handle = self.engine.request(self.link, request, self.clock.now, token)
        self.flush()
        return handle

    def ask(self, request: Request, limit: float = 100_000.0) -> Response | TransportError:
        handle = self.request(request)
        assert self.clock.run_until(lambda: handle in self.outcomes, limit=limit)
        return self.outcomes[handle]

    def flush(self) -> None:
        for event in self.engine.events:
            match event:
                case ResponseArrived(handle, response):
                    assert handle not in self.outcomes
                    self.outcomes[handle] = response
                case RequestFailed(handle, error):
                    assert handle not in self.outcomes
                    self.outcomes[handle] = error
                case Notified():
                    self.notifications.append(event.outcome)
        self.engine.events.clear()
        for _, datagram in self.engine.outbox:
            self.network.send(datagram, self.name, self.other)
        self.engine.outbox.clear()
        self._set_timer()

    def _answer(self, incoming: Incoming, response: Response) -> None:
        if self.observes:
            self.engine.observe(incoming, self.clock.now)
        if not self.thinking:
            self.engine.respond(incoming, response, self.clock.now)
            return

        def answer() -> None:
            self.engine.respond(incoming, response, self.clock.now)
            self.flush()

        self.engine.defer(incoming, self.clock.now)
        self.clock.call_later(self.thinking, answer)

    def _set_timer(self) -> None:
        due = self.engine.next_timer()
        if due is not None and (self._timer is None or due < self._timer):
            self._timer = due
            self.clock.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.engine.timer(self.clock.now)
        self.flush()


def associated(engine: Engine, address: Address = ("192.0.2.1", 5683)) -> Link:
    """A new association of an engine."""
    link = PlainAssociation(address, 0.0)
    engine.open(link)
    return link


class Pair:
    """A client and a server, `a` and `b`; both can play either role."""

    def __init__(
        self,
        *,
        seed: int = 1,
        conditions: Conditions = CLEAR,
        parameters: TransmissionParameters = STANDARD,
        a_limits: Limits = SERVER_LIMITS,
        b_limits: Limits = SERVER_LIMITS,
        proof: AddressProof | None = None,
    ) -> None:
        self.clock = VirtualClock()
        self.network = LossyNetwork(self.clock, seed=seed, conditions=conditions)
        rng = random.Random(seed)
        a_engine = Engine(rng=rng, parameters=parameters, limits=a_limits)
        b_engine = Engine(rng=rng, parameters=parameters, limits=b_limits, proof=proof)
        self.b_budget = b_engine.budget
        self.a = Node(self.clock, self.network, "a", "b", a_engine)
        self.b = Node(self.clock, self.network, "b", "a", b_engine)
        self.network.attach("a", self.a.receive)
        self.network.attach("b", self.b.receive)


class Bench:
    """One engine with one association, fed by hand: what goes in and what comes out, message by message."""

    def __init__(
        self,
        *,
        parameters: TransmissionParameters = NOT_RANDOM,
        limits: Limits = SERVER_LIMITS,
        proof: AddressProof | None = None,
        claim: Callable[[Link, bytes], None] | None = None,
        seed: int = 1,
    ) -> None:
        self.engine = Engine(rng=random.Random(seed), parameters=parameters, limits=limits, proof=proof, claim=claim)
        self.budget = self.engine.budget
        self.link = associated(self.engine)
        self.now = 0.0
        self._arrived: list[Incoming] = []

    def receive(self, datagram: bytes, link: Link | None = None) -> None:
        """A datagram of the peer."""
        incoming = self.engine.receive(link or self.link, datagram, self.now)
        if incoming is not None:
            self._arrived.append(incoming)

    def feed(self, message: Message) -> list[Message]:
        """Give it a message; what it sends in return. A request that arrives is not answered at once."""
        self.receive(message.encode())
        for incoming in self._arrived:
            if incoming.stage == 0:
                self.engine.defer(incoming, self.now)
        return self.sent()

    def sent(self) -> list[Message]:
        """What it wants to send."""
        sent = [decode(datagram) for _, datagram in self.engine.outbox]
        self.engine.outbox.clear()
        return sent

    def wait(self, seconds: float) -> list[Message]:
        """Let time pass, timer by timer; all it sends meanwhile."""
        end, sent = self.now + seconds, []
        while (due := self.engine.next_timer()) is not None and due <= end:
            self.now = max(self.now, due)
            self.engine.timer(self.now)
            sent += self.sent()
        self.now = end
        return sent

    def request(self, request: Request, token: bytes | None = None) -> int:
        """Begin a request of ours."""
        return self.engine.request(self.link, request, self.now, token)

    def arrived(self) -> tuple[Incoming, Request]:
        """The one request that arrived."""
        (incoming,) = self._arrived
        self._arrived.clear()
        assert incoming.request is not None
        return incoming, incoming.request

    def events(self) -> list[Event]:
        """What happened besides."""
        happened = self.engine.events[:]
        self.engine.events.clear()
        return happened

    def nothing_arrived(self) -> bool:
        """Neither a request nor anything else."""
        return not self._arrived and not self.events()

    def failure(self) -> TransportError:
        """Why the one request failed."""
        (event,) = self.events()
        assert isinstance(event, RequestFailed)
        return event.error

    def answer(self) -> Response:
        """The one response that arrived."""
        (event,) = self.events()
        assert isinstance(event, ResponseArrived)
        return event.response

    def respond(self, incoming: Incoming, response: Response) -> list[Message]:
        """Answer a request; what it sends."""
        self.engine.respond(incoming, response, self.now)
        return self.sent()

    def is_idle(self) -> bool:
        """Nothing is outstanding, and after a lifetime nothing is remembered."""
        return not self.engine.is_busy(self.link, self.now + 1000)
