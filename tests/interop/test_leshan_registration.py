"""Leshan's client comes to our server and goes, without security, with a pre-shared key and with certificates.

Register, Deregister and Register again from another address; registering anew without having left; expiry; a name that
is not the identity's.
"""

from __future__ import annotations

import asyncio

import pytest

from lwm2m_server.server.events import Expired
from lwm2m_server.server.server import Lwm2mServer
from tests.interop.leshan_peer import LeshanPeer
from tests.interop.security import Security, client_members

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAIT = 20.0


@pytest.mark.parametrize("security", Security)
async def test_it_deregisters_and_comes_back(
    leshan: LeshanPeer, server: Lwm2mServer, ports: dict[Security, int], security: Security
) -> None:
    for _ in range(2):  # another socket each time
        client = await leshan.client(security.endpoint, **client_members(security, ports))
        await client.event("registered")
        assert await server.device(security.endpoint, wait=WAIT).read("/3/0/0") == "Example"
        await client.do("stop")
        await client.event("deregistered")
        assert server.registrations.get(security.endpoint) is None


async def test_it_registers_anew_without_having_left(
    leshan: LeshanPeer, server: Lwm2mServer, ports: dict[Security, int]
) -> None:
    members = client_members(Security.NONE, ports)
    first = await leshan.client("moving", **members)
    await first.event("registered")
    await first.do("stop", deregister=False)
    second = await leshan.client("moving", **members)
    await second.event("registered")
    assert await server.device("moving", wait=WAIT).read("/3/0/0") == "Example"
    await second.do("stop")


async def test_its_registration_expires(leshan: LeshanPeer, server: Lwm2mServer, ports: dict[Security, int]) -> None:
    expired: asyncio.Queue[Expired] = asyncio.Queue()
    end = server.events.on(Expired, expired.put_nowait)
    client = await leshan.client("short-lived", lifetime=1, **client_members(Security.NONE, ports))
    await client.event("registered")
    await client.do("stop", deregister=False)
    async with asyncio.timeout(WAIT):
        assert (await expired.get()).endpoint == "short-lived"
    end()


async def test_a_name_of_another_identity_is_refused(
    leshan: LeshanPeer, server: Lwm2mServer, ports: dict[Security, int]
) -> None:
    client = await leshan.client("not-mine", **client_members(Security.PSK, ports))
    assert (await client.event("registration failed"))["code"] == 403
    assert server.registrations.get("not-mine") is None
    await client.do("stop", deregister=False)
