"""Whatever arrives, an engine never raises, never answers an answer, and stays within its bounds."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from secure_coap.association import Transport
from secure_coap.channels.dtls.records import RECORD_HEADER, pack, split_records
from secure_coap.channels.stream import StreamAssociation
from secure_coap.engine import Engine, StreamEngine
from secure_coap.engine.frames import encode_frame
from secure_coap.errors import AssociationLost
from secure_coap.exchange import Request, Response
from secure_coap.limits import Limits
from secure_coap.message import Message, MessageType, encode_body
from secure_coap.numbers import Code, Option, TransmissionParameters
from tests.secure_coap.simulation import associated
from tests.secure_coap.strategies import messages, mids

LIMITS = Limits(max_body=4096, bodies_total=8192, remembered_messages=16, remembered_bytes=2048)

blocks = st.tuples(
    st.sampled_from([Option.BLOCK1, Option.BLOCK2, Option.SIZE1, Option.REQUEST_TAG, Option.ECHO, Option.ETAG]),
    st.binary(max_size=3),
)
near_blocks = st.builds(
    Message,
    type=st.sampled_from(MessageType),
    code=st.sampled_from([Code.GET, Code.POST, Code.CONTENT, Code.CONTINUE, Code.UNAUTHORIZED]),
    mid=mids,
    token=st.binary(max_size=8),
    options=st.lists(blocks, max_size=4).map(lambda found: tuple(sorted(found))),
    payload=st.binary(max_size=1100),
)
datagrams = st.one_of(st.binary(max_size=80), messages.map(Message.encode), near_blocks.map(Message.encode))


@given(st.lists(st.tuples(datagrams, st.floats(0, 100), st.booleans()), max_size=30))
def test_an_engine_survives_everything(arrivals: list[tuple[bytes, float, bool]]) -> None:
    engine = Engine(rng=random.Random(1), parameters=TransmissionParameters(), limits=LIMITS)
    link, now = associated(engine), 0.0
    engine.request(link, Request(Code.POST, ("x",), payload=bytes(3000)), now)
    for datagram, pause, later in arrivals:
        now += pause
        incoming = engine.receive(link, datagram, now)
        if incoming is not None and incoming.request is not None:
            if later:
                engine.defer(incoming, now)
                engine.timer(now + 1.5)
            engine.observe(incoming, now)
            engine.respond(incoming, Response(Code.CONTENT, incoming.request.payload * 2), now)
        engine.timer(now)
        assert 0 <= engine.budget.used <= LIMITS.bodies_total
        due = engine.next_timer()
        assert due is None or due > now
        engine.outbox.clear()
    assert link.deferred == 0
    engine.close(link, AssociationLost("over"))
    assert engine.budget.used == 0


@given(st.lists(near_blocks, max_size=20))
def test_answers_to_our_tokens_survive_too(answers: list[Message]) -> None:
    """The same, with every answer made to fit our outstanding request."""
    engine = Engine(rng=random.Random(1), parameters=TransmissionParameters(), limits=LIMITS)
    link = associated(engine)
    engine.request(link, Request(Code.POST, ("x",), payload=bytes(3000), observe=0), 0.0)
    for answer in answers:
        sent = [datagram for _, datagram in engine.outbox]
        engine.outbox.clear()
        if not sent:
            engine.request(link, Request(Code.POST, ("x",), payload=bytes(3000)), 0.0)
        for datagram in sent:
            token, mid = datagram[4:12], int.from_bytes(datagram[2:4], "big")
            reply = Message(answer.type, answer.code, mid, token, answer.options, answer.payload)
            engine.receive(link, reply.encode(), 0.0)
        engine.events.clear()


chunks = st.one_of(
    st.binary(max_size=40),
    st.builds(
        lambda code, token, message: encode_frame(code, token, encode_body(message.options, message.payload)),
        st.sampled_from([1, 2, 3, 0x41, 0x45, 0x5F, 0x81, 0xE1, 0xE2, 0xE4, 0xE5, 0]),
        st.binary(max_size=8),
        st.one_of(messages, near_blocks),
    ),
)


@given(st.lists(chunks, max_size=20))
def test_a_stream_engine_survives_everything(arrivals: list[bytes]) -> None:
    engine = StreamEngine(rng=random.Random(1), parameters=TransmissionParameters(), limits=LIMITS)
    link = StreamAssociation(("192.0.2.1", 5683), 0.0, transport=Transport.TCP, peer=None, channel_binding=b"")
    engine.open(link)
    engine.request(link, Request(Code.POST, ("x",), payload=bytes(3000), observe=0), 0.0)
    for data in (encode_frame(0xE1, b"", b""), *arrivals):
        for incoming in engine.receive(link, data, 0.0):
            engine.observe(incoming, 0.0)
            engine.respond(incoming, Response(Code.CONTENT, incoming.request.payload * 2), 0.0)
        assert 0 <= engine.budget.used <= LIMITS.bodies_total
        engine.outbox.clear()
    engine.close(link, AssociationLost("over"))
    assert engine.budget.used == 0


@given(st.binary(max_size=200))
def test_records_are_cut_without_error(data: bytes) -> None:
    for record in split_records(b"\x16\xfe\xfd" + data):
        assert len(record.data) >= RECORD_HEADER
        _ = record.client_random, record.is_sane_handshake, record.epoch, record.type


@given(st.lists(st.binary(max_size=1500), max_size=12))
def test_packing_keeps_records_whole_and_in_order(bodies: list[bytes]) -> None:
    records = [b"\x17\xfe\xfd" + bytes(8) + len(body).to_bytes(2, "big") + body for body in bodies]
    datagrams = pack(split_records(b"".join(records)), 1200)
    assert b"".join(datagrams) == b"".join(records)
    assert [record.data for datagram in datagrams for record in split_records(datagram)] == records
    assert all(len(datagram) <= 1200 or len(list(split_records(datagram))) == 1 for datagram in datagrams)
