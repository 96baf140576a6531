"""Being observed: RFC 7641 section 4, message by message."""

from __future__ import annotations

import pytest

from secure_coap.engine import ObserverGone
from secure_coap.engine.blocks import Block
from secure_coap.errors import AssociationLost
from secure_coap.exchange import Response
from secure_coap.limits import Limits
from secure_coap.message import Message, MessageType, decode_uint
from secure_coap.numbers import Code, Option
from tests.secure_coap.simulation import Bench

CON, NON, ACK, RST = MessageType
REGISTER = Message(CON, Code.GET, 7, b"tok", ((Option.OBSERVE, b""), (Option.URI_PATH, b"x")))


def observed(bench: Bench, question: Message = REGISTER) -> Message:
    """The peer observes; the first notification."""
    bench.feed(question)
    incoming, request = bench.arrived()
    assert request.observe == 0
    assert bench.engine.observe(incoming, bench.now)
    (first,) = bench.respond(incoming, Response(Code.CONTENT, b"0"))
    return first


def notify(
    bench: Bench, payload: bytes, *, confirmable: bool = False, code: Code = Code.CONTENT, token: bytes = b"tok"
) -> list[Message]:
    """Tell a new state; what is sent."""
    bench.engine.notify(bench.link, token, Response(code, payload), bench.now, confirmable=confirmable)
    return bench.sent()


def number(message: Message) -> int:
    value = message.value(Option.OBSERVE)
    assert value is not None
    return decode_uint(value)


def test_notifications_carry_growing_numbers_and_the_token() -> None:
    bench = Bench()
    first = observed(bench)
    (second,), (third,) = notify(bench, b"1"), notify(bench, b"2")
    assert first.type is ACK
    assert (second.type, second.token, second.payload) == (NON, b"tok", b"1")
    assert number(first) < number(second) < number(third)
    assert bench.wait(300.0) == []


def test_confirmable_notifications_are_repeated_and_only_the_newest_waits() -> None:
    bench = Bench()
    observed(bench)
    (first,) = notify(bench, b"1", confirmable=True)
    assert first.type is CON
    assert notify(bench, b"2") == notify(bench, b"3") == []
    assert bench.wait(2.0) == [first]
    (next_,) = bench.feed(Message.empty(ACK, first.mid))
    assert (next_.type, next_.payload) == (CON, b"3")
    bench.feed(Message.empty(ACK, next_.mid))
    assert bench.wait(300.0) == []
    assert bench.engine.is_observed(bench.link, b"tok")


@pytest.mark.parametrize("confirmable", [False, True])
def test_a_reset_ends_it(confirmable: bool) -> None:
    bench = Bench()
    observed(bench)
    (sent,) = notify(bench, b"1", confirmable=confirmable)
    bench.feed(Message.empty(RST, sent.mid))
    assert bench.events() == [ObserverGone(bench.link, b"tok")]
    assert notify(bench, b"2") == []


def test_a_peer_that_does_not_acknowledge_is_given_up() -> None:
    bench = Bench()
    observed(bench)
    notify(bench, b"1", confirmable=True)
    assert len(bench.wait(100.0)) == 4
    assert bench.events() == [ObserverGone(bench.link, b"tok")]


def test_one_notification_a_day_is_confirmable() -> None:
    bench = Bench()
    observed(bench)
    bench.wait(86_400.0)
    (daily,) = notify(bench, b"1")
    assert daily.type is CON
    bench.feed(Message.empty(ACK, daily.mid))
    assert notify(bench, b"2")[0].type is NON


def test_the_peer_deregisters() -> None:
    bench = Bench()
    observed(bench)
    bench.feed(Message(CON, Code.GET, 8, b"tok", ((Option.OBSERVE, b"\1"), (Option.URI_PATH, b"x"))))
    incoming, request = bench.arrived()
    assert request.observe == 1
    assert not bench.engine.observe(incoming, bench.now)
    (answer,) = bench.respond(incoming, Response(Code.CONTENT, b"1"))
    assert answer.value(Option.OBSERVE) is None
    assert bench.events() == [ObserverGone(bench.link, b"tok")]


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.SERVICE_UNAVAILABLE])
def test_an_error_ends_it(code: Code) -> None:
    bench = Bench()
    observed(bench)
    (last,) = notify(bench, b"", code=code)
    assert (last.code, last.value(Option.OBSERVE)) == (code, None)
    assert not bench.engine.is_observed(bench.link, b"tok")
    refused = Bench()
    refused.feed(REGISTER)
    incoming, _ = refused.arrived()
    assert refused.engine.observe(incoming, 0.0)
    (answer,) = refused.respond(incoming, Response(code))
    assert answer.value(Option.OBSERVE) is None
    assert not refused.engine.is_observed(refused.link, b"tok")


def test_registering_again_goes_on_counting() -> None:
    bench = Bench()
    observed(bench)
    (before,) = notify(bench, b"1")
    again = observed(bench, Message(CON, Code.GET, 8, b"tok", REGISTER.options))
    assert number(again) > number(before)


def test_observers_are_bounded() -> None:
    bench = Bench(limits=Limits(observations=1))
    observed(bench)
    bench.feed(Message(CON, Code.GET, 8, b"two", REGISTER.options))
    incoming, _ = bench.arrived()
    assert not bench.engine.observe(incoming, bench.now)
    (answer,) = bench.respond(incoming, Response(Code.CONTENT, b"0"))
    assert answer.value(Option.OBSERVE) is None
    assert bench.engine.counters.no_room == 1


def test_a_large_state_is_notified_by_its_first_block() -> None:
    bench = Bench()
    observed(bench)
    body = bytes(range(200)) * 10
    (first,) = notify(bench, body)
    assert Block.decode(first.value(Option.BLOCK2) or b"") == Block(0, True, 6)
    further = ((int(Option.URI_PATH), b"x"), (int(Option.BLOCK2), Block(1, False, 6).encode()))
    (second,) = bench.feed(Message(CON, Code.GET, 8, b"other", further))
    assert first.payload + second.payload == body
    assert second.value(Option.OBSERVE) is None


def test_the_end_of_the_association_is_told() -> None:
    bench = Bench()
    observed(bench)
    bench.engine.close(bench.link, AssociationLost("gone"))
    assert bench.events() == [ObserverGone(bench.link, b"tok")]
    assert notify(bench, b"1") == []
