"""EDHOC and OSCORE: handshakes and requests per second of the server's processor time, without sockets.

Both sides run in this process; only what the server's channel and engine do is timed. The peers are what the same work
costs otherwise: our own DTLS for a handshake, aiocoap's OSCORE for a message.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aiocoap.message import Direction  # type: ignore[import-untyped]
from aiocoap.message import Message as AioMessage
from aiocoap.numbers.codes import Code as AioCode  # type: ignore[import-untyped]

from benchmarks.results import Figure, Result, samples
from device_client.emulator.transport.oscore import Context
from secure_coap.edhoc import IdCred, Method
from secure_coap.engine import Engine
from secure_coap.engine import Link as EngineLink
from secure_coap.exchange import Response
from secure_coap.limits import SERVER_LIMITS
from secure_coap.numbers import Code
from secure_coap.numbers.parameters import STANDARD
from tests.secure_coap import dtls_link
from tests.secure_coap.channel.link import DEVICE, Link, request
from tests.secure_coap.channel.test_sizes import HASHED, configs
from tests.secure_coap.pki import hierarchy

PAYLOAD: Final = bytes(20)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it."""

    rounds: int = 5
    handshakes: int = 300
    requests: int = 5_000


SMOKE: Final = Plan(rounds=1, handshakes=3, requests=50)


class Stopwatch:
    """Processor time of what is called through it."""

    def __init__(self) -> None:
        self.spent = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            begun = time.thread_time()
            try:
                return function(*arguments)
            finally:
                self.spent += time.thread_time() - begun

        return timed


async def run(plan: Plan) -> Result:
    """Rounds in turn, so that all meet the same disturbances."""
    signed: list[float] = []
    static: list[float] = []
    dtls: list[float] = []
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(plan.rounds):
        signed.append(edhoc(plan.handshakes, Method.SIGNATURE_SIGNATURE))
        static.append(edhoc(plan.handshakes, Method.STATIC_STATIC))
        dtls.append(dtls_handshakes(plan.handshakes))
        ours.append(requests(plan.requests))
        theirs.append(aiocoap_messages(plan.requests))
    return Result(
        benchmark="oscore",
        title="EDHOC and OSCORE on the server's side",
        peer="our DTLS with certificates; aiocoap's OSCORE",
        configuration={
            "handshakes": f"{plan.rounds} rounds of {plan.handshakes}: messages 1 and 3, the latter with a first"
            " request, credentials by reference, suite 2 (P-256); DTLS with chains on P-256, AES_128_CCM_8",
            "requests": f"{plan.rounds} rounds of {plan.requests} with 20 bytes each way: from datagram to handler and"
            " back; of aiocoap only opening the request and protecting the response",
        },
        figures=(
            Figure(
                "EDHOC handshakes by signatures per processor second", "1/s", samples(signed), samples(dtls),
                more_is_better=True,
            ),
            Figure(
                "EDHOC handshakes by static keys per processor second", "1/s", samples(static), samples(dtls),
                more_is_better=True,
            ),
            Figure(
                "OSCORE requests per processor second", "1/s", samples(ours), samples(theirs), more_is_better=True
            ),
        ),
    )  # fmt: skip


def edhoc(count: int, method: Method) -> float:
    """Handshakes per second, each from an address of its own."""
    server_id = HASHED if method.responder_signs else IdCred.of_kid(b"\x06")
    server, client = configs(method, HASHED, server_id)
    link, watch = Link(server), Stopwatch()
    link.server.receive = watch.around(link.server.receive)  # type: ignore[method-assign]
    for port in range(1, count + 1):
        address = (DEVICE[0], port)
        link.connect(client, address)
        link.say(request(), address)
        del link.clients[address]
    assert len(link.opened()) == count
    return count / watch.spent


def dtls_handshakes(count: int) -> float:
    """The same by DTLS."""
    link, watch = dtls_link.Link(hierarchy().server_config()), Stopwatch()
    link.server.receive = watch.around(link.server.receive)  # type: ignore[method-assign]
    for port in range(1, count + 1):
        address = (DEVICE[0], port)
        link.connect(address, hierarchy().client_config())
        link.run()
        del link.clients[address]
    assert len(link.opened()) == count
    return count / watch.spent


def requests(count: int) -> float:
    """Requests per second over one association."""
    server, client = configs(Method.STATIC_STATIC, HASHED, IdCred.of_kid(b"\x06"))
    link = Link(server)
    link.connect(client)
    link.say(request())
    (association,) = link.opened()
    engine = Engine(rng=random.Random(1), parameters=STANDARD, limits=SERVER_LIMITS)  # noqa: S311 - a measurement
    engine.open(association)  # type: ignore[arg-type]
    datagrams = [link.sealed(request(mid, b"\x01", PAYLOAD)) for mid in range(2, count + 2)]
    response = Response(Code.CHANGED, PAYLOAD)
    sealed = 0
    begun = time.thread_time()
    for datagram in datagrams:
        received = link.server.receive(datagram, DEVICE, link.now)
        assert received is not None
        incoming = engine.receive(_link(received.association), received.datagram, link.now)
        assert incoming is not None
        engine.respond(incoming, response, link.now)
        for to, answer in engine.outbox:
            sealed += link.server.seal(to, answer) is not None
        engine.outbox.clear()
    spent = time.thread_time() - begun
    assert sealed == count
    return count / spent


def _link(association: Any) -> EngineLink:
    link: EngineLink = association
    return link


def aiocoap_messages(count: int) -> float:
    """aiocoap opens as many requests and protects their responses."""
    device = Context(bytes(16), b"", sender_id=b"\x02", recipient_id=b"\x01")
    server = Context(bytes(16), b"", sender_id=b"\x01", recipient_id=b"\x02")
    protected = []
    for _ in range(count):
        message = AioMessage(code=AioCode.POST, payload=PAYLOAD, uri_path=("x",))
        protected.append(device.protect(message)[0])
    begun = time.thread_time()
    for message in protected:
        message.direction = Direction.INCOMING
        _, identifiers = server.unprotect(message)
        server.protect(AioMessage(code=AioCode.CHANGED, payload=PAYLOAD), identifiers)
    return count / (time.thread_time() - begun)
