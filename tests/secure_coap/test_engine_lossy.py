"""Two engines on a network with 30 % loss, repetition and reordering: everything exactly once, each way."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from lwm2m_server.testing.network import Conditions
from secure_coap.exchange import Request, Response
from secure_coap.limits import Limits
from secure_coap.numbers import Code, TransmissionParameters
from tests.secure_coap.simulation import Node, Pair

STORM = Conditions(loss=0.3, duplicate=0.3, reorder=0.3)
PATIENT = TransmissionParameters(ack_timeout=0.5, max_retransmit=14, nstart=2)


def storm(seed: int) -> Pair:
    big = Limits(queued_requests=200, body_idle=1e5, response_wait=1e5)  # backoff alone may take minutes here
    return Pair(seed=seed, conditions=STORM, parameters=PATIENT, a_limits=big, b_limits=big)


def echo(request: Request) -> Response:
    return Response(Code.CHANGED, request.payload)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("thinking", [0.0, 3.0])
def test_every_request_is_handled_once_and_answered_once(seed: int, thinking: float) -> None:
    pair = storm(seed)
    asked: dict[str, dict[int, bytes]] = {"a": {}, "b": {}}
    for node in (pair.a, pair.b):
        node.answerer, node.thinking = echo, thinking
        for number in range(40):
            payload = f"{node.name} {number}".encode()
            asked[node.name][node.request(Request(Code.POST, ("x",), payload=payload))] = payload
    pair.clock.run_until(lambda: len(pair.a.outcomes) == len(pair.b.outcomes) == 40, limit=1e6)
    for node, other in ((pair.a, pair.b), (pair.b, pair.a)):
        assert sorted(request.payload for request in other.requests) == sorted(asked[node.name].values())
        assert {handle: payload_of(node, handle) for handle in asked[node.name]} == asked[node.name]


def payload_of(node: Node, handle: int) -> bytes:
    outcome = node.outcomes[handle]
    assert isinstance(outcome, Response), outcome
    return outcome.payload


@pytest.mark.parametrize("seed", range(5))
def test_64_kib_each_way_at_the_same_time(seed: int) -> None:
    pair = storm(seed)
    rng = random.Random(seed)
    bodies = {node.name: rng.randbytes(64 * 1024) for node in (pair.a, pair.b)}
    for node in (pair.a, pair.b):
        node.answerer = echo
        node.request(Request(Code.PUT, ("fw",), payload=bodies[node.name]))
    pair.clock.run_until(lambda: bool(pair.a.outcomes and pair.b.outcomes), limit=1e6)
    for node, other in ((pair.a, pair.b), (pair.b, pair.a)):
        assert payload_of(node, 1) == bodies[node.name]
        assert [request.payload for request in other.requests] == [bodies[node.name]]
    assert pair.b_budget.used == 0


@pytest.mark.parametrize("seed", range(5))
def test_four_bodies_to_the_same_resource_stay_apart(seed: int) -> None:
    pair = storm(seed)
    pair.b.answerer = echo
    bodies = [bytes([number]) * 5000 for number in range(4)]
    for body in bodies:
        pair.a.request(Request(Code.POST, ("x",), payload=body))
    pair.clock.run_until(lambda: len(pair.a.outcomes) == 4, limit=1e6)
    assert sorted(request.payload for request in pair.b.requests) == bodies
    assert sorted(payload_of(pair.a, handle) for handle in pair.a.outcomes) == bodies


def test_equal_seeds_give_equal_runs() -> None:
    def run() -> tuple[float, object]:
        pair = storm(7)
        pair.b.answerer = echo
        pair.a.ask(Request(Code.POST, ("x",), payload=bytes(10_000)))
        return pair.clock.now, pair.network.counts

    assert run() == run()


def newer_than_before(states: list[int]) -> bool:
    return all(earlier < later for earlier, later in pairwise(states))


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("size", [4, 3000])
def test_every_notification_heard_is_newer_and_the_last_state_arrives(seed: int, size: int) -> None:
    """With states told faster than they can arrive, some are skipped; none comes twice, or late, or mixed."""
    pair = storm(seed)
    states = [0]

    def body() -> bytes:
        return states[-1].to_bytes(4, "big") * (size // 4)

    pair.b.answerer = lambda request: Response(Code.CONTENT, body())
    pair.b.observes = True
    pair.a.request(Request(Code.GET, ("state",), observe=0), b"observed")
    assert pair.clock.run_until(lambda: bool(pair.a.outcomes), limit=1e6)
    while states[-1] < 30:
        states.append(states[-1] + 1)
        pair.b.engine.notify(pair.b.link, b"observed", Response(Code.CONTENT, body()), pair.clock.now, confirmable=True)
        pair.b.flush()
        pair.clock.advance(2.0)
    last = body()

    def heard() -> list[bytes]:
        return [news.payload for news in pair.a.notifications if isinstance(news, Response)]

    assert pair.clock.run_until(lambda: heard()[-1:] == [last], limit=1e6)
    bodies = [payload_of(pair.a, 1), *heard()]
    assert all(payload == payload[:4] * (size // 4) for payload in bodies), "no two states mixed"
    assert newer_than_before([int.from_bytes(payload[:4], "big") for payload in bodies])
    assert pair.a.engine.observes(pair.a.link, b"observed")
