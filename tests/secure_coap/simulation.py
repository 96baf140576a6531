"""Engines on a lossy network in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from lwm2m_server.testing.clock import VirtualClock
from lwm2m_server.testing.network import Conditions, LossyNetwork
from secure_coap.engine import AddressProof, BodyBudget, Engine, RequestArrived, RequestFailed, ResponseArrived
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
    """One engine with its place in the network."""

    clock: VirtualClock
    network: LossyNetwork
    name: str
    other: str
    engine: Engine
    answerer: Answerer = changed
    thinking: float = 0.0
    requests: list[Request] = field(default_factory=list)
    outcomes: dict[int, Response | TransportError] = field(default_factory=dict)
    _timer: float | None = None

    def receive(self, datagram: bytes, _source: Hashable) -> None:
        self.engine.receive(datagram, self.clock.now)
        self.flush()

    def request(self, request: Request) -> int:
        handle = self.engine.request(request, self.clock.now)
        self.flush()
        return handle

    def ask(self, request: Request, limit: float = 100_000.0) -> Response | TransportError:
        handle = self.request(request)
        assert self.clock.run_until(lambda: handle in self.outcomes, limit=limit)
        return self.outcomes[handle]

    def flush(self) -> None:
        for event in self.engine.events():
            match event:
                case RequestArrived(exchange, request):
                    self.requests.append(request)
                    self._answer_later(exchange, self.answerer(request))
                case ResponseArrived(handle, response):
                    assert handle not in self.outcomes
                    self.outcomes[handle] = response
                case RequestFailed(handle, error):
                    assert handle not in self.outcomes
                    self.outcomes[handle] = error
        for datagram in self.engine.datagrams():
            self.network.send(datagram, self.name, self.other)
        self._set_timer()

    def _answer_later(self, exchange: int, response: Response) -> None:
        def answer() -> None:
            self.engine.respond(exchange, response, self.clock.now)
            self.flush()

        if self.thinking:
            self.clock.call_later(self.thinking, answer)
        else:
            self.engine.respond(exchange, response, self.clock.now)

    def _set_timer(self) -> None:
        due = self.engine.next_timer(self.clock.now)
        if due is not None and (self._timer is None or due < self._timer):
            self._timer = due
            self.clock.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.engine.timer(self.clock.now)
        self.flush()


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
        self.b_budget = BodyBudget(b_limits.bodies_total)
        rng = random.Random(seed)
        a_engine = Engine(rng=rng, budget=BodyBudget(a_limits.bodies_total), parameters=parameters, limits=a_limits)
        b_engine = Engine(rng=rng, budget=self.b_budget, parameters=parameters, limits=b_limits, proof=proof)
        self.a = Node(self.clock, self.network, "a", "b", a_engine)
        self.b = Node(self.clock, self.network, "b", "a", b_engine)
        self.network.attach("a", self.a.receive)
        self.network.attach("b", self.b.receive)


class Bench:
    """One engine, fed by hand: what goes in and what comes out, message by message."""

    def __init__(
        self,
        *,
        parameters: TransmissionParameters = NOT_RANDOM,
        limits: Limits = SERVER_LIMITS,
        proof: AddressProof | None = None,
        seed: int = 1,
    ) -> None:
        self.budget = BodyBudget(limits.bodies_total)
        self.engine = Engine(
            rng=random.Random(seed), budget=self.budget, parameters=parameters, limits=limits, proof=proof
        )
        self.now = 0.0

    def feed(self, message: Message) -> list[Message]:
        """Give it a message; what it sends in return."""
        self.engine.receive(message.encode(), self.now)
        return self.sent()

    def sent(self) -> list[Message]:
        """What it wants to send."""
        return [decode(datagram) for datagram in self.engine.datagrams()]

    def wait(self, seconds: float) -> list[Message]:
        """Let time pass, timer by timer; all it sends meanwhile."""
        end, sent = self.now + seconds, []
        while (due := self.engine.next_timer(self.now)) is not None and due <= end:
            self.now = max(self.now, due)
            self.engine.timer(self.now)
            sent += self.sent()
        self.now = end
        return sent

    def arrived(self) -> tuple[int, Request]:
        """The one request that arrived."""
        (event,) = self.engine.events()
        assert isinstance(event, RequestArrived)
        return event.exchange, event.request

    def failure(self) -> TransportError:
        """Why the one request failed."""
        (event,) = self.engine.events()
        assert isinstance(event, RequestFailed)
        return event.error

    def answer(self) -> Response:
        """The one response that arrived."""
        (event,) = self.engine.events()
        assert isinstance(event, ResponseArrived)
        return event.response

    def respond(self, exchange: int, response: Response) -> list[Message]:
        """Answer a request; what it sends."""
        self.engine.respond(exchange, response, self.now)
        return self.sent()
