"""Over real sockets: handshakes of every method, requests both ways, observations, bodies in blocks."""

from __future__ import annotations

import asyncio

import pytest

from lwm2m_server.testing.relay import Relay
from secure_coap.association import Association, Transport
from secure_coap.channels.oscore import OscoreAssociation
from secure_coap.edhoc import Method
from secure_coap.endpoint import CoapClient, CoapServer
from secure_coap.errors import HandshakeFailed, TransportError
from secure_coap.exchange import Request, Response
from secure_coap.notifier import Notifier
from secure_coap.numbers import Code, TransmissionParameters
from tests.secure_coap.channel.parties import HOST, Parties, Party

PATIENT = TransmissionParameters(ack_timeout=0.05, max_retransmit=8)
BODY = bytes(range(256)) * 20


def echo(request: Request, association: Association) -> Response:
    return Response(Code.CHANGED, request.payload)


@pytest.mark.parametrize("combined", [True, False])
@pytest.mark.parametrize("method", Method)
async def test_every_method(method: Method, combined: bool) -> None:
    parties = Parties()
    server = await CoapServer.bind(HOST, 0, oscore=parties.server_config(), handler=echo)
    client = await CoapClient.connect(*server.address, oscore=parties.client_config(method, combined=combined))
    assert (await client.request(Request(Code.POST, ("x",), payload=b"hi"))).payload == b"hi"
    (association,) = server.associations
    assert association.transport is Transport.OSCORE
    assert association.peer == parties.device.peer
    assert client.association.peer == parties.server.peer
    assert len(association.channel_binding) == 32
    assert association.channel_binding == client.association.channel_binding
    assert server.counters.handshakes == 1
    await client.close()
    await server.close()


async def test_bodies_in_blocks_both_ways() -> None:
    parties = Parties()
    server = await CoapServer.bind(HOST, 0, oscore=parties.server_config(), handler=echo)
    client = await CoapClient.connect(*server.address, oscore=parties.client_config(), handler=echo)
    assert (await client.request(Request(Code.POST, ("x",), payload=BODY))).payload == BODY
    (association,) = server.associations
    assert (await server.request(association, Request(Code.PUT, ("5", "0", "0"), payload=BODY))).payload == BODY
    await client.close()
    await server.close()


async def test_observations_both_ways() -> None:
    parties = Parties()
    notifiers: list[Notifier] = []

    def observable(endpoint: CoapServer | CoapClient, request: Request) -> Response:
        notifier = endpoint.notifier(request)
        if notifier is not None:
            notifiers.append(notifier)
        return Response(Code.CONTENT, b"0")

    server = await CoapServer.bind(
        HOST, 0, oscore=parties.server_config(), handler=lambda request, _: observable(server, request)
    )
    client = await CoapClient.connect(
        *server.address, oscore=parties.client_config(), handler=lambda request, _: observable(client, request)
    )
    news: asyncio.Queue[Response | TransportError] = asyncio.Queue()
    response, observation = await client.observe(Request(Code.GET, ("x",)), news.put_nowait)
    assert response.observe is not None
    assert observation.active
    for number in range(1, 4):
        notifiers[0].notify(Response(Code.CONTENT, BODY + bytes((number,))), confirmable=number == 2)
        arrived = await asyncio.wait_for(news.get(), 5)
        assert isinstance(arrived, Response)
        assert arrived.payload == BODY + bytes((number,))
    (association,) = server.associations
    response, observation = await server.observe(association, Request(Code.GET, ("y",)), news.put_nowait)
    assert observation.active
    notifiers[1].notify(Response(Code.CONTENT, b"1"), confirmable=True)
    arrived = await asyncio.wait_for(news.get(), 5)
    assert isinstance(arrived, Response)
    assert arrived.payload == b"1"
    assert (await observation.cancel()).payload == b"0"
    await client.close()
    await server.close()


async def test_a_server_nobody_knows() -> None:
    parties = Parties()
    server = await CoapServer.bind(HOST, 0, oscore=parties.server_config(), handler=echo)
    parties.server = Party("another", b"\x07")
    with pytest.raises(HandshakeFailed, match="credential"):
        await CoapClient.connect(*server.address, oscore=parties.client_config())
    await asyncio.sleep(0.05)
    assert server.counters.handshakes_failed == 1
    assert not server.associations
    await server.close()


@pytest.mark.parametrize("combined", [True, False])
async def test_a_device_nobody_knows(combined: bool) -> None:
    parties = Parties()
    server = await CoapServer.bind(HOST, 0, oscore=parties.server_config(), handler=echo)
    parties.device = Party("another", b"\x07")
    with pytest.raises(TransportError, match="credential"):
        client = await CoapClient.connect(*server.address, oscore=parties.client_config(combined=combined))
        await client.request(Request(Code.GET))
    assert server.counters.handshakes_failed == 1
    assert not server.associations
    await server.close()


async def test_without_protection_there_is_nothing() -> None:
    server = await CoapServer.bind(HOST, 0, oscore=Parties().server_config(), handler=echo)
    client = await CoapClient.connect(*server.address)
    for request in (Request(Code.GET, ("x",)), Request(Code.POST, (".well-known", "edhoc"), payload=b"\xf5\x03")):
        assert not (await client.request(request)).code.is_success
    assert not server.associations
    await client.close()
    await server.close()


@pytest.mark.parametrize("seed", [1, 2])
async def test_on_a_network_that_loses(seed: int) -> None:
    parties = Parties()
    server = await CoapServer.bind(HOST, 0, oscore=parties.server_config(), handler=echo, parameters=PATIENT)
    relay = await Relay.start((HOST, 0), server.address, loss=0.15, seed=seed)
    client = await CoapClient.connect(*relay.address, oscore=parties.client_config(), handler=echo, parameters=PATIENT)
    body = BODY[:2_000]
    assert (await client.request(Request(Code.POST, payload=body))).payload == body
    await asyncio.wait_for(client.renew_keys(), 15)
    assert (await client.request(Request(Code.POST, payload=body))).payload == body
    (association,) = server.associations
    assert (await server.request(association, Request(Code.PUT, payload=body))).payload == body
    await client.close()
    await relay.close()
    await server.close()


async def test_keys_are_renewed_within_the_association() -> None:
    parties = Parties()
    server = await CoapServer.bind(HOST, 0, oscore=parties.server_config(), handler=echo)
    client = await CoapClient.connect(*server.address, oscore=parties.client_config(), handler=echo)
    await client.request(Request(Code.GET))
    (association,) = server.associations
    assert isinstance(association, OscoreAssociation)
    context, binding = association.context, association.channel_binding
    await client.renew_keys()
    assert (await client.request(Request(Code.POST, payload=b"new"))).payload == b"new"
    assert list(server.associations) == [association]
    assert association.context is not context
    assert association.former is None
    assert association.channel_binding not in (binding, b"")
    assert (await server.request(association, Request(Code.POST, payload=b"back"))).payload == b"back"
    await client.close()
    await server.close()
