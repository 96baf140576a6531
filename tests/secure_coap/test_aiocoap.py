"""Against aiocoap, an independent CoAP stack, in both roles: GET and PUT, small and block-wise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiocoap  # type: ignore[import-untyped, unused-ignore]
import pytest
from aiocoap import resource  # type: ignore[import-untyped, unused-ignore]

from secure_coap.association import Association
from secure_coap.endpoint import CoapClient, CoapServer
from secure_coap.errors import TransportError
from secure_coap.exchange import Request, Response
from secure_coap.notifier import Notifier
from secure_coap.numbers import Code

SIZES = pytest.mark.parametrize("size", [0, 1, 1024, 1025, 20_000, 65_536])


class Stored(resource.Resource):  # type: ignore[misc, unused-ignore]
    """A resource of aiocoap's server that keeps what is written."""

    body = b""

    async def render_put(self, request: aiocoap.Message) -> aiocoap.Message:
        self.body = request.payload
        return aiocoap.Message(code=aiocoap.CHANGED)

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=self.body, content_format=42)

    async def render_post(self, request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(code=aiocoap.CHANGED, payload=request.payload[::-1])


@asynccontextmanager
async def aiocoap_server(port: int, counter: resource.Resource | None = None) -> AsyncIterator[None]:
    site = resource.Site()
    site.add_resource(["stored"], Stored())
    if counter is not None:
        site.add_resource(["counter"], counter)
    context = await aiocoap.Context.create_server_context(
        site, bind=("127.0.0.1", port), transports=["simplesocketserver"]
    )
    try:
        yield
    finally:
        await context.shutdown()


@asynccontextmanager
async def our_server() -> AsyncIterator[str]:
    stored = [b""]

    async def handler(request: Request, association: Association) -> Response:
        match request.method:
            case Code.PUT:
                stored[0] = request.payload
                return Response(Code.CHANGED)
            case Code.POST:
                return Response(Code.CHANGED, request.payload[::-1])
        return Response(Code.CONTENT, stored[0], content_format=42)

    # aiocoap does not repeat a request with the Echo it is asked for
    server = await CoapServer.bind("127.0.0.1", 0, dtls=None, handler=handler, prove_addresses=False)
    try:
        yield f"coap://127.0.0.1:{server.address[1]}/stored"
    finally:
        await server.close()


@SIZES
async def test_our_client_with_its_server(size: int, unused_udp_port: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    async with aiocoap_server(unused_udp_port):
        client = await CoapClient.connect("127.0.0.1", unused_udp_port, dtls=None)
        assert (await client.request(Request(Code.PUT, ("stored",), payload=body))).code == Code.CHANGED
        response = await client.request(Request(Code.GET, ("stored",)))
        assert (response.code, response.payload, response.content_format) == (Code.CONTENT, body, 42)
        reversed_body = await client.request(Request(Code.POST, ("stored",), payload=body))
        assert reversed_body.payload == body[::-1]
        assert (await client.request(Request(Code.GET, ("absent",)))).code == Code.NOT_FOUND
        await client.close()


@SIZES
async def test_its_client_with_our_server(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    async with our_server() as uri:
        context = await aiocoap.Context.create_client_context(transports=["simple6"])

        async def ask(code: aiocoap.Code, payload: bytes = b"") -> aiocoap.Message:
            return await context.request(aiocoap.Message(code=code, uri=uri, payload=payload)).response

        assert (await ask(aiocoap.PUT, body)).code == aiocoap.CHANGED
        response = await ask(aiocoap.GET)
        assert (response.payload, response.opt.content_format) == (body, 42)
        assert (await ask(aiocoap.POST, body)).payload == body[::-1]
        await context.shutdown()


class Counter(resource.ObservableResource):  # type: ignore[misc, unused-ignore]
    """A resource of aiocoap's server with states, each of `size` bytes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.state = 0

    def advance(self) -> None:
        self.state += 1
        self.updated_state()

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=bytes([self.state]) * self.size)


@pytest.mark.parametrize("size", [1, 3000])
async def test_we_observe_its_resource(size: int, unused_udp_port: int) -> None:
    counter = Counter(size)
    async with aiocoap_server(unused_udp_port, counter):
        server = await CoapServer.bind("127.0.0.1", 0, dtls=None, handler=lambda *_: Response(Code.NOT_FOUND))
        association = server.associate(("127.0.0.1", unused_udp_port))
        heard: asyncio.Queue[Response | TransportError] = asyncio.Queue()
        request = Request(Code.GET, ("counter",))
        response, observation = await server.observe(association, request, heard.put_nowait)
        assert (response.payload, observation.active) == (bytes(size), True)
        for state in (1, 2):
            counter.advance()
            news = await heard.get()
            assert isinstance(news, Response)
            assert news.payload == bytes([state]) * size
        assert (await observation.cancel()).payload == bytes([2]) * size
        counter.advance()
        await asyncio.sleep(0.05)
        assert heard.empty() and not observation.active
        await server.close()


@pytest.mark.parametrize("size", [1, 3000])
async def test_it_observes_our_resource(size: int) -> None:
    notifiers: list[Notifier] = []
    state = [0]
    held: list[CoapServer] = []

    def handler(request: Request, association: Association) -> Response:
        if (notifier := held[0].notifier(request)) is not None:
            notifiers.append(notifier)
        return Response(Code.CONTENT, bytes(state) * size)

    held.append(await CoapServer.bind("127.0.0.1", 0, dtls=None, handler=handler, prove_addresses=False))
    uri = f"coap://127.0.0.1:{held[0].address[1]}/counter"
    context = await aiocoap.Context.create_client_context(transports=["simple6"])
    observed = context.request(aiocoap.Message(code=aiocoap.GET, uri=uri, observe=0))
    assert (await observed.response).payload == bytes(size)
    news = aiter(observed.observation)
    for number, confirmable in ((1, True), (2, False)):
        state[0] = number
        notifiers[0].notify(Response(Code.CONTENT, bytes(state) * size), confirmable=confirmable)
        assert (await asyncio.wait_for(anext(news), 10)).payload == bytes([number]) * size
    observed.observation.cancel()
    await context.shutdown()
    await held[0].close()
