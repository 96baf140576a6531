"""Leshan's client is bootstrapped by our server, without security, with a pre-shared key and with certificates.

Client-initiated: Bootstrap-Request, Discover, Write of Security and Server, Finish; then it registers with its new
account, of the same kind. Server-initiated: a registered client is told to bootstrap again and comes back.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lwm2m_server.protocol.bootstrap.profile import Profile
from lwm2m_server.server.bootstrapping import Bootstrapper
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.store import bootstrap as store
from tests.interop.leshan_peer import LeshanPeer
from tests.interop.security import PSK, PSK_IDENTITY, Security, client_members
from tests.secure_coap.pki import HOST, hierarchy

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bootstrapper(server: Lwm2mServer) -> AsyncIterator[Bootstrapper]:
    """Of our server."""
    made = Bootstrapper(server)
    yield made
    await made.close()


def account_security(security: Security) -> dict[str, str]:
    """What a profile says of it."""
    match security:
        case Security.PSK:
            return {"mode": "psk", "identity": PSK_IDENTITY, "key": PSK.hex()}
        case Security.X509:
            device = hierarchy().device
            key = device.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
            return {
                "mode": "x509",
                "certificate": device.chain[0].public_bytes(Encoding.DER).hex(),
                "private_key": key.hex(),
                "server_certificate": hierarchy().server.chain[0].public_bytes(Encoding.DER).hex(),
            }
    return {"mode": "nosec"}


async def assign(server: Lwm2mServer, security: Security, port: int, lifetime: int) -> None:
    """Give the device a profile with one account."""
    account = {
        "uri": f"{security.scheme}://{HOST}:{port}",
        "short_server_id": 7,
        "lifetime": lifetime,
        "security": account_security(security),
    }
    async with server.database.transaction() as connection:
        await store.put_profile(connection, security.name, Profile.parse(json.dumps({"accounts": [account]})))
        await store.assign(connection, store.device_subject(security.endpoint), security.name)


async def accounts(server: Lwm2mServer, endpoint: str) -> list[tuple[Any, Any]]:
    """Short server id and lifetime of each account that the device has, whatever number it has there."""
    instances = await server.device(endpoint, wait=20).read("/1")
    assert isinstance(instances, dict)
    found = [instance for instance in instances.values() if isinstance(instance, dict)]
    return [(instance[0], instance[1]) for instance in found]


@pytest.mark.parametrize("security", Security)
async def test_it_is_bootstrapped_and_registers(
    leshan: LeshanPeer,
    server: Lwm2mServer,
    ports: dict[Security, int],
    bootstrapper: Bootstrapper,
    security: Security,
) -> None:
    await assign(server, security, ports[security], lifetime=77)
    client = await leshan.client(security.endpoint, bootstrap=True, **client_members(security, ports))
    await client.event("bootstrapped")
    await client.event("registered")
    assert await accounts(server, security.endpoint) == [(7, 77)]

    await assign(server, security, ports[security], lifetime=78)
    assert await bootstrapper.trigger(security.endpoint)
    await client.event("bootstrapped")
    await client.event("registered")
    assert await accounts(server, security.endpoint) == [(7, 78)]
    await client.do("stop")


async def test_a_client_without_profile_is_refused(
    leshan: LeshanPeer, ports: dict[Security, int], bootstrapper: Bootstrapper
) -> None:
    client = await leshan.client("nobody", bootstrap=True, **client_members(Security.NONE, ports))
    assert (await client.event("bootstrap failed"))["code"] == 403
    await client.do("stop", deregister=False)
