"""CoAP over TCP and TLS: framing, signals, both roles, limits; against aiocoap."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiocoap  # type: ignore[import-untyped, unused-ignore]
import pytest
from aiocoap import resource  # type: ignore[import-untyped, unused-ignore]
from hypothesis import given
from hypothesis import strategies as st

from secure_coap.association import Association, Transport
from secure_coap.channels.stream import StreamAssociation
from secure_coap.engine import Incoming, RequestFailed, ResponseArrived, StreamEngine
from secure_coap.engine.frames import Frame, FrameReader, encode_frame
from secure_coap.errors import AssociationLost, HandshakeFailed, MessageFormatError, NotFound, TransportError
from secure_coap.exchange import Request, Response
from secure_coap.handlers import Handler
from secure_coap.limits import SERVER_LIMITS, Limits
from secure_coap.message import encode_body
from secure_coap.notifier import Notifier
from secure_coap.numbers import Code, Option
from secure_coap.numbers.options import CsmOption
from secure_coap.numbers.parameters import STANDARD
from secure_coap.tcp_endpoint import CoapTcpClient, CoapTcpServer
from tests.secure_coap.pki import HOST, hierarchy

frames = st.tuples(st.integers(0, 255), st.binary(max_size=8), st.binary(max_size=400))
Secured = pytest.mark.parametrize("secured", [False, True], ids=["tcp", "tls"])


# --- frames ---


@pytest.mark.parametrize(
    ("wire", "frame"),
    [
        ("0001", (0x01, b"", b"")),
        ("0144aa", (0x44, b"\xaa", b"")),
        ("d00045" + "ff" + 12 * "31", (0x45, b"", b"\xff" + 12 * b"1")),
        ("e0000045" + "ff" + 268 * "31", (0x45, b"", b"\xff" + 268 * b"1")),
    ],
)
def test_frames_as_the_standard_writes_them(wire: str, frame: Frame) -> None:
    assert encode_frame(*frame).hex() == wire
    assert FrameReader(1000).feed(bytes.fromhex(wire)) == [frame]


@given(st.lists(frames, max_size=5), st.integers(1, 50))
def test_frames_survive_any_cut(sent: list[Frame], size: int) -> None:
    wire = b"".join(encode_frame(*frame) for frame in sent)
    reader, received = FrameReader(500), []
    for position in range(0, len(wire), size):
        received += reader.feed(wire[position : position + size])
    assert received == sent
    assert not reader.is_partial


@pytest.mark.parametrize("length", [12, 13, 268, 269, 65_804, 65_805])
def test_every_form_of_length(length: int) -> None:
    frame = (0x45, b"t", b"\xff" + bytes(length - 1))
    wire = encode_frame(*frame)
    assert FrameReader(70_000).feed(wire) == [frame]
    with pytest.raises(MessageFormatError, match="at most"):
        FrameReader(len(wire) - 1).feed(wire[:8])


@given(st.binary(max_size=100))
def test_random_bytes_are_cut_or_refused(data: bytes) -> None:
    with suppress(MessageFormatError):
        FrameReader(50).feed(data)


# --- the engine ---

CSM = encode_frame(Code.CSM, b"", b"")
GET = encode_frame(Code.GET, b"tok", encode_body(((Option.URI_PATH, b"x"),), b""))


class Peer:
    """One engine with one connection, fed by hand."""

    def __init__(self, *, limits: Limits = SERVER_LIMITS, settled: bool = True) -> None:
        self.engine = StreamEngine(rng=random.Random(1), parameters=STANDARD, limits=limits)
        self.link = StreamAssociation(("192.0.2.1", 5683), 0.0, transport=Transport.TCP, peer=None, channel_binding=b"")
        self.engine.open(self.link)
        self.arrived: list[Incoming] = []
        ((code, _, body),) = self.sent()
        assert (code, body) == (Code.CSM, encode_body(((CsmOption.MAX_MESSAGE_SIZE, b"\x04\x80"), (4, b"")), b""))
        if settled:
            assert self.feed(CSM) == []

    def feed(self, data: bytes) -> list[Frame]:
        """Give it bytes; what it sends in return."""
        self.arrived += self.engine.receive(self.link, data, 0.0)
        return self.sent()

    def sent(self) -> list[Frame]:
        """What it wants to send."""
        wire = b"".join(data for _, data in self.engine.outbox)
        self.engine.outbox.clear()
        return FrameReader(1 << 21).feed(wire)

    def ending(self) -> str:
        """Why the connection must end."""
        ((_, reason),) = self.engine.endings
        return reason


def test_a_request_and_its_response() -> None:
    peer = Peer()
    assert peer.feed(GET) == []
    (incoming,) = peer.arrived
    assert incoming.request == Request(Code.GET, ("x",))
    peer.engine.respond(incoming, Response(Code.CONTENT, b"hi"), 0.0)
    assert peer.sent() == [(Code.CONTENT, b"tok", b"\xffhi")]


def test_every_truncation_waits_and_answers_nothing() -> None:
    for length in range(len(GET)):
        peer = Peer()
        assert peer.feed(GET[:length]) == []
        assert peer.engine.awaited(peer.link) == (1 if length else None)
        assert peer.feed(GET[length:]) == [] and len(peer.arrived) == 1


@pytest.mark.parametrize(
    ("wire", "reason"),
    {
        "reserved token length": (b"\x09\x01" + bytes(9), "token length"),
        "too large": (b"\xf0\xff\xff\xff\xff\x01", "at most"),
        "payload marker without payload": (encode_frame(Code.GET, b"", b"\xff"), "marker"),
        "option beyond the message": (encode_frame(Code.GET, b"", b"\x3a"), "beyond"),
        "unknown critical option of a signal": (encode_frame(Code.PING, b"", b"\x11x"), "critical"),
        "malformed response": (encode_frame(Code.CONTENT, b"", b"\xff"), "marker"),
    }.values(),
)
def test_what_is_malformed_aborts(wire: bytes, reason: str) -> None:
    peer = Peer()
    ((code, _, text),) = peer.feed(wire)
    assert code == Code.ABORT
    assert reason in text.decode("utf-8", "replace")
    assert peer.ending().startswith("aborted")
    assert peer.engine.counters.malformed == 1


def test_the_first_message_is_a_csm() -> None:
    peer = Peer(settled=False)
    ((code, _, _),) = peer.feed(GET)
    assert code == Code.ABORT and peer.arrived == []


def test_signals() -> None:
    peer = Peer()
    assert peer.feed(encode_frame(Code.PING, b"p", b"\x20")) == [(Code.PONG, b"p", b"")]
    assert peer.feed(encode_frame(Code.PONG, b"p", b"") + encode_frame(Code.EMPTY, b"", b"")) == []
    assert peer.feed(encode_frame(Code.RELEASE, b"", b"")) == []
    assert peer.ending() == "released by the peer"


def test_refusals_and_unknown_tokens() -> None:
    peer = Peer()
    critical = encode_frame(Code.GET, b"t", encode_body(((9999, b""),), b""))
    ((code, token, _),) = peer.feed(critical)
    assert (code, token) == (Code.BAD_OPTION, b"t")
    assert peer.feed(encode_frame(Code.CONTENT, b"guess", b"")) == [], "there is no Reset"
    assert peer.engine.counters.unasked == 1


def test_bodies_go_whole_up_to_what_the_peer_takes_then_in_blocks() -> None:
    peer = Peer()
    assert len(sent_body(peer, bytes(1025))) == 1024 + len(b"\x3f" + b"\xff"), "a first block"
    large = encode_frame(Code.CSM, b"", encode_body(((CsmOption.MAX_MESSAGE_SIZE, b"\x40\x00"),), b""))
    peer.feed(large)
    assert sent_body(peer, bytes(10_000)).endswith(b"\xff" + bytes(10_000))
    small = encode_frame(Code.CSM, b"", encode_body(((CsmOption.MAX_MESSAGE_SIZE, b"\x01\x00"),), b""))
    peer.feed(small)
    assert len(sent_body(peer, bytes(10_000))) < 256


def sent_body(peer: Peer, payload: bytes) -> bytes:
    """Options and payload of what answers a GET; the options of a block are cut off."""
    peer.feed(GET)
    peer.engine.respond(peer.arrived.pop(), Response(Code.CONTENT, payload), 0.0)
    ((_, _, body),) = peer.sent()
    if len(body) > 2000:
        return body
    return b"\x3f" + body[body.index(b"\xff") :] if len(payload) == 1025 else body


def test_requests_are_bounded_and_time_out() -> None:
    peer = Peer(limits=Limits(queued_requests=2, response_wait=50.0))
    for _ in range(2):
        peer.engine.request(peer.link, Request(Code.GET), 0.0)
    with pytest.raises(TransportError, match="too many"):
        peer.engine.request(peer.link, Request(Code.GET), 0.0)
    peer.engine.timer(50.0)
    assert [type(event) for event in peer.engine.events] == [RequestFailed, RequestFailed]


def test_an_answer_to_a_request_of_ours() -> None:
    peer = Peer()
    handle = peer.engine.request(peer.link, Request(Code.GET, ("y",)), 0.0)
    ((_, token, _),) = peer.sent()
    peer.feed(encode_frame(Code.CONTENT, token, b"\xffhi"))
    assert peer.engine.events == [ResponseArrived(handle, Response(Code.CONTENT, b"hi"))]


# --- real connections ---


def echo(request: Request, association: Association) -> Response:
    return Response(Code.CHANGED, request.payload)


@asynccontextmanager
async def server(
    handler: Handler = echo, *, secured: bool, limits: Limits = SERVER_LIMITS
) -> AsyncIterator[CoapTcpServer]:
    tls = hierarchy().server_config() if secured else None
    endpoint = await CoapTcpServer.bind(HOST, 0, tls=tls, handler=handler, limits=limits)
    try:
        yield endpoint
    finally:
        await endpoint.close()


@asynccontextmanager
async def client(
    endpoint: CoapTcpServer, handler: Handler | None = None, *, secured: bool
) -> AsyncIterator[CoapTcpClient]:
    tls = hierarchy().client_config() if secured else None
    found = await CoapTcpClient.connect(*endpoint.address, tls=tls, handler=handler)
    try:
        yield found
    finally:
        await found.close()


@Secured
@pytest.mark.parametrize("size", [0, 100, 5000, 65_536])
async def test_requests_both_ways(secured: bool, size: int) -> None:
    body = bytes(size)
    async with server(secured=secured) as up, client(up, echo, secured=secured) as down:
        assert (await down.request(Request(Code.POST, ("x",), payload=body))).payload == body
        (association,) = up.associations
        assert association.transport is (Transport.TLS if secured else Transport.TCP)
        assert (await up.request(association, Request(Code.PUT, ("y",), payload=body))).payload == body


async def test_both_sides_of_tls_know_each_other() -> None:
    async with server(secured=True) as up, client(up, secured=True) as down:
        await down.request(Request(Code.GET))
        (association,) = up.associations
        assert association.peer is not None and association.peer.endpoint == "device-1"
        assert down.association.peer is not None
        assert len(association.channel_binding) == 32
        assert association.channel_binding == down.association.channel_binding


async def test_refused_certificates() -> None:
    async with server(secured=True) as up:
        stranger = hierarchy("stranger")
        with pytest.raises(HandshakeFailed, match="no path"):
            await CoapTcpClient.connect(*up.address, tls=stranger.client_config())
        tls = stranger.client_config(verify=hierarchy().verify_server)
        with pytest.raises((HandshakeFailed, AssociationLost)):
            refused = await CoapTcpClient.connect(*up.address, tls=tls)
            await refused.request(Request(Code.GET))
        assert up.associations == []
        assert up.counters.requests == 0


@Secured
async def test_observing_both_ways(secured: bool) -> None:
    notifiers: list[Notifier] = []
    held: list[CoapTcpServer] = []

    def handler(request: Request, association: Association) -> Response:
        if (notifier := held[0].notifier(request)) is not None:
            notifiers.append(notifier)
        return Response(Code.CONTENT, b"0")

    async with server(handler, secured=secured) as up, client(up, secured=secured) as down:
        held.append(up)
        heard: asyncio.Queue[Response | TransportError] = asyncio.Queue()
        response, observation = await down.observe(Request(Code.GET, ("state",)), heard.put_nowait)
        assert (response.payload, observation.active) == (b"0", True)
        for state in (b"1", b"2" * 3000):
            notifiers[0].notify(Response(Code.CONTENT, state))
            news = await heard.get()
            assert isinstance(news, Response) and news.payload == state
        await observation.cancel()
        assert not notifiers[0].active
        notifiers[0].notify(Response(Code.CONTENT, b"3"))
        await asyncio.sleep(0.05)
        assert heard.empty()


@Secured
async def test_an_ended_connection_fails_its_requests(secured: bool) -> None:
    async def never(request: Request, association: Association) -> Response:
        await asyncio.sleep(60)
        raise AssertionError

    async with server(never, secured=secured) as up, client(up, secured=secured) as down:
        waiting = asyncio.create_task(down.request(Request(Code.GET)))
        while not up.associations:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        up.drop(next(iter(up.associations)))
        with pytest.raises(AssociationLost):
            await waiting
        with pytest.raises(AssociationLost):
            await down.request(Request(Code.GET))


async def test_a_message_must_be_complete_in_time() -> None:
    async with server(secured=False, limits=Limits(frame_time=0.1)) as up:
        reader, writer = await asyncio.open_connection(*up.address)
        writer.write(CSM + GET[:-1])
        await asyncio.wait_for(reader.read(), 5)
        assert reader.at_eof()
        writer.close()


async def test_messages_may_go_on_arriving_in_pieces() -> None:
    async with server(secured=False, limits=Limits(frame_time=0.2)) as up:
        reader, writer = await asyncio.open_connection(*up.address)
        writer.write(CSM + GET[:5])
        for _ in range(10):
            await asyncio.sleep(0.05)
            writer.write(GET[5:] + GET[:5])
        await reader.readexactly(6 + 10 * 5)
        assert len(up.associations) == 1
        writer.close()


async def test_a_silent_handshake_and_too_many_connections_end() -> None:
    async with server(secured=True, limits=Limits(handshake_time=0.1, associations=1)) as up:
        first, writer = await asyncio.open_connection(*up.address)
        second, other = await asyncio.open_connection(*up.address)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(second.read(), 5) == b""
        with suppress(ConnectionError):
            assert await asyncio.wait_for(first.read(), 5) == b""
        assert (up.counters.no_room, up.counters.handshakes_failed) == (1, 2)
        for ended in (writer, other):
            ended.close()


async def test_a_peer_that_does_not_read_is_cut_off() -> None:
    big = bytes(65_536)
    limits = Limits(unsent=64 * 1024, concurrent_handlers=10_000)
    async with server(lambda *_: Response(Code.CONTENT, big), secured=False, limits=limits) as up:
        _, writer = await asyncio.open_connection(*up.address)
        writer.write(encode_frame(Code.CSM, b"", encode_body(((2, b"\x10\0\0"),), b"")) + GET * 2000)
        with suppress(ConnectionError):
            await writer.drain()
        while up.associations:
            await asyncio.sleep(0.01)
        writer.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "example.org"])
async def test_without_security_only_loopback_is_bound(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        await CoapTcpServer.bind(host, 0, tls=None, handler=echo)


# --- aiocoap ---


@pytest.mark.parametrize("size", [0, 1000, 20_000])
async def test_its_client_with_our_server(size: int) -> None:
    body = bytes(size)
    async with server(secured=False) as up:
        context = await aiocoap.Context.create_client_context(transports=["tcpclient"])
        uri = f"coap+tcp://{up.address[0]}:{up.address[1]}/x"
        response = await context.request(aiocoap.Message(code=aiocoap.PUT, uri=uri, payload=body)).response
        assert (response.code, response.payload) == (aiocoap.CHANGED, body)
        await context.shutdown()


class _Stored(resource.Resource):  # type: ignore[misc, unused-ignore]
    async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(code=aiocoap.CHANGED, payload=request.payload[::-1])


@pytest.mark.parametrize("size", [0, 1000, 20_000])
async def test_our_client_with_its_server(size: int, unused_udp_port: int) -> None:
    site = resource.Site()
    site.add_resource(["x"], _Stored())
    context = await aiocoap.Context.create_server_context(site, bind=(HOST, unused_udp_port), transports=["tcpserver"])
    client = await CoapTcpClient.connect(HOST, unused_udp_port, tls=None)
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert (await client.request(Request(Code.POST, ("x",), payload=body))).payload == body[::-1]
    with pytest.raises(NotFound):
        (await client.request(Request(Code.GET, ("absent",)))).raise_for_code()
    await client.close()
    await context.shutdown()
