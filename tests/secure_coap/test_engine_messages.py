"""The message layer: RFC 7252 sections 4 and 5.2, message by message."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secure_coap.engine.options import read_request, understood
from secure_coap.errors import (
    AssociationLost,
    BadRequest,
    CoapError,
    MessageFormatError,
    RequestTimeout,
    ResponseRejected,
    TooManyOutstanding,
)
from secure_coap.exchange import Request, Response
from secure_coap.limits import Limits
from secure_coap.message import Message, MessageType, decode_body, decode_uint
from secure_coap.numbers import Code, Option, TransmissionParameters
from tests.secure_coap.simulation import Bench
from tests.secure_coap.strategies import messages

CON, NON, ACK, RST = MessageType
GET = Message(CON, Code.GET, 7, b"tok", ((Option.URI_PATH, b"x"),))


def test_piggybacked_response() -> None:
    bench = Bench()
    assert bench.feed(GET) == []
    exchange, request = bench.arrived()
    assert request == Request(Code.GET, ("x",))
    assert bench.respond(exchange, Response(Code.CONTENT, b"hi")) == [Message(ACK, Code.CONTENT, 7, b"tok", (), b"hi")]


def test_slow_handler_gets_an_early_acknowledgement_and_a_separate_response() -> None:
    bench = Bench()
    bench.feed(GET)
    exchange, _ = bench.arrived()
    assert bench.wait(1.0) == [Message.empty(ACK, 7)]
    (separate,) = bench.respond(exchange, Response(Code.CONTENT, b"hi"))
    assert (separate.type, separate.token, separate.payload) == (CON, b"tok", b"hi")
    assert bench.wait(2.0) == [separate]
    assert bench.feed(Message.empty(ACK, separate.mid)) == []
    assert bench.wait(200.0) == []
    assert bench.feed(GET) == [Message.empty(ACK, 7)]


def test_each_slow_request_is_acknowledged_in_its_time_and_none_that_was_answered() -> None:
    bench = Bench()
    bench.feed(GET)
    first, _ = bench.arrived()
    bench.wait(0.5)
    bench.feed(replace(GET, mid=8))
    bench.arrived()
    (answer,) = bench.respond(first, Response(Code.CONTENT, b"hi"))
    assert (answer.type, answer.mid) == (ACK, 7)
    assert bench.wait(0.9) == []
    assert bench.wait(0.1) == [Message.empty(ACK, 8)]


def test_repeated_requests_get_the_same_bytes_and_are_handled_once() -> None:
    bench = Bench()
    bench.feed(GET)
    assert bench.feed(GET) == [], "in progress: nothing to repeat yet"
    exchange, _ = bench.arrived()
    first = bench.respond(exchange, Response(Code.CONTENT, b"hi"))
    bench.wait(TransmissionParameters(ack_random_factor=1).exchange_lifetime - 0.1)
    assert bench.feed(GET) == first
    assert bench.nothing_arrived()
    bench.wait(1.2)
    bench.feed(GET)
    bench.arrived()


def test_non_confirmable_request_gets_a_non_confirmable_response_once() -> None:
    bench = Bench()
    question = replace(GET, type=NON)
    bench.feed(question)
    exchange, _ = bench.arrived()
    assert bench.wait(10.0) == [], "no acknowledgement"
    (response,) = bench.respond(exchange, Response(Code.CONTENT))
    assert response.type is NON
    assert bench.feed(question) == [response]


def test_ping_is_answered_with_reset() -> None:
    assert Bench().feed(Message.empty(CON, 9)) == [Message.empty(RST, 9)]


@pytest.mark.parametrize("type_", [NON, ACK, RST])
def test_stray_empty_messages_are_ignored(type_: MessageType) -> None:
    assert Bench().feed(Message.empty(type_, 9)) == []


def test_reserved_classes_are_rejected() -> None:
    assert Bench().feed(Message(CON, Code(0x21), 9)) == [Message.empty(RST, 9)]
    assert Bench().feed(Message(NON, Code(0xE1), 9)) == []


def test_unknown_critical_option() -> None:
    option = ((9999, b"?"),)
    (refusal,) = Bench().feed(replace(GET, options=option))
    assert (refusal.type, refusal.code, refusal.token) == (ACK, Code.BAD_OPTION, b"tok")
    assert Bench().feed(replace(GET, type=NON, options=option)) == [Message.empty(RST, 7)]


def test_unknown_elective_option_is_ignored() -> None:
    bench = Bench()
    bench.feed(replace(GET, options=((10_000, b"?"),)))
    assert bench.arrived()[1] == Request(Code.GET)


@pytest.mark.parametrize(
    "options",
    [
        ((Option.URI_PATH, b"\xff"),),
        ((Option.ACCEPT, b"\1"), (Option.ACCEPT, b"\1")),
        ((Option.URI_QUERY, b"\xc3"),),
        ((Option.BLOCK1, b"\0\0\0\0"),),
        ((Option.OSCORE, b""),),
        ((Option.Q_BLOCK1, b"\1"),),
    ],
)
def test_malformed_or_repeated_critical_options(options: tuple[tuple[int, bytes], ...]) -> None:
    assert Bench().feed(replace(GET, options=options))[0].code == Code.BAD_OPTION


def test_proxy_requests_and_dot_segments() -> None:
    assert Bench().feed(replace(GET, options=((Option.PROXY_URI, b"coap://x"),)))[0].code == Code.PROXYING_NOT_SUPPORTED
    assert Bench().feed(replace(GET, options=((Option.URI_PATH, b".."),)))[0].code == Code.BAD_REQUEST


# --- our requests ---


def test_retransmission_times_and_giving_up() -> None:
    bench = Bench()
    bench.request(Request(Code.GET))
    (first,) = bench.sent()
    for wait in (2, 4, 8, 16):
        assert bench.wait(wait - 0.01) == []
        assert bench.wait(0.01) == [first]
    assert bench.wait(31.99) == []
    assert bench.nothing_arrived()
    bench.wait(0.01)
    assert isinstance(bench.failure(), RequestTimeout)
    assert bench.is_idle()


def test_the_first_timeout_is_random_within_the_factor() -> None:
    waits = set()
    for seed in range(50):
        bench = Bench(parameters=TransmissionParameters(), seed=seed)
        bench.request(Request(Code.GET))
        waits.add(bench.engine.next_timer())
    assert len(waits) == 50
    assert all(wait is not None and 2.0 <= wait <= 3.0 for wait in waits)


def test_separate_response_to_our_request() -> None:
    bench = Bench()
    bench.request(Request(Code.GET))
    (question,) = bench.sent()
    bench.feed(Message.empty(ACK, question.mid))
    assert bench.wait(60.0) == []
    response = Message(CON, Code.CONTENT, 77, question.token, (), b"late")
    assert bench.feed(response) == [Message.empty(ACK, 77)]
    assert bench.answer().payload == b"late"
    assert bench.feed(response) == [Message.empty(ACK, 77)], "repeated byte for byte"
    assert bench.nothing_arrived()


def test_a_response_that_overtakes_its_acknowledgement_stops_retransmission() -> None:
    bench = Bench()
    bench.request(Request(Code.GET))
    (question,) = bench.sent()
    bench.feed(Message(NON, Code.CONTENT, 77, question.token))
    bench.answer()
    assert bench.wait(100.0) == []


def test_an_acknowledged_request_without_response_times_out() -> None:
    bench = Bench(limits=Limits(response_wait=50.0))
    bench.request(Request(Code.GET))
    (question,) = bench.sent()
    bench.feed(Message.empty(ACK, question.mid))
    bench.wait(50.0)
    assert isinstance(bench.failure(), RequestTimeout)


def test_reset_fails_the_request() -> None:
    bench = Bench()
    bench.request(Request(Code.GET))
    bench.feed(Message.empty(RST, bench.sent()[0].mid))
    assert isinstance(bench.failure(), ResponseRejected)


def test_responses_with_a_foreign_token_are_rejected() -> None:
    bench = Bench()
    bench.request(Request(Code.GET))
    (question,) = bench.sent()
    assert bench.feed(Message(CON, Code.CONTENT, 5, b"guess")) == [Message.empty(RST, 5)]
    assert bench.feed(Message(ACK, Code.CONTENT, question.mid, b"guess")) == []
    assert bench.feed(Message(ACK, Code.CONTENT, question.mid ^ 1, question.token)) == []
    assert bench.nothing_arrived()
    assert bench.wait(2.0) == [question]


def test_a_response_with_an_unknown_critical_option_is_rejected() -> None:
    bench = Bench()
    bench.request(Request(Code.GET))
    (question,) = bench.sent()
    assert bench.feed(Message(CON, Code.CONTENT, 5, question.token, ((9999, b""),))) == [Message.empty(RST, 5)]
    assert isinstance(bench.failure(), ResponseRejected)


def test_nstart_keeps_requests_in_a_bounded_queue() -> None:
    bench = Bench(limits=Limits(queued_requests=2))
    for number in range(3):
        bench.request(Request(Code.GET, (str(number),)))
    with pytest.raises(TooManyOutstanding):
        bench.request(Request(Code.GET))
    (first,) = bench.sent()
    (second,) = bench.feed(Message(ACK, Code.CONTENT, first.mid, first.token))
    assert second.value(Option.URI_PATH) == b"1"
    assert bench.feed(Message.empty(ACK, second.mid))[0].value(Option.URI_PATH) == b"2", (
        "acknowledged is not outstanding"
    )


def test_cancelled_requests_leave_the_air_and_the_queue() -> None:
    bench = Bench()
    first, second = (bench.request(Request(Code.GET)) for _ in range(2))
    bench.engine.cancel(bench.link, second, bench.now)
    bench.engine.cancel(bench.link, first, bench.now)
    assert len(bench.sent()) == 1
    assert bench.wait(100.0) == []
    assert bench.is_idle()


def test_tokens_and_message_ids() -> None:
    bench = Bench(parameters=TransmissionParameters(nstart=1000), limits=Limits())
    for _ in range(1000):
        bench.request(Request(Code.GET))
    sent = bench.sent()
    assert len({message.token for message in sent}) == 1000
    assert {len(message.token) for message in sent} == {8}
    assert [message.mid for message in sent] == [(sent[0].mid + n) % 65536 for n in range(1000)]


def test_message_ids_are_not_reused_within_exchange_lifetime() -> None:
    bench = Bench()
    for _ in range(65_536):
        bench.request(Request(Code.GET))
        (question,) = bench.sent()
        bench.feed(Message(ACK, Code.CONTENT, question.mid, question.token))
        bench.events()
    bench.request(Request(Code.GET))
    assert bench.sent() == []
    assert bench.wait(240.0 - 16) == []
    assert len(bench.wait(20.0)) >= 1


def test_a_closed_association_fails_what_is_outstanding() -> None:
    bench = Bench()
    bench.request(Request(Code.GET))
    bench.engine.close(bench.link, AssociationLost("gone"))
    assert isinstance(bench.failure(), AssociationLost)


def test_memory_for_repetition_is_bounded_but_nothing_is_handled_twice() -> None:
    bench = Bench(limits=Limits(remembered_messages=100, remembered_bytes=5_000))
    post = replace(GET, code=Code.POST)
    for mid in range(100):
        bench.feed(replace(post, mid=mid))
        exchange, _ = bench.arrived()
        bench.respond(exchange, Response(Code.CHANGED, bytes(500)))
    assert bench.feed(replace(post, mid=20)) == [], "its answer was forgotten, so silence"
    assert len(bench.feed(replace(post, mid=99))) == 1
    assert bench.nothing_arrived()


def test_too_many_requests_in_progress() -> None:
    bench = Bench(limits=Limits(concurrent_handlers=2))
    for mid in range(2):
        bench.feed(replace(GET, mid=mid))
    (refusal,) = bench.feed(replace(GET, mid=3))
    assert (refusal.code, refusal.value(Option.MAX_AGE)) == (Code.TOO_MANY_REQUESTS, b"\1")


# --- answers that are special ---


@pytest.mark.parametrize(
    ("unwanted", "code", "answered"),
    [
        (2, Code.CONTENT, False),
        (2, Code.NOT_FOUND, True),
        (8, Code.CONTENT, True),
        (8, Code.NOT_FOUND, False),
        (16, Code.SERVICE_UNAVAILABLE, False),
        (26, Code.CONTENT, False),
        (0, Code.CONTENT, True),
    ],
)
def test_no_response(unwanted: int, code: Code, answered: bool) -> None:
    """RFC 7967: what is not wanted is acknowledged at most."""
    option = (int(Option.NO_RESPONSE), bytes((unwanted,)) if unwanted else b"")
    for type_ in (CON, NON):
        bench = Bench()
        question = replace(GET, type=type_, options=(*GET.options, option))
        bench.feed(question)
        incoming, request = bench.arrived()
        assert request.options == (option,)
        sent = bench.respond(incoming, Response(code))
        if answered:
            assert [message.code for message in sent] == [code]
        else:
            assert sent == ([Message.empty(ACK, 7)] if type_ is CON else [])
        assert bench.feed(question) == sent, "repeated byte for byte"
        assert bench.nothing_arrived()
        assert bench.link.deferred == 0


def test_no_response_covers_refusals() -> None:
    option = (int(Option.NO_RESPONSE), b"\x08")
    bench = Bench(limits=Limits(concurrent_handlers=0))
    assert bench.feed(replace(GET, options=(*GET.options, option))) == [Message.empty(ACK, 7)]


def test_a_large_answer_to_a_safe_request_is_not_kept_but_made_again() -> None:
    """RFC 7252 section 4.5."""
    bench = Bench()
    for _ in range(2):
        bench.feed(GET)
        incoming, _ = bench.arrived()
        assert len(bench.respond(incoming, Response(Code.CONTENT, bytes(1000)))) == 1


def test_an_answered_request_is_not_answered_again() -> None:
    bench = Bench()
    bench.feed(GET)
    incoming, _ = bench.arrived()
    bench.respond(incoming, Response(Code.CONTENT))
    assert bench.respond(incoming, Response(Code.CONTENT)) == []
    bench.feed(replace(GET, mid=8))
    incoming, _ = bench.arrived()
    bench.engine.close(bench.link, AssociationLost("gone"))
    assert bench.respond(incoming, Response(Code.CONTENT)) == []


def test_a_conversation_ends_when_nothing_must_be_remembered() -> None:
    bench = Bench()
    bench.request(Request(Code.GET))
    (question,) = bench.sent()
    bench.feed(Message(ACK, Code.CONTENT, question.mid, question.token))
    bench.events()
    bench.wait(240.0)
    assert bench.link.conversation is not None
    bench.wait(300.0)
    assert bench.link.conversation is None


def test_what_happens_is_counted() -> None:
    bench = Bench()
    counters = bench.engine.counters
    bench.feed(GET)
    bench.feed(GET)
    assert (counters.requests, counters.duplicates) == (1, 1)
    bench.receive(b"\x40")
    bench.receive(bytes.fromhex("40010001ff"))
    assert counters.malformed == 2
    bench.feed(replace(GET, mid=9, options=((9999, b""),)))
    assert counters.refused == 1
    bench.feed(Message(CON, Code.CONTENT, 10, b"guess"))
    bench.feed(Message.empty(RST, 11))
    assert counters.unasked == 2
    bench.request(Request(Code.GET))
    bench.wait(100.0)
    assert (counters.retransmissions, counters.timeouts) == (4, 1)


@given(messages)
def test_a_request_is_read_as_the_general_codec_reads_it(message: Message) -> None:
    """`read_request` is one pass over what `decode` and `understood` do in two."""
    wire = message.encode()
    start = 4 + len(message.token)
    try:
        options = understood(message.options)
    except CoapError as expected:
        with pytest.raises(type(expected)):
            read_request(Code.GET, wire, start, confirmable=True)
        return
    try:
        request, transfer = read_request(Code.GET, wire, start, confirmable=True)
    except BadRequest:
        assert {b".", b".."} & {value for number, value in options if number == Option.URI_PATH}
        return
    assert request.payload == message.payload
    assert request.path == tuple(value.decode() for number, value in options if number == Option.URI_PATH)
    assert request.query == tuple(value.decode() for number, value in options if number == Option.URI_QUERY)
    formats = [decode_uint(value) for number, value in options if number == Option.CONTENT_FORMAT]
    assert request.content_format == (formats[0] if formats else None)
    fields = (Option.URI_PATH, Option.URI_QUERY, Option.CONTENT_FORMAT, Option.ACCEPT, Option.OBSERVE)
    assert sorted((*request.options, *transfer)) == sorted(option for option in options if option[0] not in fields)


@given(messages, st.data())
def test_a_cut_request_is_refused_as_the_general_codec_refuses_it(message: Message, data: st.DataObject) -> None:
    wire = message.encode()
    start = 4 + len(message.token)
    cut = wire[: data.draw(st.integers(start, len(wire)))]
    try:
        decode_body(cut, start)
    except MessageFormatError:
        with pytest.raises((MessageFormatError, CoapError)):
            read_request(Code.GET, cut, start, confirmable=True)
