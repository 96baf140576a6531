"""Against lakers (EDHOC, method 3, suite 2) and aiocoap (OSCORE; its EDHOC is lakers), each in both roles."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiocoap  # type: ignore[import-untyped]
import lakers
import pytest
from aiocoap import resource
from aiocoap.credentials import CredentialsMap  # type: ignore[import-untyped]
from aiocoap.edhoc import EdhocCredentials  # type: ignore[import-untyped]
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper  # type: ignore[import-untyped]
from aiocoap.transports.oscore import OSCOREAddress, TransportOSCORE  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric import ec

from cose import cbor
from device_client.emulator.transport.oscore import Context
from secure_coap.association import Association
from secure_coap.channels.oscore import MemoryContexts, OscoreServerConfig, PresharedContext
from secure_coap.edhoc import CipherSuite, Ead, Initiator, Method, Responder
from secure_coap.edhoc.numbers import CredentialHeader
from secure_coap.endpoint import CoapClient, CoapServer
from secure_coap.errors import TransportError
from secure_coap.exchange import Request, Response
from secure_coap.notifier import Notifier
from secure_coap.numbers import Code
from tests.secure_coap.channel.parties import HOST, Parties, Party
from tests.secure_coap.test_aiocoap import Stored

NOW = datetime.now(UTC)
LARGE = bytes(range(256)) * 40


def scalar(party: Party) -> bytes:
    """The private key as lakers and aiocoap take it."""
    assert isinstance(party.key, ec.EllipticCurvePrivateKey)
    return party.key.private_numbers().private_value.to_bytes(32, "big")


# --- lakers ---


def test_lakers_begins() -> None:
    parties = Parties()
    ours = Responder(
        (CipherSuite.P256_CCM_8,),
        lambda *_: parties.server.identity(),
        lambda id_cred: parties.device.known().resolve(id_cred, NOW),
    )
    theirs = lakers.EdhocInitiator()
    note = lakers.EADItem(0x4, is_critical=False, value=b"note")
    got = ours.receive(theirs.prepare_message_1(b"\x07", [note]))
    assert got.ead_1 == (Ead(4, b"note"),)
    message_2, waiting = got.answer(b"\x09")
    c_r, id_cred_r, _ = theirs.parse_message_2(message_2)
    assert (c_r, id_cred_r) == (b"\x09", parties.server.identity().id_cred.encode())
    credentials = [lakers.Credential(party.credential) for party in (parties.device, parties.server)]
    theirs.verify_message_2(scalar(parties.device), *credentials)
    message_3, _ = theirs.prepare_message_3(lakers.CredentialTransfer.ByReference, None)
    session = waiting.receive(message_3)
    theirs.process_message_4(session.make_message_4())
    secret, salt = session.exporter.oscore()
    assert (secret, salt) == (theirs.edhoc_exporter(0, b"", 16), theirs.edhoc_exporter(1, b"", 8))


@pytest.mark.parametrize("transfer", [lakers.CredentialTransfer.ByReference, lakers.CredentialTransfer.ByValue])
def test_lakers_answers(transfer: Any) -> None:
    parties = Parties()
    ours = Initiator(
        Method.STATIC_STATIC,
        (CipherSuite.P256_CCM_8,),
        parties.device.identity(),
        lambda id_cred: parties.server.known().resolve(id_cred, NOW),
        b"\x07",
    )
    theirs = lakers.EdhocResponder(scalar(parties.server), lakers.Credential(parties.server.credential))
    message_1, waiting = ours.start()
    c_i, _ = theirs.process_message_1(message_1)
    assert c_i == b"\x07"
    message_3, session = waiting.receive(theirs.prepare_message_2(transfer, b"\x0a", None))
    theirs.parse_message_3(message_3)
    theirs.verify_message_3(lakers.Credential(parties.device.credential))
    assert session.take_message_4(theirs.prepare_message_4()) == ()
    secret, salt = session.exporter.oscore()
    assert (secret, salt) == (theirs.edhoc_exporter(0, b"", 16), theirs.edhoc_exporter(1, b"", 8))


# --- aiocoap as a client of ours ---


def aiocoap_credentials(own: Party, peer: Party, *, combined: bool = True) -> EdhocCredentials:
    """What aiocoap is configured with: its own key and claims, and the peer's claims."""
    return EdhocCredentials(
        suite=2,
        method=3,
        own_cred_style="by-key-id",
        own_cred={int(CredentialHeader.KCCS): cbor.decode(own.credential)},
        private_key={1: 2, -1: 1, -4: scalar(own)},
        peer_cred={int(CredentialHeader.KCCS): cbor.decode(peer.credential)},
        use_combined_edhoc=combined,
    )


@asynccontextmanager
async def aiocoap_client(address: tuple[str, int], credentials: Any) -> AsyncIterator[tuple[aiocoap.Context, str]]:
    """A client, and the URI of the server. OSCORE stands before UDP, or it would be left out."""
    context = await aiocoap.Context.create_client_context(transports=["simple6"])
    context.request_interfaces.insert(0, TransportOSCORE(context, context))
    uri = f"coap://{address[0]}:{address[1]}"
    context.client_credentials["coap://*"] = credentials
    try:
        yield context, uri
    finally:
        await context.shutdown()


class OurResource:
    """One value that is kept, told, and observed."""

    def __init__(self) -> None:
        self.body = b"first"
        self.notifiers: list[Notifier] = []
        self.server: CoapServer

    def handle(self, request: Request, association: Association) -> Response:
        if request.method is Code.PUT:
            self.body = request.payload
            return Response(Code.CHANGED)
        notifier = self.server.notifier(request)
        if notifier is not None:
            self.notifiers.append(notifier)
        return Response(Code.CONTENT, self.body)


@asynccontextmanager
async def ours(config: OscoreServerConfig) -> AsyncIterator[OurResource]:
    kept = OurResource()
    kept.server = await CoapServer.bind(HOST, 0, oscore=config, handler=kept.handle)
    try:
        yield kept
    finally:
        await kept.server.close()


async def ask(client: aiocoap.Context, uri: str, code: Any, payload: bytes = b"") -> aiocoap.Message:
    message = aiocoap.Message(code=code, uri=f"{uri}/x", payload=payload)
    response = await asyncio.wait_for(client.request(message).response_raising, 10)
    assert isinstance(response.remote, OSCOREAddress), "it went without protection"
    return response


@pytest.mark.parametrize("combined", [True, False])
async def test_aiocoap_as_a_client(combined: bool) -> None:
    parties = Parties()
    credentials = aiocoap_credentials(parties.device, parties.server, combined=combined)
    async with ours(parties.server_config()) as kept, aiocoap_client(kept.server.address, credentials) as (client, uri):
        assert (await ask(client, uri, aiocoap.GET)).payload == b"first"
        assert (await ask(client, uri, aiocoap.PUT, LARGE)).code.dotted == "2.04"
        assert kept.body == LARGE
        assert (await ask(client, uri, aiocoap.GET)).payload == LARGE
        assert {association.peer for association in kept.server.associations} == {parties.device.peer}


async def test_aiocoap_observes_us() -> None:
    parties = Parties()
    credentials = aiocoap_credentials(parties.device, parties.server)
    async with ours(parties.server_config()) as kept, aiocoap_client(kept.server.address, credentials) as (client, uri):
        observing = client.request(aiocoap.Message(code=aiocoap.GET, uri=f"{uri}/x", observe=0))
        assert (await asyncio.wait_for(observing.response_raising, 10)).payload == b"first"
        news = aiter(observing.observation)
        for number in range(3):
            kept.notifiers[0].notify(Response(Code.CONTENT, b"%d" % number), confirmable=number == 1)
            assert (await asyncio.wait_for(anext(news), 10)).payload == b"%d" % number


async def test_aiocoap_answers_the_echo_after_a_restart() -> None:
    ours_of = PresharedContext("device", bytes(16), b"\x01", b"\x02", endpoint="device", reserved=512)
    theirs = Context(bytes(16), b"", sender_id=b"\x02", recipient_id=b"\x01")
    async with (
        ours(OscoreServerConfig(contexts=MemoryContexts([ours_of]))) as kept,
        aiocoap_client(kept.server.address, theirs) as (client, uri),
    ):
        assert (await ask(client, uri, aiocoap.GET)).payload == b"first"
        assert kept.server.counters.freshness_asked == 1
        assert (await ask(client, uri, aiocoap.PUT, LARGE)).code.dotted == "2.04"


# --- aiocoap as our server ---


class Counting(resource.ObservableResource):  # type: ignore[misc]
    """Tells a number that the test moves on."""

    number = 0

    async def render_get(self, request: aiocoap.Message) -> aiocoap.Message:
        return aiocoap.Message(payload=b"%d" % self.number)


@asynccontextmanager
async def aiocoap_server(credentials: EdhocCredentials, counting: Counting) -> AsyncIterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    site = resource.Site()
    site.add_resource(["stored"], Stored())
    site.add_resource(["counter"], counting)
    known = CredentialsMap()
    known[f"coap://{HOST}:{port}/*"] = credentials
    context = await aiocoap.Context.create_server_context(
        OscoreSiteWrapper(site, known), bind=(HOST, port), transports=["simplesocketserver"]
    )
    try:
        yield port
    finally:
        await context.shutdown()


@pytest.mark.parametrize("combined", [True, False])
async def test_aiocoap_as_a_server(combined: bool) -> None:
    parties, counting = Parties(), Counting()
    async with aiocoap_server(aiocoap_credentials(parties.server, parties.device), counting) as port:
        client = await CoapClient.connect(HOST, port, oscore=parties.client_config(combined=combined))
        assert (await client.request(Request(Code.PUT, ("stored",), payload=LARGE))).code is Code.CHANGED
        assert (await client.request(Request(Code.GET, ("stored",)))).payload == LARGE
        news: asyncio.Queue[Response | TransportError] = asyncio.Queue()
        response, _ = await client.observe(Request(Code.GET, ("counter",)), news.put_nowait)
        assert response.payload == b"0"
        for number in (1, 2):
            counting.number = number
            counting.updated_state()
            told = await asyncio.wait_for(news.get(), 10)
            assert isinstance(told, Response)
            assert told.payload == b"%d" % number
        await client.close()
