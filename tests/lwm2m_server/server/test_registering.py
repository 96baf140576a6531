"""The registration interface over real sockets: every version, addresses that change, identities, limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lwm2m_server.clock import Clock
from lwm2m_server.protocol.registration_limits import RegistrationLimits
from lwm2m_server.server.events import Deregistered, Event, Expired, Registered, Updated
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.settings import EndpointRule
from lwm2m_server.store.database import Database
from secure_coap.association import Transport
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig
from secure_coap.edge.endpoints import Client
from secure_coap.endpoint import CoapClient
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from tests.lwm2m_server.server.running import HOST, QUICK, Running, running_server

LINKS = b'</>;rt="oma.lwm2m";ct="60 112",</1/0>,</3/0>;ver=1.2'
Location = tuple[str, ...]


@asynccontextmanager
async def device(address: tuple[str, int], *, key: tuple[str, bytes] | None = None) -> AsyncIterator[CoapClient]:
    """A client on a port of its own; with `key`, over DTLS with that PSK identity and key."""
    dtls = None if key is None else DtlsClientConfig(psk=key)
    client = await CoapClient.connect(*address, dtls=dtls, parameters=QUICK)
    try:
        yield client
    finally:
        await client.close()


async def ask(client: Client, method: Code, path: Location, *query: str, payload: bytes = b"") -> Response:
    return await client.request(Request(method, path, query, payload=payload, content_format=40 if payload else None))


async def register(client: Client, *query: str, links: bytes = LINKS) -> Response:
    return await ask(client, Code.POST, ("rd",), *query, payload=links)


async def update(client: Client, location: Location, *query: str, payload: bytes = b"") -> Code:
    return (await ask(client, Code.POST, location, *query, payload=payload)).code


async def deregister(client: Client, location: Location) -> Code:
    return (await ask(client, Code.DELETE, location)).code


def heard(server: Lwm2mServer) -> list[tuple[str, str]]:
    """Every event from now on, as (kind, endpoint)."""
    events: list[tuple[str, str]] = []

    def note(event: Event) -> None:
        events.append((type(event).__name__, event.endpoint))

    for kind in (Registered, Updated, Deregistered, Expired):
        server.events.on(kind, note)
    return events


@pytest.mark.parametrize(
    ("query", "version", "binding", "queue_mode"),
    [
        (("ep=a",), "1.0", "U", False),
        (("ep=a", "lt=60", "lwm2m=1.0", "b=UQ", "sms=358401234567"), "1.0", "U", True),
        (("ep=a", "lwm2m=1.1", "b=UT", "Q", "sms=1"), "1.1", "UT", True),
        (("ep=a", "lwm2m=1.2", "b=UN", "pid=2", "unknown", "x=y"), "1.2", "UN", False),
    ],
)
async def test_a_whole_life_in_every_version(
    running: Running, query: Sequence[str], version: str, binding: str, queue_mode: bool
) -> None:
    events = heard(running.server)
    async with device(running.address) as client:
        created = await register(client, *query)
        assert created.code is Code.CREATED
        assert created.location_path[0] == "rd"
        known = running.server.registrations.get("a")
        assert known is not None
        assert (known.version, known.binding, known.queue_mode) == (version, binding, queue_mode)
        assert (known.transport, known.remote, known.owner) == (Transport.UDP, client.address, "")
        assert known.links == LINKS.decode()
        assert running.server.sessions.is_online("a")
        assert await update(client, created.location_path) is Code.CHANGED
        assert await deregister(client, created.location_path) is Code.DELETED
        assert await update(client, created.location_path) is Code.NOT_FOUND
    assert running.server.registrations.get("a") is None
    assert not running.server.sessions.is_online("a")
    assert events == [("Registered", "a"), ("Updated", "a"), ("Deregistered", "a")]


async def test_an_update_changes_what_it_names_and_no_more(running: Running) -> None:
    async with device(running.address) as client:
        old = (await register(client, "ep=old", "lwm2m=1.0", "b=UQ")).location_path
        new = (await register(client, "ep=new", "lwm2m=1.1", "b=U", "Q")).location_path
        assert await update(client, old, "lt=90", "b=U") is Code.CHANGED
        assert await update(client, new, "b=UT", "sms=1", payload=b"</5/0>") is Code.CHANGED
    first, second = running.server.registrations.get("old"), running.server.registrations.get("new")
    assert first is not None and second is not None
    assert (first.lifetime, first.binding, first.queue_mode, first.links) == (90, "U", False, LINKS.decode())
    assert (second.lifetime, second.binding, second.queue_mode, second.links) == (86400, "UT", True, "</5/0>")


async def test_registering_again_ends_the_old_handle(running: Running) -> None:
    async with device(running.address) as client:
        first = (await register(client, "ep=a")).location_path
        second = (await register(client, "ep=a", "lt=60")).location_path
        assert await update(client, first) is Code.NOT_FOUND
        assert await deregister(client, first) is Code.NOT_FOUND
        assert await update(client, second) is Code.CHANGED
    assert len(running.server.registrations) == 1


async def test_a_device_behind_a_nat_gets_another_address(running: Running) -> None:
    """Without security the handle is what proves whose Update it is; the session follows it."""
    async with device(running.address) as before, device(running.address) as after:
        location = (await register(before, "ep=a")).location_path
        assert await update(after, location) is Code.CHANGED
        session, known = running.server.sessions.session("a"), running.server.registrations.get("a")
        assert session is not None and known is not None
        assert session.remote == known.remote == after.address
        assert await deregister(before, location) is Code.DELETED


@pytest.mark.parametrize(
    ("method", "path", "query", "code"),
    [
        (Code.POST, ("rd",), ("lt=60",), Code.BAD_REQUEST),  # nobody's name without security
        (Code.POST, ("rd",), ("ep=a", "lt=x"), Code.BAD_REQUEST),
        (Code.POST, ("rd",), ("ep=a", "lwm2m=2.0"), Code.PRECONDITION_FAILED),
        (Code.GET, ("rd",), (), Code.METHOD_NOT_ALLOWED),
        (Code.PUT, ("rd", "x"), (), Code.METHOD_NOT_ALLOWED),
        (Code.POST, ("rd", "x"), (), Code.NOT_FOUND),
        (Code.DELETE, ("rd", "x"), (), Code.NOT_FOUND),
        (Code.POST, ("nothing", "here"), (), Code.NOT_FOUND),
        (Code.POST, (), (), Code.NOT_FOUND),
    ],
)
async def test_refusals_change_nothing(
    running: Running, method: Code, path: Location, query: Sequence[str], code: Code
) -> None:
    async with device(running.address) as client:
        payload = LINKS if method is Code.POST and path == ("rd",) else b""
        assert (await ask(client, method, path, *query, payload=payload)).code is code
        assert (await register(client, "ep=a", links=b"x")).code is Code.BAD_REQUEST
    assert len(running.server.registrations) == 0
    assert running.server.registration_counters.refused.total() >= 1


async def test_bodies_have_a_size_and_a_format(running: Running) -> None:
    async with device(running.address) as client:
        assert (await register(client, "ep=a", links=b"</1/0>," * 1200)).code is Code.REQUEST_ENTITY_TOO_LARGE
        as_text = Request(Code.POST, ("rd",), ("ep=a",), payload=LINKS, content_format=0)
        assert (await client.request(as_text)).code is Code.UNSUPPORTED_CONTENT_FORMAT


async def test_a_lifetime_that_passes(tmp_path: Path) -> None:
    now = [1000.0]
    database = await Database.open(tmp_path / "server.db")
    async with Lwm2mServer(database, clock=Clock(lambda: now[0]), parameters=QUICK) as server:
        address = await server.bind(HOST, 0)
        events = heard(server)
        async with device(address) as client:
            kept = (await register(client, "ep=kept", "lt=60")).location_path
            lost = (await register(client, "ep=lost", "lt=60")).location_path
            now[0] += 50
            assert await update(client, kept) is Code.CHANGED
            now[0] += 20
            assert await update(client, lost) is Code.NOT_FOUND  # also before anybody has looked
            while ("Expired", "lost") not in events:
                await asyncio.sleep(0.01)
            assert [one.endpoint for one in server.devices()] == ["kept"]
    await database.close()


async def test_registrations_are_there_after_a_restart(tmp_path: Path) -> None:
    async with running_server(tmp_path / "server.db") as first, device(first.address) as client:
        location = (await register(client, "ep=a", "lt=600")).location_path
        gone = (await register(client, "ep=gone")).location_path
        assert await deregister(client, gone) is Code.DELETED
    async with running_server(tmp_path / "server.db") as second, device(second.address) as client:
        assert [one.endpoint for one in second.server.devices()] == ["a"]
        assert await update(client, location) is Code.CHANGED
        assert await update(client, gone) is Code.NOT_FOUND
        assert second.server.sessions.is_online("a")


# ---- identities -----------------------------------------------------------------------------------


@asynccontextmanager
async def secured(
    file: Path, rule: EndpointRule = EndpointRule.CERTIFICATE
) -> AsyncIterator[tuple[Lwm2mServer, tuple[str, int], tuple[str, int]]]:
    """A server with and without DTLS, where `victim` and `other` have keys."""
    database = await Database.open(file)
    async with Lwm2mServer(database, endpoint_rule=rule, parameters=QUICK) as server:
        for name in ("victim", "other"):
            identity, key = key_of(name)
            await server.credentials.put(identity, name, key)
        plain = await server.bind(HOST, 0)
        yield server, plain, await server.bind(HOST, 0, dtls=DtlsServerConfig(psk=server.credentials.find))
    await database.close()


def key_of(name: str) -> tuple[str, bytes]:
    return f"{name}-id", name.encode() + bytes(16)


async def test_the_name_is_that_of_the_key(tmp_path: Path) -> None:
    async with secured(tmp_path / "server.db") as (server, _, dtls):
        async with device(dtls, key=key_of("victim")) as client:
            assert (await register(client)).code is Code.CREATED  # its identity names it
            assert (await register(client, "ep=victim")).code is Code.CREATED
            assert (await register(client, "ep=other")).code is Code.FORBIDDEN
        known = server.registrations.get("victim")
        assert known is not None
        assert (known.owner, known.transport) == ("victim", Transport.DTLS)
        assert [one.endpoint for one in server.devices()] == ["victim"]


async def test_nobody_takes_over_a_name_or_a_handle(tmp_path: Path) -> None:
    async with secured(tmp_path / "server.db") as (server, plain, dtls), device(dtls, key=key_of("victim")) as victim:
        location = (await register(victim)).location_path
        async with device(dtls, key=key_of("other")) as attacker:
            assert (await register(attacker, "ep=victim")).code is Code.FORBIDDEN
            assert await update(attacker, location) is Code.NOT_FOUND
            assert await deregister(attacker, location) is Code.NOT_FOUND
        async with device(plain) as attacker:
            assert (await register(attacker, "ep=victim")).code is Code.FORBIDDEN
            assert (await register(attacker, "ep=other")).code is Code.FORBIDDEN  # not registered, but it has a key
            assert await update(attacker, location) is Code.NOT_FOUND
        assert await update(victim, location) is Code.CHANGED
        assert [one.endpoint for one in server.devices()] == ["victim"]


async def test_whoever_proves_a_name_takes_it_from_nobody(tmp_path: Path) -> None:
    """A device registered without security gets a key: from then on its name is its own."""
    async with secured(tmp_path / "server.db") as (server, plain, dtls), device(plain) as before:
        location = (await register(before, "ep=new")).location_path
        await server.credentials.put("new-id", "new", key_of("new")[1])
        async with device(dtls, key=key_of("new")) as after:
            assert (await register(after)).code is Code.CREATED
        assert await update(before, location) is Code.NOT_FOUND
        assert (await register(before, "ep=new")).code is Code.FORBIDDEN


async def test_any_name_that_is_free(tmp_path: Path) -> None:
    async with secured(tmp_path / "server.db", EndpointRule.ANY) as (_, plain, dtls):
        async with device(dtls, key=key_of("victim")) as first, device(dtls, key=key_of("other")) as second:
            location = (await register(first, "ep=shared")).location_path
            assert (await register(second, "ep=shared")).code is Code.FORBIDDEN
            assert (await register(first, "ep=shared")).code is Code.CREATED
            assert (await register(first, "ep=other")).code is Code.FORBIDDEN  # that is for another key
            assert (await register(second)).code is Code.CREATED
            assert await update(first, location) is Code.NOT_FOUND
        async with device(plain) as stranger:
            assert (await register(stranger, "ep=shared")).code is Code.FORBIDDEN


async def test_a_withdrawn_key_ends_its_sessions(tmp_path: Path) -> None:
    async with secured(tmp_path / "server.db") as (server, _, dtls), device(dtls, key=key_of("victim")) as client:
        assert (await register(client)).code is Code.CREATED
        assert await server.withdraw_key("victim-id")
        assert not await server.withdraw_key("victim-id")
        assert not server.sessions.is_online("victim")


# ---- limits ---------------------------------------------------------------------------------------


@asynccontextmanager
async def limited(file: Path, limits: RegistrationLimits) -> AsyncIterator[Running]:
    database = await Database.open(file)
    async with Lwm2mServer(database, limits=limits, parameters=QUICK) as server:
        yield Running(server, await server.bind(HOST, 0))
    await database.close()


async def test_ten_registrations_a_minute(tmp_path: Path) -> None:
    async with limited(tmp_path / "server.db", RegistrationLimits()) as running, device(running.address) as client:
        codes = [(await register(client, "ep=a")).code for _ in range(11)]
        assert codes == [Code.CREATED] * 10 + [Code.TOO_MANY_REQUESTS]
        assert (await register(client, "ep=b")).code is Code.CREATED
        assert running.server.registration_counters.refused["identity_rate"] == 1


@pytest.mark.parametrize(
    ("limits", "code", "reason"),
    [
        (RegistrationLimits(registrations_per_address=3), Code.TOO_MANY_REQUESTS, "address_full"),
        (RegistrationLimits(endpoints_per_minute=3), Code.TOO_MANY_REQUESTS, "address_rate"),
        (RegistrationLimits(max_registrations=3), Code.SERVICE_UNAVAILABLE, "server_full"),
    ],
)
async def test_endless_registrations_from_one_address(
    tmp_path: Path, limits: RegistrationLimits, code: Code, reason: str
) -> None:
    async with limited(tmp_path / "server.db", limits) as running, device(running.address) as client:
        codes = [(await register(client, f"ep=dev-{number}")).code for number in range(20)]
        assert codes == [Code.CREATED] * 3 + [code] * 17
        assert len(running.server.registrations) == 3
        assert running.server.registration_counters.refused[reason] == 17
        assert (await register(client, "ep=dev-0")).code is Code.CREATED  # whoever is in may come again
