"""Block-wise transfer: RFC 7959, both roles, message by message."""

from __future__ import annotations

from dataclasses import replace

import pytest

from secure_coap.engine.blocks import Block
from secure_coap.errors import BadOption, BadRequest, RequestTimeout, ResponseRejected, ResponseTooLarge
from secure_coap.exchange import Download, Request, Response, Upload
from secure_coap.limits import Limits
from secure_coap.message import Message, MessageType, decode_uint
from secure_coap.numbers import Code, Option
from tests.secure_coap.simulation import Bench, Pair

BODY = bytes(range(256)) * 12  # three blocks of 1,024


def block(number: int, more: bool, exponent: int = 6) -> bytes:
    return Block(number, more, exponent).encode()


def put(mid: int, number: int, more: bool, payload: bytes, *further: tuple[int, bytes], exponent: int = 6) -> Message:
    options = ((int(Option.URI_PATH), b"f"), (int(Option.BLOCK1), block(number, more, exponent)), *further)
    return Message(MessageType.CON, Code.PUT, mid, b"t", tuple(sorted(options)), payload)


def get(mid: int, number: int, exponent: int = 6, code: Code = Code.GET) -> Message:
    options = ((int(Option.URI_PATH), b"f"), (int(Option.BLOCK2), block(number, False, exponent)))
    return Message(MessageType.CON, code, mid, b"t", options)


def reply(question: Message, code: Code, payload: bytes = b"", *options: tuple[int, bytes]) -> Message:
    return Message(MessageType.ACK, code, question.mid, question.token, options, payload)


def block_in(message: Message, option: Option) -> Block:
    value = message.value(option)
    assert value is not None
    return Block.decode(value)


@pytest.mark.parametrize("number", [0, 1, 15, 16, 4095, (1 << 20) - 1])
def test_block_values(number: int) -> None:
    for more in (False, True):
        for exponent in range(7):
            value = Block(number, more, exponent)
            assert Block.decode(value.encode()) == value
    with pytest.raises(BadRequest):
        Block.decode(b"\x07")
    with pytest.raises(BadOption):
        Block.decode(bytes(4))
    with pytest.raises(ValueError, match="larger blocks"):
        Block(1 << 20, False, 6).encode()


# --- receiving a body ---


def test_blocks_become_one_request() -> None:
    bench = Bench()
    for number in (0, 1):
        (going_on,) = bench.feed(put(number, number, True, BODY[number * 1024 : (number + 1) * 1024]))
        assert (going_on.code, block_in(going_on, Option.BLOCK1)) == (Code.CONTINUE, Block(number, True, 6))
    assert bench.budget.used == 2048
    assert bench.feed(put(2, 2, False, BODY[2048:])) == []
    exchange, request = bench.arrived()
    assert request == Request(Code.PUT, ("f",), payload=BODY)
    assert bench.budget.used == 0
    (done,) = bench.respond(exchange, Response(Code.CHANGED))
    assert block_in(done, Option.BLOCK1) == Block(2, False, 6)


def test_repeated_blocks_are_repeated_answers() -> None:
    bench = Bench()
    first = bench.feed(put(0, 0, True, BODY[:1024]))
    assert bench.feed(put(0, 0, True, BODY[:1024])) == first
    assert bench.budget.used == 1024


def test_a_smaller_preference_is_told_and_followed() -> None:
    bench = Bench(limits=Limits(block_exponent=4))
    (going_on,) = bench.feed(put(0, 0, True, BODY[:1024]))
    assert block_in(going_on, Option.BLOCK1) == Block(0, True, 4)
    for number in range(4, 12):
        bench.feed(put(number, number, number < 11, BODY[number * 256 : (number + 1) * 256], exponent=4))
    assert bench.arrived()[1].payload == BODY


@pytest.mark.parametrize("number", [1, 2, 9])
def test_missing_blocks(number: int) -> None:
    bench = Bench()
    assert bench.feed(put(1, number, True, bytes(1024)))[0].code == Code.REQUEST_ENTITY_INCOMPLETE
    bench.feed(put(2, 0, True, bytes(1024)))
    bench.feed(put(3, 0, True, bytes(1024)))
    (refusal,) = bench.feed(put(4, 3, True, bytes(1024)))
    assert refusal.code == Code.REQUEST_ENTITY_INCOMPLETE
    assert bench.budget.used == 0


def test_block_zero_starts_anew() -> None:
    bench = Bench()
    bench.feed(put(0, 0, True, bytes(1024)))
    bench.feed(put(1, 0, True, BODY[:1024]))
    bench.feed(put(2, 1, False, BODY[1024:1030]))
    assert bench.arrived()[1].payload == BODY[:1030]


@pytest.mark.parametrize("payload", [b"", bytes(1023), bytes(1025)])
def test_a_block_that_is_not_its_size(payload: bytes) -> None:
    assert Bench().feed(put(0, 0, True, payload))[0].code == Code.BAD_REQUEST


@pytest.mark.parametrize("further", [(), ((int(Option.CONTENT_FORMAT), b""),)], ids=["left out", "another"])
def test_the_first_block_tells_the_content_format(further: tuple[tuple[int, bytes], ...]) -> None:
    bench = Bench()
    bench.feed(put(0, 0, True, BODY[:1024], (int(Option.CONTENT_FORMAT), b"\x28")))
    assert bench.feed(put(1, 1, False, BODY[1024:1030], *further)) == []
    assert bench.arrived()[1] == Request(Code.PUT, ("f",), payload=BODY[:1030], content_format=40)


def test_request_tags_separate_bodies() -> None:
    bench = Bench()
    one, two = (int(Option.REQUEST_TAG), b"1"), (int(Option.REQUEST_TAG), b"2")
    bench.feed(put(0, 0, True, b"a" * 1024, one))
    bench.feed(put(1, 0, True, b"b" * 1024, two))
    bench.feed(put(2, 1, False, b"a", one))
    assert bench.arrived()[1].payload == b"a" * 1025
    bench.feed(put(3, 1, False, b"b", two))
    assert bench.arrived()[1].payload == b"b" * 1025
    assert bench.feed(put(4, 1, False, b"c", one))[0].code == Code.REQUEST_ENTITY_INCOMPLETE


def test_announced_and_actual_excess() -> None:
    bench = Bench(limits=Limits(max_body=2000))
    (refusal,) = bench.feed(put(0, 0, True, bytes(1024), (int(Option.SIZE1), b"\x10\0\0")))
    assert refusal.code == Code.REQUEST_ENTITY_TOO_LARGE
    assert decode_uint(refusal.value(Option.SIZE1) or b"") == 2000
    bench.feed(put(1, 0, True, bytes(1024), (int(Option.SIZE1), b"\1")))
    (refusal,) = bench.feed(put(2, 1, True, bytes(1024), (int(Option.SIZE1), b"\1")))
    assert refusal.code == Code.REQUEST_ENTITY_TOO_LARGE
    assert bench.budget.used == 0


def test_a_single_message_beyond_the_bound() -> None:
    bench = Bench(limits=Limits(max_body=100))
    message = Message(MessageType.CON, Code.PUT, 1, payload=bytes(101))
    assert bench.feed(message)[0].code == Code.REQUEST_ENTITY_TOO_LARGE


def test_idle_transfers_are_forgotten() -> None:
    bench = Bench()
    bench.feed(put(0, 0, True, bytes(1024)))
    bench.wait(59.0)
    bench.feed(put(1, 1, True, bytes(1024)))
    bench.wait(59.0)
    assert bench.budget.used == 2048
    bench.wait(1.0)
    assert bench.budget.used == 0
    assert bench.feed(put(2, 2, False, b"x"))[0].code == Code.REQUEST_ENTITY_INCOMPLETE


def test_the_fifth_body_takes_the_place_of_the_most_idle_one() -> None:
    bench = Bench()
    for number in range(5):
        bench.now += 1
        bench.feed(put(number, 0, True, bytes(1024), (int(Option.REQUEST_TAG), bytes([number]))))
    assert bench.budget.used == 4096
    (refusal,) = bench.feed(put(9, 1, False, b"x", (int(Option.REQUEST_TAG), b"\0")))
    assert refusal.code == Code.REQUEST_ENTITY_INCOMPLETE


def test_the_common_budget_is_used_up() -> None:
    bench = Bench(limits=Limits(bodies_total=1500))
    bench.feed(put(0, 0, True, bytes(1024)))
    (refusal,) = bench.feed(put(1, 0, True, bytes(1024), (int(Option.REQUEST_TAG), b"2")))
    assert (refusal.code, refusal.value(Option.MAX_AGE)) == (Code.SERVICE_UNAVAILABLE, b"\5")
    assert bench.budget.used == 1024


# --- serving a body ---


def serve(bench: Bench, question: Message, body: bytes = BODY) -> Message:
    bench.feed(question)
    exchange, _ = bench.arrived()
    return bench.respond(exchange, Response(Code.CONTENT, body))[0]


def test_a_large_response_is_cut_and_kept_until_read() -> None:
    bench = Bench()
    first = serve(bench, replace(get(0, 0), options=((int(Option.URI_PATH), b"f"),)))
    assert block_in(first, Option.BLOCK2) == Block(0, True, 6)
    assert decode_uint(first.value(Option.SIZE2) or b"") == len(BODY)
    assert bench.budget.used == len(BODY)
    (second,), (third,) = bench.feed(get(1, 1)), bench.feed(get(2, 2))
    assert first.payload + second.payload + third.payload == BODY
    assert block_in(third, Option.BLOCK2) == Block(2, False, 6)
    assert first.value(Option.ETAG) == third.value(Option.ETAG)
    assert bench.budget.used == 0


def test_the_reader_may_ask_for_smaller_blocks() -> None:
    bench = Bench()
    first = serve(bench, get(0, 0, exponent=2))
    assert (len(first.payload), block_in(first, Option.BLOCK2)) == (64, Block(0, True, 2))
    assert bench.feed(get(1, 1, exponent=2))[0].payload == BODY[64:128]


def test_a_late_get_runs_again_but_a_late_post_does_not() -> None:
    bench = Bench()
    assert serve(bench, get(0, 2)).payload == BODY[2048:]
    assert bench.budget.used == 0
    assert bench.feed(get(1, 1, code=Code.POST))[0].code == Code.REQUEST_ENTITY_INCOMPLETE


def test_a_block_beyond_the_end() -> None:
    assert serve(Bench(), get(0, 3)).code == Code.BAD_REQUEST


def test_served_bodies_are_bounded_too() -> None:
    bench = Bench(limits=Limits(bodies_total=len(BODY)))
    serve(bench, get(0, 0))
    other = Message(MessageType.CON, Code.GET, 1, b"t", ((int(Option.URI_PATH), b"g"),))
    assert serve(bench, other).payload == BODY[:1024]
    assert bench.budget.used == len(BODY)
    bench.wait(60.0)
    assert bench.budget.used == 0


def test_a_shared_body_takes_nothing_of_the_budget_and_tells_how_far_it_was_read() -> None:
    bench = Bench(limits=Limits(bodies_total=1024))
    download = Download()
    bench.feed(get(1, 0))
    exchange, _ = bench.arrived()
    bench.respond(exchange, Response(Code.CONTENT, BODY, download=download))
    assert (bench.budget.used, download.sent) == (0, 1024)
    bench.feed(get(2, 1))
    assert (list(bench.events()), download.sent) == ([], 2048)
    bench.feed(get(3, 2))
    assert download.sent == len(BODY)


# --- sending a body ---


def start(bench: Bench, payload: bytes = BODY) -> Message:
    bench.request(Request(Code.PUT, ("f",), payload=payload))
    return bench.sent()[0]


def test_upload_names_its_size_and_its_tag() -> None:
    first = start(Bench())
    assert block_in(first, Option.BLOCK1) == Block(0, True, 6)
    assert decode_uint(first.value(Option.SIZE1) or b"") == len(BODY)
    assert len(first.value(Option.REQUEST_TAG) or b"") == 8
    whole = start(Bench(), BODY[:1024])
    assert (whole.payload, whole.value(Option.BLOCK1)) == (BODY[:1024], None)


def test_upload_goes_on_in_the_size_the_server_wants() -> None:
    bench = Bench()
    (second,) = bench.feed(reply(start(bench), Code.CONTINUE, b"", (Option.BLOCK1, block(0, True, 4))))
    assert (block_in(second, Option.BLOCK1), second.payload) == (Block(4, True, 4), BODY[1024:1280])


def test_upload_goes_on_after_a_failure_where_it_stopped() -> None:
    upload = Upload(b"same tag")
    request = Request(Code.PUT, ("f",), payload=BODY, upload=upload)
    broken = Bench()
    broken.request(request)
    (first,) = broken.sent()
    broken.feed(reply(first, Code.CONTINUE, b"", (int(Option.BLOCK1), block(0, True, exponent=5))))
    assert (upload.acknowledged, upload.exponent) == (1024, 5)
    broken.wait(100)
    assert isinstance(broken.failure(), RequestTimeout)
    resumed = Bench(seed=2)
    resumed.request(request)
    (further,) = resumed.sent()
    assert block_in(further, Option.BLOCK1) == Block(2, True, 5)
    assert (further.payload, further.value(Option.REQUEST_TAG)) == (BODY[1024:1536], b"same tag")
    while further.payload:
        number = block_in(further, Option.BLOCK1)
        code = Code.CONTINUE if number.more else Code.CHANGED
        (further, *_) = (
            *resumed.feed(reply(further, code, b"", (int(Option.BLOCK1), number.encode()))),
            Message(MessageType.ACK, Code.EMPTY, 0),
        )
    assert resumed.answer().code is Code.CHANGED
    assert upload.acknowledged == len(BODY)


def test_upload_begins_again_smaller_after_4_13() -> None:
    bench = Bench()
    refusal = reply(start(bench), Code.REQUEST_ENTITY_TOO_LARGE, b"", (Option.BLOCK1, block(0, True, 2)))
    (again,) = bench.feed(refusal)
    assert (block_in(again, Option.BLOCK1), again.payload) == (Block(0, True, 2), BODY[:64])


def test_upload_ends_early_with_the_final_response() -> None:
    bench = Bench()
    bench.feed(reply(start(bench), Code.FORBIDDEN, b"no"))
    assert bench.answer() == Response(Code.FORBIDDEN, b"no")


@pytest.mark.parametrize("options", [(), ((Option.BLOCK1, block(1, True)),), ((Option.BLOCK1, b"\x0f"),)])
def test_upload_with_a_wrong_acknowledgement(options: tuple[tuple[int, bytes], ...]) -> None:
    bench = Bench()
    bench.feed(reply(start(bench), Code.CONTINUE, b"", *options))
    assert isinstance(bench.failure(), ResponseRejected)


def test_continue_without_further_blocks() -> None:
    bench = Bench()
    bench.feed(reply(start(bench, b"short"), Code.CONTINUE))
    assert isinstance(bench.failure(), ResponseRejected)


# --- reading a body ---


def begin(bench: Bench, *options: tuple[int, bytes], payload: bytes = BODY[:1024]) -> list[Message]:
    """Ask; get the first of three blocks."""
    bench.request(Request(Code.GET, ("f",)))
    first = reply(bench.sent()[0], Code.CONTENT, payload, *(options or ((Option.BLOCK2, block(0, True)),)))
    return bench.feed(first)


def test_download() -> None:
    bench = Bench()
    (ask_second,) = begin(bench, (Option.ETAG, b"e"), (Option.CONTENT_FORMAT, b"\x2a"), (Option.BLOCK2, block(0, True)))
    assert block_in(ask_second, Option.BLOCK2) == Block(1, False, 6)
    second = reply(ask_second, Code.CONTENT, BODY[1024:2048], (Option.ETAG, b"e"), (Option.BLOCK2, block(1, True)))
    (ask_third,) = bench.feed(second)
    bench.feed(reply(ask_third, Code.CONTENT, BODY[2048:], (Option.ETAG, b"e"), (Option.BLOCK2, block(2, False))))
    assert bench.answer() == Response(Code.CONTENT, BODY, content_format=42, options=((Option.ETAG, b"e"),))


@pytest.mark.parametrize(
    ("code", "payload", "options"),
    {
        "another ETag": (Code.CONTENT, BODY[1024:2048], ((Option.ETAG, b"e"), (Option.BLOCK2, block(1, True)))),
        "another code": (Code.CHANGED, BODY[1024:2048], ((Option.BLOCK2, block(1, True)),)),
        "the same block again": (Code.CONTENT, BODY[:1024], ((Option.BLOCK2, block(0, True)),)),
        "a block left out": (Code.CONTENT, BODY[2048:], ((Option.BLOCK2, block(2, False)),)),
        "short": (Code.CONTENT, b"x", ((Option.BLOCK2, block(1, True)),)),
        "long": (Code.CONTENT, bytes(1025), ((Option.BLOCK2, block(1, False)),)),
        "no Block2": (Code.CONTENT, BODY[1024:], ()),
        "reserved size": (Code.CONTENT, BODY[1024:], ((Option.BLOCK2, b"\x1f"),)),
    }.values(),
)
def test_blocks_that_do_not_belong_together(code: Code, payload: bytes, options: tuple[tuple[int, bytes], ...]) -> None:
    bench = Bench()
    (ask_second,) = begin(bench)
    bench.feed(reply(ask_second, code, payload, *options))
    assert isinstance(bench.failure(), ResponseRejected)


def test_an_error_in_the_middle_is_the_response() -> None:
    bench = Bench()
    (ask_second,) = begin(bench)
    bench.feed(reply(ask_second, Code.NOT_FOUND))
    assert bench.answer().code == Code.NOT_FOUND


def test_a_body_beyond_our_bound() -> None:
    bench = Bench(limits=Limits(max_body=2000))
    begin(bench, (Option.BLOCK2, block(0, True)), (Option.SIZE2, b"\x10\0"))
    assert isinstance(bench.failure(), ResponseTooLarge)
    (ask_second,) = begin(bench)
    bench.feed(reply(ask_second, Code.CONTENT, BODY[1024:2048], (Option.BLOCK2, block(1, True))))
    assert isinstance(bench.failure(), ResponseTooLarge)


# --- both at once ---


@pytest.mark.parametrize("a_exponent", [0, 3, 6])
@pytest.mark.parametrize("b_exponent", [0, 4, 6])
@pytest.mark.parametrize("size", [0, 15, 16, 17, 1024, 1025, 5000])
def test_every_pair_of_preferences(a_exponent: int, b_exponent: int, size: int) -> None:
    pair = Pair(a_limits=Limits(block_exponent=a_exponent), b_limits=Limits(block_exponent=b_exponent))
    pair.b.answerer = lambda request: Response(Code.CHANGED, request.payload[::-1])
    body = (BODY * 2)[:size]
    assert pair.a.ask(Request(Code.POST, ("f",), payload=body)) == Response(
        Code.CHANGED, body[::-1], options=getattr(pair.a.outcomes[1], "options", ())
    )
    assert [request.payload for request in pair.b.requests] == [body]
    assert pair.b_budget.used == 0


def test_ending_the_association_returns_the_memory() -> None:
    bench = Bench()
    bench.feed(put(0, 0, True, bytes(1024)))
    serve(bench, get(1, 0))
    bench.engine.close(bench.link, ResponseRejected("over"))
    assert bench.budget.used == 0
