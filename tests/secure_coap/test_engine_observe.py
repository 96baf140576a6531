"""Observing a peer's resource: RFC 7641, message by message."""

from __future__ import annotations

import pytest

from secure_coap.engine import Link, Notified
from secure_coap.engine.blocks import Block
from secure_coap.errors import AssociationLost, ResponseRejected, TooManyOutstanding
from secure_coap.exchange import Request, Response
from secure_coap.limits import Limits
from secure_coap.message import Message, MessageType, encode_uint
from secure_coap.numbers import Code, Option
from tests.secure_coap.simulation import Bench

CON, NON, ACK, RST = MessageType
TOKEN = b"observed"
TEMPERATURE = Request(Code.GET, ("3303", "0", "5700"), observe=0)
BODY = bytes(range(256)) * 10


def observing(bench: Bench, number: int = 1) -> None:
    """An observation whose first notification had this number."""
    bench.request(TEMPERATURE, TOKEN)
    (question,) = bench.sent()
    assert (question.token, question.value(Option.OBSERVE)) == (TOKEN, b"")
    bench.feed(Message(ACK, Code.CONTENT, question.mid, TOKEN, ((Option.OBSERVE, encode_uint(number)),), b"20"))
    assert bench.answer() == Response(Code.CONTENT, b"20", observe=number)
    assert bench.engine.observes(bench.link, TOKEN)


def notify(
    bench: Bench,
    mid: int,
    number: int | None,
    payload: bytes = b"21",
    *options: tuple[int, bytes],
    type_: MessageType = CON,
) -> list[Message]:
    """Send a notification; what comes back."""
    observe = () if number is None else ((int(Option.OBSERVE), encode_uint(number)),)
    return bench.feed(Message(type_, Code.CONTENT, mid, TOKEN, tuple(sorted((*observe, *options))), payload))


def news(bench: Bench) -> list[Notified]:
    events = bench.events()
    assert all(isinstance(event, Notified) for event in events)
    return [event for event in events if isinstance(event, Notified)]


def payloads(bench: Bench) -> list[bytes]:
    return [event.outcome.payload for event in news(bench) if isinstance(event.outcome, Response)]


def test_confirmable_and_other_notifications() -> None:
    bench = Bench()
    observing(bench)
    assert notify(bench, 10, 2) == [Message.empty(ACK, 10)]
    assert notify(bench, 11, 3, b"22", type_=NON) == []
    assert news(bench) == [
        Notified(bench.link, TOKEN, Response(Code.CONTENT, b"21", observe=2), ended=False),
        Notified(bench.link, TOKEN, Response(Code.CONTENT, b"22", observe=3), ended=False),
    ]


@pytest.mark.parametrize(
    ("first", "second", "seconds", "fresh"),
    {
        "next": (1, 2, 0, True),
        "equal": (2, 2, 0, False),
        "older": (3, 2, 0, False),
        "just within half the range": (0, (1 << 23) - 1, 0, True),
        "half the range": (0, 1 << 23, 0, False),
        "wrapped": ((1 << 24) - 1, 0, 0, True),
        "older over the wrap": (0, (1 << 24) - 1, 0, False),
        "older, but 128 seconds later": (3, 2, 128, False),
        "older, but more than 128 seconds later": (3, 2, 128.1, True),
    }.values(),
)
def test_freshness(first: int, second: int, seconds: float, fresh: bool) -> None:
    """RFC 7641 section 3.4; what is stale is acknowledged all the same."""
    bench = Bench()
    observing(bench, first)
    bench.now += seconds
    assert notify(bench, 10, second) == [Message.empty(ACK, 10)]
    assert bool(news(bench)) is fresh


def test_a_repeated_notification_is_told_once() -> None:
    bench = Bench()
    observing(bench)
    assert notify(bench, 10, 2) == notify(bench, 10, 2)
    assert payloads(bench) == [b"21"]


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.CONTENT])
def test_an_error_or_a_response_without_the_option_is_the_last(code: Code) -> None:
    bench = Bench()
    observing(bench)
    bench.feed(Message(CON, code, 10, TOKEN))
    assert news(bench) == [Notified(bench.link, TOKEN, Response(code), ended=True)]
    assert notify(bench, 11, 3) == [Message.empty(RST, 11)]


def test_a_peer_that_does_not_agree() -> None:
    bench = Bench()
    bench.request(TEMPERATURE, TOKEN)
    (question,) = bench.sent()
    bench.feed(Message(ACK, Code.CONTENT, question.mid, TOKEN, (), b"20"))
    assert bench.answer() == Response(Code.CONTENT, b"20")
    assert not bench.engine.observes(bench.link, TOKEN)


def test_cancelling_is_silent_at_once() -> None:
    bench = Bench()
    observing(bench)
    bench.engine.forget(bench.link, TOKEN, bench.now)
    bench.request(Request(Code.GET, TEMPERATURE.path, observe=1), TOKEN)
    (question,) = bench.sent()
    assert (question.token, question.value(Option.OBSERVE)) == (TOKEN, b"\1")
    assert notify(bench, 10, 2) == [Message.empty(RST, 10)], "a notification is no answer to the cancellation"
    bench.feed(Message(ACK, Code.CONTENT, question.mid, TOKEN, (), b"21"))
    assert bench.answer() == Response(Code.CONTENT, b"21")
    assert notify(bench, 11, 3) == [Message.empty(RST, 11)]
    assert bench.nothing_arrived()


def test_a_forgotten_token_is_reset() -> None:
    bench = Bench()
    observing(bench)
    bench.engine.forget(bench.link, TOKEN, bench.now)
    assert notify(bench, 10, 2) == [Message.empty(RST, 10)]
    assert notify(bench, 11, 3, type_=NON) == [Message.empty(RST, 11)]
    assert bench.nothing_arrived()


def test_an_adopted_observation_goes_on_with_any_number() -> None:
    bench = Bench()
    bench.engine.adopt(bench.link, TOKEN, TEMPERATURE, bench.now)
    assert notify(bench, 10, 7_000_000) == [Message.empty(ACK, 10)]
    assert notify(bench, 11, 6_999_999) == [Message.empty(ACK, 11)]
    assert payloads(bench) == [b"21"]


def test_a_block_wise_notification_is_read_with_get() -> None:
    """RFC 7959 section 3.4: the further blocks have tokens of their own and no Observe."""
    bench = Bench()
    observing(bench)
    block = (int(Option.BLOCK2), Block(0, True, 6).encode())
    acknowledged, further = notify(bench, 10, 2, BODY[:1024], (int(Option.ETAG), b"e"), block)
    assert acknowledged == Message.empty(ACK, 10)
    assert further.token != TOKEN
    assert further.value(Option.OBSERVE) is None
    assert Block.decode(further.value(Option.BLOCK2) or b"") == Block(1, False, 6)
    second = ((int(Option.ETAG), b"e"), (int(Option.BLOCK2), Block(1, True, 6).encode()))
    (further,) = bench.feed(Message(ACK, Code.CONTENT, further.mid, further.token, second, BODY[1024:2048]))
    last = ((int(Option.ETAG), b"e"), (int(Option.BLOCK2), Block(2, False, 6).encode()))
    assert bench.feed(Message(ACK, Code.CONTENT, further.mid, further.token, last, BODY[2048:])) == []
    (event,) = news(bench)
    assert event.outcome == Response(Code.CONTENT, BODY, observe=2, options=((Option.ETAG, b"e"),))


def test_a_newer_notification_stops_the_reading_of_an_older_one() -> None:
    bench = Bench()
    observing(bench)
    block = (int(Option.BLOCK2), Block(0, True, 6).encode())
    _, further = notify(bench, 10, 2, BODY[:1024], block)
    notify(bench, 11, 3, b"short")
    late = ((int(Option.BLOCK2), Block(1, False, 6).encode()),)
    bench.feed(Message(ACK, Code.CONTENT, further.mid, further.token, late, BODY[1024:1030]))
    assert payloads(bench) == [b"short"]
    assert bench.wait(200.0) == []


def test_blocks_that_cannot_be_read_do_not_end_the_observation() -> None:
    bench = Bench()
    observing(bench)
    _, further = notify(bench, 10, 2, BODY[:1024], (int(Option.BLOCK2), Block(0, True, 6).encode()))
    bench.feed(Message(ACK, Code.CONTENT, further.mid, further.token, (), b"no block"))
    (event,) = news(bench)
    assert isinstance(event.outcome, ResponseRejected)
    assert not event.ended
    notify(bench, 11, 3)
    assert payloads(bench) == [b"21"]


def test_a_notification_that_cannot_be_understood_ends_it() -> None:
    bench = Bench()
    observing(bench)
    assert notify(bench, 10, 2, b"21", (9999, b"")) == [Message.empty(RST, 10)]
    (event,) = news(bench)
    assert (type(event.outcome), event.ended) == (ResponseRejected, True)


def test_observations_are_bounded() -> None:
    bench = Bench(limits=Limits(observations=2))
    for token in (b"1", b"2", b"1"):
        bench.engine.adopt(bench.link, token, TEMPERATURE, bench.now)
    with pytest.raises(TooManyOutstanding):
        bench.engine.adopt(bench.link, b"3", TEMPERATURE, bench.now)
    with pytest.raises(TooManyOutstanding):
        bench.request(TEMPERATURE)


def test_the_end_of_the_association_is_told() -> None:
    bench = Bench()
    observing(bench)
    bench.engine.close(bench.link, AssociationLost("gone"))
    (event,) = news(bench)
    assert (type(event.outcome), event.ended) == (AssociationLost, True)


# --- requests that are not confirmable ---


def test_a_non_confirmable_request_is_sent_once() -> None:
    bench = Bench(limits=Limits(response_wait=50.0))
    bench.request(Request(Code.GET, ("x",), confirmable=False))
    (question,) = bench.sent()
    assert question.type is NON
    assert bench.wait(49.0) == []
    bench.feed(Message(NON, Code.CONTENT, 9, question.token, (), b"hi"))
    assert bench.answer().payload == b"hi"


def test_a_non_confirmable_request_may_be_reset_or_stay_unanswered() -> None:
    bench = Bench(limits=Limits(response_wait=50.0))
    bench.request(Request(Code.GET, confirmable=False))
    bench.feed(Message.empty(RST, bench.sent()[0].mid))
    assert isinstance(bench.failure(), ResponseRejected)
    bench.request(Request(Code.GET, confirmable=False))
    assert len(bench.wait(50.0)) == 1
    assert str(bench.failure()) == "no response in time"
    assert bench.is_idle()


@pytest.mark.parametrize("known", [True, False])
def test_the_application_may_adopt_what_a_stray_notification_belongs_to(known: bool) -> None:
    def claim(link: Link, token: bytes) -> None:
        claimed.append(token)
        if known:
            bench.engine.adopt(link, token, TEMPERATURE, bench.now)

    claimed: list[bytes] = []
    bench = Bench(claim=claim)
    assert notify(bench, 10, 7) == [Message.empty(ACK if known else RST, 10)]
    assert payloads(bench) == ([b"21"] if known else [])
    assert notify(bench, 11, 8, b"22") == [Message.empty(ACK if known else RST, 11)]
    assert claimed == [TOKEN] * (1 if known else 2)


def test_a_stray_response_is_not_offered() -> None:
    claimed: list[bytes] = []
    bench = Bench(claim=lambda _, token: claimed.append(token))
    assert notify(bench, 10, None) == [Message.empty(RST, 10)]
    assert claimed == []
