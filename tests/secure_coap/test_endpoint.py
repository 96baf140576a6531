"""Endpoints on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lwm2m_server.testing.relay import Relay
from secure_coap.association import Association, Transport
from secure_coap.edge.plain import PlainDriver
from secure_coap.endpoint import CoapClient, CoapServer
from secure_coap.errors import (
    AssociationLost,
    Conflict,
    HandshakeFailed,
    NotFound,
    RequestTimeout,
    TransportError,
)
from secure_coap.exchange import Request, Response
from secure_coap.handlers import Handler
from secure_coap.limits import SERVER_LIMITS, Limits
from secure_coap.notifier import Notifier
from secure_coap.numbers import Code, TransmissionParameters
from tests.secure_coap.pki import HOST, hierarchy

QUICK = TransmissionParameters(ack_timeout=0.1, max_retransmit=2)
Secured = pytest.mark.parametrize("secured", [False, True], ids=["plain", "dtls"])


async def echo(request: Request, association: Association) -> Response:
    return Response(Code.CONTENT, request.payload)


@asynccontextmanager
async def server(
    handler: Handler = echo, *, secured: bool = True, limits: Limits = SERVER_LIMITS
) -> AsyncIterator[CoapServer]:
    opened: list[Association] = []
    dtls = hierarchy().server_config() if secured else None
    endpoint = await CoapServer.bind(
        HOST, 0, dtls=dtls, handler=handler, parameters=QUICK, limits=limits, on_open=opened.append
    )
    try:
        yield endpoint
    finally:
        await endpoint.close()


@asynccontextmanager
async def client(
    endpoint: CoapServer, handler: Handler | None = None, *, secured: bool = True
) -> AsyncIterator[CoapClient]:
    dtls = hierarchy().client_config() if secured else None
    found = await CoapClient.connect(*endpoint.address, dtls=dtls, handler=handler, parameters=QUICK)
    try:
        yield found
    finally:
        await found.close()


@Secured
@pytest.mark.parametrize("size", [0, 100, 5000, 65_536])
async def test_requests_both_ways(secured: bool, size: int) -> None:
    big = Limits(max_body=1 << 20)
    async with server(secured=secured, limits=big) as up, client(up, echo, secured=secured) as down:
        body = bytes(size)
        assert (await down.request(Request(Code.POST, ("x",), payload=body))).payload == body
        (association,) = up.associations
        assert (await up.request(association, Request(Code.PUT, ("y",), payload=body))).payload == body


async def test_firmware_of_a_mebibyte_to_a_device() -> None:
    async with server() as up, client(up, echo_length) as down:
        assert down.association.peer is not None
        (association,) = up.associations
        image = bytes(1 << 20)
        assert (await up.request(association, Request(Code.PUT, ("5", "0", "0"), payload=image))).payload == b"1048576"


async def echo_length(request: Request, association: Association) -> Response:
    return Response(Code.CHANGED, str(len(request.payload)).encode())


async def test_errors_of_a_handler() -> None:
    async def handler(request: Request, association: Association) -> Response:
        match request.path:
            case ("conflict",):
                raise Conflict("busy with 7")
            case ("defect",):
                raise RuntimeError("the secret is 42")
        raise NotFound

    async with server(handler) as up, client(up) as down:
        conflict = await down.request(Request(Code.GET, ("conflict",)))
        assert (conflict.code, conflict.payload) == (Code.CONFLICT, b"busy with 7")
        with pytest.raises(Conflict, match="busy with 7"):
            conflict.raise_for_code()
        defect = await down.request(Request(Code.GET, ("defect",)))
        assert (defect.code, defect.payload) == (Code.INTERNAL_SERVER_ERROR, b"")
        assert (await down.request(Request(Code.GET, ("other",)))).code == Code.NOT_FOUND


async def test_a_handler_may_answer_at_once_or_by_a_future() -> None:
    waiting: list[asyncio.Future[Response]] = []

    def handler(request: Request, association: Association) -> Response | asyncio.Future[Response]:
        assert association.transport is Transport.UDP
        if request.path == ("now",):
            return Response(Code.CONTENT, b"now")
        if request.path == ("never",):
            raise NotFound
        waiting.append(asyncio.get_running_loop().create_future())
        return waiting[-1]

    async with server(handler, secured=False) as up, client(up, secured=False) as down:
        assert (await down.request(Request(Code.GET, ("now",)))).payload == b"now"
        assert (await down.request(Request(Code.GET, ("never",)))).code == Code.NOT_FOUND
        later = asyncio.create_task(down.request(Request(Code.GET, ("later",))))
        while not waiting:
            await asyncio.sleep(0.01)
        waiting[0].set_result(Response(Code.CONTENT, b"later"))
        assert (await later).payload == b"later"
        refused = asyncio.create_task(down.request(Request(Code.GET, ("later",))))
        while len(waiting) < 2:
            await asyncio.sleep(0.01)
        waiting[1].set_exception(Conflict("busy"))
        assert (await refused).code == Code.CONFLICT


async def test_messages_that_cannot_be_sent() -> None:
    async def handler(request: Request, association: Association) -> Response:
        return Response(Code.CREATED, location_path=("x" * 256,))

    async with server(handler) as up, client(up) as down:
        assert (await down.request(Request(Code.GET))).code == Code.INTERNAL_SERVER_ERROR
        for wrong in (
            Request(Code.GET, ("x" * 256,)),
            Request(Code.GET, content_format=0x10000),
            Request(Code.GET, options=((0x10000, b""),)),
        ):
            with pytest.raises(ValueError, match="cannot be sent"):
                await down.request(wrong)
        assert (await down.request(Request(Code.GET))).code == Code.INTERNAL_SERVER_ERROR, "it still works"


async def test_a_client_without_handler_has_no_resources() -> None:
    async with server() as up, client(up):
        assert (await up.request(next(iter(up.associations)), Request(Code.GET))).code == Code.NOT_FOUND


async def test_slow_handlers_answer_separately_and_in_any_order() -> None:
    async def handler(request: Request, association: Association) -> Response:
        await asyncio.sleep(float(request.path[0]))
        return Response(Code.CONTENT, request.path[0].encode())

    async with server(handler) as up, client(up) as down:
        finished: list[bytes] = []

        async def ask(delay: str) -> None:
            finished.append((await down.request(Request(Code.GET, (delay,)))).payload)

        await asyncio.gather(ask("0.5"), ask("0.2"))
        assert finished == [b"0.2", b"0.5"]


async def test_a_silent_peer_is_a_timeout() -> None:
    async with server() as up:
        relay = await Relay.start((HOST, 0), up.address, loss=0, seed=1)
        down = await CoapClient.connect(*relay.address, dtls=hierarchy().client_config())
        (association,) = up.associations
        await relay.close()
        with pytest.raises(RequestTimeout):
            await up.request(association, Request(Code.GET))
        assert list(up.associations) == [association], "the application decides what a timeout means"
        await down.close()


async def test_a_caller_may_be_less_patient() -> None:
    async def never(request: Request, association: Association) -> Response:
        await asyncio.sleep(60)
        raise AssertionError

    async with server(never) as up, client(up) as down:
        with pytest.raises(RequestTimeout, match=r"0\.05"):
            await down.request(Request(Code.GET), timeout=0.05)


async def test_dropping_an_association_fails_its_requests_on_both_sides() -> None:
    closed: list[Association] = []

    async def never(request: Request, association: Association) -> Response:
        await asyncio.sleep(60)
        raise AssertionError

    async with server(never) as up:
        down = await CoapClient.connect(
            *up.address, dtls=hierarchy().client_config(), handler=never, parameters=QUICK, on_close=closed.append
        )
        (association,) = up.associations
        waiting = [
            asyncio.create_task(up.request(association, Request(Code.GET))),
            asyncio.create_task(down.request(Request(Code.GET))),
        ]
        await asyncio.sleep(0.2)
        up.drop(association)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [AssociationLost, AssociationLost]
        assert closed == [down.association]
        assert up.associations == []
        with pytest.raises(AssociationLost):
            await up.request(association, Request(Code.GET))
        with pytest.raises(AssociationLost):
            await down.request(Request(Code.GET))
        await down.close()


async def test_open_and_close_are_told() -> None:
    told: list[tuple[str, Association]] = []
    up = await CoapServer.bind(
        HOST,
        0,
        dtls=hierarchy().server_config(),
        handler=echo,
        on_open=lambda association: told.append(("open", association)),
        on_close=lambda association: told.append(("close", association)),
    )
    async with client(up) as down:
        await down.request(Request(Code.GET))
    await asyncio.sleep(0.05)
    await up.close()
    (_, association), _ = told
    assert told == [("open", association), ("close", association)]


async def test_an_application_that_fails_on_open_refuses() -> None:
    def broken(association: Association) -> None:
        raise RuntimeError

    up = await CoapServer.bind(HOST, 0, dtls=hierarchy().server_config(), handler=echo, on_open=broken)
    down = await CoapClient.connect(*up.address, dtls=hierarchy().client_config(), parameters=QUICK)
    with pytest.raises(AssociationLost):
        await down.request(Request(Code.GET))
    await down.close()
    await up.close()


async def test_refused_handshakes_say_why() -> None:
    async with server() as up:
        stranger = hierarchy("stranger")
        with pytest.raises(HandshakeFailed, match="no path"):
            await CoapClient.connect(*up.address, dtls=stranger.client_config())
        with pytest.raises(HandshakeFailed, match="alert"):
            await CoapClient.connect(*up.address, dtls=stranger.client_config(verify=hierarchy().verify_server))


async def test_idle_associations_are_closed() -> None:
    async with server(limits=Limits(idle=0.1)) as up, client(up) as down:
        await asyncio.sleep(0.3)
        assert up.associations == []
        with pytest.raises(AssociationLost):
            await down.request(Request(Code.GET))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
async def test_without_security_only_loopback_is_bound(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"):
        await CoapServer.bind(host, 0, dtls=None, handler=echo)


async def test_many_clients_at_once() -> None:
    async def one(endpoint: CoapServer, number: int) -> bytes:
        device = hierarchy().device if number % 2 else hierarchy().other_device
        down = await CoapClient.connect(*endpoint.address, dtls=hierarchy().client_config(device=device))
        response = await down.request(Request(Code.POST, payload=str(number).encode() * 500))
        await down.close()
        return response.payload

    async with server() as up:
        bodies = await asyncio.gather(*(one(up, number) for number in range(50)))
        assert bodies == [str(number).encode() * 500 for number in range(50)]


@Secured
async def test_observing_a_client(secured: bool) -> None:
    """The server observes its device, over the association the device opened."""
    notifiers: list[Notifier] = []
    held: list[CoapClient] = []

    def handler(request: Request, association: Association) -> Response:
        notifier = held[0].notifier(request)
        if notifier is not None:
            notifiers.append(notifier)
        return Response(Code.CONTENT, b"0")

    async with server(secured=secured) as up, client(up, handler, secured=secured) as down:
        held.append(down)
        await down.request(Request(Code.POST, ("rd",)))
        (association,) = up.associations
        heard: asyncio.Queue[Response | TransportError] = asyncio.Queue()
        response, observation = await up.observe(association, Request(Code.GET, ("3303",)), heard.put_nowait)
        assert (response.payload, observation.active) == (b"0", True)
        for state, confirmable in ((b"1", False), (b"2" * 3000, True)):
            notifiers[0].notify(Response(Code.CONTENT, state), confirmable=confirmable)
            news = await heard.get()
            assert isinstance(news, Response) and news.payload == state
        observation.forget()
        assert not observation.active
        adopted = up.adopt(association, observation.token, observation.request, heard.put_nowait)
        notifiers[0].notify(Response(Code.CONTENT, b"3"))
        news = await heard.get()
        assert isinstance(news, Response) and news.payload == b"3"
        adopted.forget()
        notifiers[0].notify(Response(Code.CONTENT, b"4"), confirmable=True)
        while notifiers[0].active:
            await asyncio.sleep(0.01)
        assert heard.empty()


async def test_a_notifier_belongs_to_a_request_that_is_being_answered() -> None:
    async with server(secured=False) as up, client(up, secured=False) as down:
        with pytest.raises(ValueError, match="being answered"):
            down.notifier(Request(Code.GET, observe=0))


async def test_a_cancelled_future_is_temporary() -> None:
    def handler(request: Request, association: Association) -> asyncio.Future[Response]:
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        future.cancel()
        return future

    async with server(handler, secured=False) as up, client(up, secured=False) as down:
        assert (await down.request(Request(Code.GET))).code == Code.SERVICE_UNAVAILABLE


async def test_the_idlest_address_gives_way_and_loses_nothing() -> None:
    quick = TransmissionParameters(ack_timeout=0.01, max_retransmit=1, max_latency=0.01)
    limits = Limits(addresses=2)
    up = await CoapServer.bind(HOST, 0, dtls=None, handler=echo, parameters=quick, limits=limits)
    clients = [await CoapClient.connect(*up.address, dtls=None) for _ in range(3)]
    for round_ in (b"one", b"two"):
        for down in clients:
            assert (await down.request(Request(Code.POST, payload=round_))).payload == round_
            await asyncio.sleep(0.1)
        assert len(up.associations) == 2
    assert up.counters.evicted == 4
    for down in clients:
        await down.close()
    await up.close()


async def test_a_defect_in_one_datagram_does_not_silence_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(secured=False) as up, client(up, secured=False) as down:
        driver = up._driver
        assert isinstance(driver, PlainDriver)
        receive = driver._to_engine

        def broken(*_: object) -> None:
            monkeypatch.setattr(driver, "_to_engine", receive)
            raise ZeroDivisionError

        monkeypatch.setattr(driver, "_to_engine", broken)
        assert (await down.request(Request(Code.POST, payload=b"x"))).payload == b"x"
