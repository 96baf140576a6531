"""The aiocoap session against the product's own CoAP server: two stacks, one wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiocoap.blockwise import ContinueException, IncompleteException  # type: ignore[import-untyped]
from aiocoap.message import Message  # type: ignore[import-untyped]
from aiocoap.numbers.codes import Code as AioCode  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device_client.emulator.transport import wire
from device_client.emulator.transport.bodies import MAX_BODIES, Bodies
from device_client.emulator.transport.bounded import BoundedDict
from device_client.emulator.transport.channel import HandshakeRefused, PlainChannel, ServerNotTrusted
from device_client.emulator.transport.coap import MAX_ANSWERS, CoapSession, Origin, SessionLost, Tuning
from device_client.emulator.transport.dtls import DtlsClient, DtlsCredentials, VerifyServer
from device_pki import issue
from device_pki.roles import Role
from secure_coap.association import Association
from secure_coap.endpoint import CoapServer
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from tests.device_client.peers import FAST, server_config
from tests.device_client.pki import HOST, Identified, Pki, device_of, new_key, root, validity

coap_datagrams = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda head, code, mid, token, options, payload: (
            bytes([0x40 | head << 4 | len(token), code]) + mid + token + options + payload
        ),
        head=st.integers(0, 3),
        code=st.sampled_from([0, 1, 2, 3, 4, 5, 9, 31, 0x41, 0x45, 0x5F, 0x84, 0xA0, 0xE1, 0xFF]),
        mid=st.binary(min_size=2, max_size=2),
        token=st.binary(max_size=8),
        options=st.lists(
            st.builds(
                lambda delta, value: bytes([delta << 4 | len(value)]) + value,
                st.integers(0, 12),
                st.binary(max_size=12),
            ),
            max_size=5,
        ).map(b"".join),
        payload=st.one_of(st.just(b""), st.binary(min_size=1, max_size=30).map(lambda data: b"\xff" + data)),
    ),
)
SIZES = [0, 1, 1023, 1024, 1025, 20_000, 65_000]


@dataclass
class Echo:
    """Answers what it got, on both sides."""

    limit: int = 1 << 17
    associations: list[Association] = field(default_factory=list)

    def body_limit(self, path: tuple[str, ...]) -> int:
        return self.limit

    def too_large(self, path: tuple[str, ...]) -> Response:
        return Response(Code.REQUEST_ENTITY_TOO_LARGE)

    async def handle(self, request: Request, origin: Origin) -> Response:
        return Response(Code.CONTENT, request.payload, content_format=42)

    async def serve(self, request: Request, association: Association) -> Response:
        self.associations.append(association)
        return Response(Code.CONTENT, request.payload, content_format=42)


@pytest.fixture(scope="module")
def device(pki: Pki) -> Identified:
    return device_of(pki)


@asynccontextmanager
async def echo_server(pki: Pki, echo: Echo) -> AsyncIterator[CoapServer]:
    config = server_config(pki.sp1.server, (Role.FACTORY_DEVICE, pki.permanent.certificate))
    server = await CoapServer.bind(HOST, 0, dtls=config, handler=echo.serve, parameters=FAST)
    try:
        yield server
    finally:
        await server.close()


async def connect(
    port: int,
    device: Identified,
    handler: Echo | None = None,
    verify: VerifyServer = lambda chain: None,
    retries: int = 4,
) -> CoapSession:
    return await CoapSession.open(
        HOST,
        port,
        DtlsClient(DtlsCredentials(device.certificate, device.key, verify)),
        tuning=Tuning(0.1, retries),
        meter=wire.WireMeter(),
        handshake_timeout=5.0,
        handler=handler,
    )


def put(path: tuple[str, ...], size: int) -> Request:
    return Request(Code.PUT, path, payload=bytes(size), content_format=42)


@pytest.mark.parametrize("size", SIZES)
async def test_requests_both_ways_of_any_size(pki: Pki, device: Identified, size: int) -> None:
    body, echo = bytes(i % 251 for i in range(size)), Echo()
    async with echo_server(pki, echo) as server:
        session = await connect(server.address[1], device, Echo())
        answer = await session.request(Request(Code.POST, ("up",), payload=body, content_format=42))
        assert answer.payload == body
        back = Request(Code.PUT, ("33001", "0", "0"), payload=body, content_format=42)
        assert (await server.request(echo.associations[-1], back)).payload == body
        await session.close()


async def test_both_sides_know_the_same_channel_binding(pki: Pki, device: Identified) -> None:
    echo = Echo()
    async with echo_server(pki, echo) as server:
        session = await connect(server.address[1], device)
        await session.request(Request(Code.GET, ("x",)))
        assert len(session.channel_binding) == 12
        assert session.channel_binding == echo.associations[-1].channel_binding
        await session.close()


@pytest.mark.parametrize("size", [1025, 5000])
async def test_a_body_beyond_the_limit_is_refused_before_it_is_kept(pki: Pki, device: Identified, size: int) -> None:
    echo = Echo()
    async with echo_server(pki, echo) as server:
        session = await connect(server.address[1], device, Echo(limit=1024))
        await session.request(Request(Code.GET, ("x",)))
        answer = await server.request(echo.associations[-1], put(("33001", "0", "0"), size))
        assert answer.code is Code.REQUEST_ENTITY_TOO_LARGE
        await session.close()


async def test_requests_of_both_sides_do_not_wait_for_each_other(pki: Pki, device: Identified) -> None:
    echo = Echo()
    async with echo_server(pki, echo) as server:
        session = await connect(server.address[1], device, Echo())
        await session.request(Request(Code.GET, ("x",)))
        there = [session.request(Request(Code.POST, ("a", str(n)), payload=bytes(3000))) for n in range(4)]
        back = [server.request(echo.associations[-1], put(("b", str(n)), 3000)) for n in range(4)]
        answers = await asyncio.gather(*there, *back)
        assert [len(answer.payload) for answer in answers] == [3000] * 8
        await session.close()


async def test_a_server_that_is_not_trusted_gets_no_certificate_of_the_device(pki: Pki, device: Identified) -> None:
    def refuse(chain: object) -> None:
        raise ValueError("not mine")

    echo = Echo()
    async with echo_server(pki, echo) as server:
        with pytest.raises(ServerNotTrusted, match="not mine"):
            await connect(server.address[1], device, verify=refuse)
        assert not server.associations


async def test_a_device_the_server_refuses_learns_it_in_the_handshake(pki: Pki) -> None:
    key = new_key()
    stranger = Identified(issue.factory_device(root("other"), key.public_key(), "device-1", validity()), key)
    async with echo_server(pki, Echo()) as server:
        with pytest.raises(HandshakeRefused):
            await connect(server.address[1], stranger)


async def test_retransmissions_that_run_out_end_the_session(pki: Pki, device: Identified) -> None:
    async def silent(request: Request, association: Association) -> Response:
        await asyncio.sleep(60)
        raise AssertionError

    config = server_config(pki.sp1.server, (Role.FACTORY_DEVICE, pki.permanent.certificate))
    server = await CoapServer.bind(HOST, 0, dtls=config, handler=silent, parameters=FAST)
    session = await connect(server.address[1], device, retries=2)
    await server.close()
    with pytest.raises(SessionLost):
        await session.request(Request(Code.GET, ("x",)))
    assert session.closed.is_set()
    with pytest.raises(SessionLost):
        await session.request(Request(Code.GET, ("x",)))
    await session.close()


async def test_a_server_that_says_goodbye_ends_the_session(pki: Pki, device: Identified) -> None:
    echo = Echo()
    async with echo_server(pki, echo) as server:
        session = await connect(server.address[1], device)
        await session.request(Request(Code.GET, ("x",)))
        server.drop(echo.associations[-1])
        await asyncio.wait_for(session.closed.wait(), 5)
        again = await connect(server.address[1], device)
        assert (await again.request(Request(Code.GET, ("x",)))).code is Code.CONTENT
        await again.close()


async def test_nobody_at_the_port_is_found_out_at_once(pki: Pki, device: Identified) -> None:
    async with echo_server(pki, Echo()) as server:
        port = server.address[1]
    with pytest.raises(OSError):
        await asyncio.wait_for(connect(port, device), 2)


async def test_bytes_are_counted_by_kind(pki: Pki, device: Identified) -> None:
    echo, meter = Echo(), wire.WireMeter()
    async with echo_server(pki, echo) as server:
        credentials = DtlsCredentials(device.certificate, device.key, lambda chain: None)
        session = await CoapSession.open(
            HOST,
            server.address[1],
            DtlsClient(credentials),
            tuning=Tuning(0.1, 4),
            meter=meter,
            handshake_timeout=5,
            handler=Echo(),
        )
        handshake = dict(meter.drain())
        assert set(handshake) == {wire.HANDSHAKE} and handshake[wire.HANDSHAKE].sent > 500
        await session.request(Request(Code.POST, ("rd",), payload=b"</1/0>"))
        await server.request(echo.associations[-1], put(("33001", "0", "0"), 700))
        counted = dict(meter.drain())
        assert set(counted) == {wire.REGISTRATION, wire.TRANSFER_MESSAGE}
        assert counted[wire.TRANSFER_MESSAGE].received > 700
        await session.close()


async def test_block_wise_bodies_are_bounded_and_a_truncated_one_leaves_nothing(pki: Pki, device: Identified) -> None:
    handler = Echo()
    session = CoapSession(PlainChannel(), Tuning(0.1, 1), handler, wire.WireMeter())
    bodies = Bodies()
    assert session.closed.is_set() is False

    def block(path: str, number: int, *, more: bool) -> Message:
        message = Message(code=AioCode.PUT, payload=bytes(16), uri_path=(path,))
        message.remote = session._remote
        message.opt.block1 = (number, more, 0)
        return message

    for n in range(3 * MAX_BODIES):
        with pytest.raises(ContinueException):
            bodies.feed_and_take(block(str(n), 0, more=True))
    assert len(bodies) == MAX_BODIES
    with pytest.raises(IncompleteException):
        bodies.feed_and_take(block("0", 1, more=False))
    whole = bodies.feed_and_take(block(str(3 * MAX_BODIES - 1), 1, more=False))
    assert whole.payload == bytes(32) and len(bodies) == MAX_BODIES - 1
    with pytest.raises(IncompleteException):
        bodies.feed_and_take(block(str(3 * MAX_BODIES - 1), 1, more=False))
    with pytest.raises(IncompleteException):
        bodies.feed_and_take(block(str(3 * MAX_BODIES - 2), 7, more=False))
    assert len(bodies) == MAX_BODIES - 2
    await session.close()


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(datagrams=st.lists(coap_datagrams, min_size=1, max_size=8))
def test_no_message_of_a_server_breaks_the_session(datagrams: list[bytes]) -> None:
    async def receive_all() -> None:
        problems: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
        session = CoapSession(PlainChannel(), Tuning(0.1, 1), Echo(), wire.WireMeter())
        for datagram in datagrams:
            session._remote._dispatch(datagram)
        await asyncio.sleep(0)
        await session.close()
        assert not problems

    asyncio.run(receive_all())


async def test_byte_counting_forgets_the_requests_that_were_answered(pki: Pki, device: Identified) -> None:
    async with echo_server(pki, Echo()) as server:
        session = await connect(server.address[1], device)
        for _ in range(5):
            await session.request(Request(Code.GET, ("x",)))
        assert not session._remote._kinds
        await session.close()


async def test_what_a_server_makes_the_device_remember_is_bounded(pki: Pki, device: Identified) -> None:
    echo = Echo()
    async with echo_server(pki, echo) as server:
        session = await connect(server.address[1], device, Echo())
        await session.request(Request(Code.GET, ("x",)))
        for number in range(2 * MAX_ANSWERS):
            assert len((await server.request(echo.associations[-1], put((str(number),), 1500))).payload) == 1500
        root_ = session._context.serversite
        assert len(root_._block2._completes) == MAX_ANSWERS and len(root_._block1) == 0
        await session.close()


def test_a_bounded_dictionary_forgets_the_oldest_and_removes_twice() -> None:
    bounded: BoundedDict[int, str] = BoundedDict(2)
    for number in (1, 2, 1, 3):
        bounded[number] = "x"
    assert list(bounded) == [2, 3]
    assert bounded.pop(2) == "x" and bounded.pop(2) is None


@pytest.mark.parametrize("kind", ["whole", "block"])
@pytest.mark.parametrize("end", ["closed", "refused"])
@pytest.mark.parametrize("turns", range(4))
async def test_a_session_may_end_in_the_moment_its_request_is_cancelled(kind: str, end: str, turns: int) -> None:
    """A device and its server that are switched off together."""
    silent = await CoapServer.bind(HOST, 0, dtls=None, handler=lambda *_: asyncio.Future(), parameters=FAST)
    session = await CoapSession.open(
        *silent.address,
        PlainChannel(),
        tuning=Tuning(0.2, 2),
        meter=wire.WireMeter(),
        handshake_timeout=1.0,
    )
    request = Request(Code.GET, ("never",))
    asked = asyncio.ensure_future(session.request(request) if kind == "whole" else session.block(request, 0))
    await asyncio.sleep(0.05)
    asked.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    if end == "closed":
        await session.close()
    else:
        session._remote.error_received(ConnectionRefusedError())
    with pytest.raises(asyncio.CancelledError):
        await asked
    await session.close()
    await silent.close()
