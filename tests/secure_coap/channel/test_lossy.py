"""OSCORE on a network with 30 % loss, repetition and reordering: everything exactly once, each way."""

from __future__ import annotations

import random

import pytest

from secure_coap.exchange import Request, Response
from secure_coap.limits import Limits
from secure_coap.numbers import Code
from tests.secure_coap.channel.simulation import OscorePair
from tests.secure_coap.test_engine_lossy import PATIENT, STORM, echo, payload_of

BIG = Limits(queued_requests=200, body_idle=1e5, response_wait=1e5, handshake_time=1e5, half_open_per_source=100)


def storm(seed: int) -> OscorePair:
    """The handshake takes place in it, too."""
    return OscorePair(seed, STORM, PATIENT, BIG)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("thinking", [0.0, 3.0])
def test_every_request_is_handled_once_and_answered_once(seed: int, thinking: float) -> None:
    pair = storm(seed)
    nodes = pair.a, pair.b
    for node in nodes:
        node.answerer, node.thinking = echo, thinking
    assert isinstance(pair.a.ask(Request(Code.POST, payload=b"first")), Response)
    asked = {
        node.name: {
            node.request(Request(Code.POST, ("x",), payload=body)): body
            for body in (f"{node.name} {number}".encode() for number in range(25))
        }
        for node in nodes
    }
    pair.clock.run_until(lambda: len(pair.a.outcomes) == 26 and len(pair.b.outcomes) == 25, limit=1e6)
    for node, other in ((pair.a, pair.b), (pair.b, pair.a)):
        handled = sorted(request.payload for request in other.requests if request.payload != b"first")
        assert handled == sorted(asked[node.name].values())
        assert {handle: payload_of(node, handle) for handle in asked[node.name]} == asked[node.name]
    assert len(pair.a.requests) == 25
    assert pair.b.engine.counters.undecryptable == 0


@pytest.mark.parametrize("seed", range(3))
def test_16_kib_each_way_at_the_same_time(seed: int) -> None:
    pair = storm(seed)
    rng = random.Random(seed)
    bodies = {node.name: rng.randbytes(16 * 1024) for node in (pair.a, pair.b)}
    for node in (pair.a, pair.b):
        node.answerer = echo
    pair.a.ask(Request(Code.POST))
    for node in (pair.a, pair.b):
        node.request(Request(Code.PUT, ("fw",), payload=bodies[node.name]))
    pair.clock.run_until(lambda: len(pair.a.outcomes) == 2 and bool(pair.b.outcomes), limit=1e6)
    assert payload_of(pair.a, 2) == bodies["a"]
    assert payload_of(pair.b, 1) == bodies["b"]
    assert [request.payload for request in pair.b.requests] == [b"", bodies["a"]]
    assert [request.payload for request in pair.a.requests] == [bodies["b"]]


@pytest.mark.parametrize("seed", range(3))
def test_notifications_arrive_in_order_the_newest_last(seed: int) -> None:
    pair = storm(seed)
    pair.b.answerer, pair.b.observes = (lambda _: Response(Code.CONTENT, b"0")), True
    token = b"\x77"
    handle = pair.a.request(Request(Code.GET, ("x",), observe=0), token)
    assert pair.clock.run_until(lambda: handle in pair.a.outcomes, limit=1e6)
    for number in range(1, 30):
        state = Response(Code.CONTENT, str(number).encode())
        pair.b.engine.notify(pair.b.link, token, state, pair.clock.now, confirmable=number % 3 == 0 or number == 29)
        pair.b.flush()
        pair.clock.run_until(lambda: False, limit=pair.clock.now + 5)
    pair.clock.run_until(lambda: bool(pair.a.notifications) and state_of(pair) == 29, limit=pair.clock.now + 1e5)
    states = [int(news.payload) for news in pair.a.notifications if isinstance(news, Response)]
    assert states == sorted(set(states))
    assert states[-1] == 29


def state_of(pair: OscorePair) -> int:
    news = pair.a.notifications[-1]
    assert isinstance(news, Response)
    return int(news.payload)
