"""The bootstrap interface over real sockets: who gets which profile, over which session, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath

import pytest

from lwm2m_server.protocol.bootstrap.profile import Profile
from lwm2m_server.server.bootstrapping import Bootstrapper
from lwm2m_server.server.credentials import Credentials
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.store import bootstrap as store
from lwm2m_server.store.database import Database
from objects.formats import Format, composite
from objects.model import MODEL
from objects.nodes import ObjectInstance, Resource
from objects.path import Path
from secure_coap.association import Association
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig
from secure_coap.channels.oscore import (
    MemoryContexts,
    OscoreClientConfig,
    OscoreServerConfig,
    PresharedContext,
)
from secure_coap.endpoint import CoapClient
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from tests.lwm2m_server.bootstrap.samples import KEY, Device, account, profile

OWN = profile(account(mode="psk"))


@dataclass
class World:
    """A server with its bootstrap interface, without security and with pre-shared keys."""

    database: Database
    server: Lwm2mServer
    credentials: Credentials
    bootstrapper: Bootstrapper
    plain: tuple[str, int]
    secure: tuple[str, int]

    async def assign(self, subject: str, given: Profile, name: str = "standard") -> None:
        async with self.database.transaction() as connection:
            await store.put_profile(connection, name, given)
            await store.assign(connection, subject, name)

    async def outcome(self, endpoint: str) -> store.Outcome:
        """How the device's bootstrap ended, once it has."""
        async with asyncio.timeout(20):
            while True:
                async with self.database.reading() as connection:
                    for one in await store.outcomes(connection):
                        if one.endpoint == endpoint:
                            return one
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def device(self, device: Device, identity: str | None = None) -> AsyncIterator[CoapClient]:
        async def handle(request: Request, association: Association) -> Response:
            return device.handle(request)

        dtls = None if identity is None else DtlsClientConfig(psk=(identity, KEY))
        client = await CoapClient.connect(*(self.plain if dtls is None else self.secure), dtls=dtls, handler=handle)
        try:
            yield client
        finally:
            await client.close()


@pytest.fixture
async def world(tmp_path: FilePath) -> AsyncIterator[World]:
    database = await Database.open(tmp_path / "server.db")
    async with Lwm2mServer(database) as server:
        bootstrapper = Bootstrapper(server)
        plain = await server.bind("127.0.0.1", 0)
        secure = await server.bind("127.0.0.1", 0, dtls=DtlsServerConfig(psk=server.credentials.find))
        yield World(database, server, server.credentials, bootstrapper, plain, secure)
        await bootstrapper.close()
    await database.close()


def ask(endpoint: str | None) -> Request:
    return Request(Code.POST, ("bs",), () if endpoint is None else (f"ep={endpoint}",))


async def test_a_device_gets_its_profile_with_its_own_key(world: World) -> None:
    await world.credentials.put("identity-1", "dev-1", KEY)
    await world.assign(store.device_subject("dev-1"), OWN)
    device = Device()
    async with world.device(device, "identity-1") as client:
        assert (await client.request(ask(None))).code is Code.CHANGED
        outcome = await world.outcome("dev-1")
    assert (outcome.profile, outcome.success, outcome.detail) == ("standard", True, "")
    assert device.finished
    security = device.written[Path(0, 1)]
    assert isinstance(security, ObjectInstance)
    assert security.resources[3] == Resource(3, b"identity-1")
    assert security.resources[5] == Resource(5, KEY)


async def test_a_device_gets_an_oscore_context_of_its_own_each_time(world: World) -> None:
    await world.credentials.put("identity-1", "dev-1", KEY)
    await world.assign(store.EVERYONE, profile(account(mode="oscore")))
    address = await world.server.bind("127.0.0.1", 0, oscore=OscoreServerConfig(contexts=world.server.oscore_contexts))
    secrets: set[bytes] = set()
    for _ in range(2):
        device = Device()
        async with world.device(device, "identity-1") as client:
            assert (await client.request(ask(None))).code is Code.CHANGED
            async with asyncio.timeout(20):
                while not device.finished:
                    await asyncio.sleep(0.02)
        written = device.written[Path(21, 0)]
        assert isinstance(written, ObjectInstance)
        secret, sender, recipient, salt = (_bytes(written, number) for number in (0, 1, 2, 5))
        secrets.add(secret)
        context = PresharedContext("server", secret, sender, recipient, salt)
        config = OscoreClientConfig(context=context, contexts=MemoryContexts([context]))
        client = await CoapClient.connect(*address, oscore=config)
        answer = await client.request(Request(Code.POST, ("rd",), ("lwm2m=1.1",), b"</3/0>", content_format=40))
        assert answer.code is Code.CREATED
        await client.close()
    assert len(secrets) == 2
    assert world.server.registrations.get("dev-1") is not None


def _bytes(instance: ObjectInstance, number: int) -> bytes:
    resource = instance.resources[number]
    assert isinstance(resource, Resource) and isinstance(resource.value, bytes)
    return resource.value


async def test_nobody_gets_the_profile_of_another(world: World) -> None:
    await world.credentials.put("identity-1", "dev-1", KEY)
    await world.credentials.put("identity-2", "dev-2", KEY[::-1])
    await world.assign(store.device_subject("dev-2"), OWN)
    async with world.device(Device(), "identity-1") as client:
        assert (await client.request(ask("dev-2"))).code is Code.FORBIDDEN
        assert (await client.request(ask(None))).code is Code.FORBIDDEN  # it has none of its own
    async with world.device(Device()) as client:
        assert (await client.request(ask(None))).code is Code.BAD_REQUEST


async def test_the_own_profile_before_that_of_all(world: World) -> None:
    await world.assign(store.EVERYONE, profile(account(101, mode="nosec")))
    await world.assign(store.device_subject("dev-1"), profile(account(102, mode="nosec")), "special")
    async with world.device(Device()) as client:
        assert (await client.request(ask("dev-1"))).code is Code.CHANGED
        assert (await world.outcome("dev-1")).profile == "special"
        assert (await client.request(ask("dev-9"))).code is Code.CHANGED
        assert (await world.outcome("dev-9")).profile == "standard"


async def test_a_profile_for_a_device_without_a_key_is_refused(world: World) -> None:
    await world.assign(store.EVERYONE, OWN)
    async with world.device(Device()) as client:
        assert (await client.request(ask("dev-1"))).code is Code.FORBIDDEN


async def test_a_refusal_of_the_device_is_kept_for_the_operator(world: World) -> None:
    await world.assign(store.EVERYONE, profile(account(mode="nosec")))
    device = Device(answer=lambda request: Response(Code.NOT_ACCEPTABLE, b"bad") if request.path == ("bs",) else None)
    async with world.device(device) as client:
        await client.request(ask("dev-1"))
        outcome = await world.outcome("dev-1")
    assert not outcome.success
    assert "4.06 bad" in outcome.detail


async def test_a_pack(world: World) -> None:
    await world.assign(store.EVERYONE, profile(account(mode="nosec")))
    async with world.device(Device()) as client:
        response = await client.request(Request(Code.GET, ("bspack",), ("ep=dev-1",), accept=int(Format.SENML_CBOR)))
    assert response.code is Code.CONTENT
    values = composite.decode_values(Format.SENML_CBOR, response.payload, MODEL)
    assert values[Path(1, 0, 0)] == 101
    assert (await world.outcome("dev-1")).detail == "pack"


async def test_too_many_requests(world: World) -> None:
    await world.assign(store.EVERYONE, profile(account(mode="nosec")))
    async with world.device(Device()) as client:
        codes = [(await client.request(ask("dev-1"))).code for _ in range(11)]
    assert codes == [Code.CHANGED] * 10 + [Code.TOO_MANY_REQUESTS]


@pytest.mark.parametrize("knows_the_trigger", [True, False])
async def test_a_registered_device_is_told_to_come(world: World, knows_the_trigger: bool) -> None:
    await world.assign(store.EVERYONE, profile(account(mode="nosec")))

    def answer(request: Request) -> Response | None:
        if request.path != ("1", "3", "9"):
            return None
        return Response(Code.CHANGED if knows_the_trigger else Code.METHOD_NOT_ALLOWED)

    device = Device(answer=answer)
    async with world.device(device) as client:
        links = b"</1/3>,</3/0>"
        register = Request(Code.POST, ("rd",), ("ep=dev-1", "lt=60", "lwm2m=1.1"), links, content_format=40)
        assert (await client.request(register)).code is Code.CREATED
        assert await world.bootstrapper.trigger("dev-1") is knows_the_trigger
        if knows_the_trigger:
            assert (await client.request(ask("dev-1"))).code is Code.CHANGED
        assert (await world.outcome("dev-1")).success
