"""Pre-shared keys of devices: stored, found in the handshake, and used to log in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from device_pki.identity import PskIdentity
from lwm2m_server.clock import Clock
from lwm2m_server.server.credentials import KEY_SIZE, CredentialError, Credentials, CredentialTaken
from lwm2m_server.store.database import Database
from secure_coap.association import Association
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig, PskCredential
from secure_coap.endpoint import CoapClient, CoapServer
from secure_coap.exchange import Request, Response
from secure_coap.numbers import Code

KEY = b"sixteen bytes ok"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "server.db")
    yield database
    await database.close()


@pytest.fixture
async def credentials(database: Database) -> Credentials:
    return Credentials(database, Clock(lambda: 1000.5))


async def test_a_stored_key_is_found_also_after_a_restart(credentials: Credentials, database: Database) -> None:
    await credentials.put("identity-1", "device-1", KEY)
    again = Credentials(database, Clock())
    await again.load()
    for known in (credentials, again):
        assert known.find(b"identity-1") == PskCredential(KEY, "device-1")
        assert [(stored.identity, stored.created_at) for stored in known.of("device-1")] == [("identity-1", 1000)]
        assert known.protects("device-1")
        assert len(known) == 1


async def test_a_removed_key_is_gone_also_after_a_restart(credentials: Credentials, database: Database) -> None:
    await credentials.put("identity-1", "device-1", KEY)
    assert await credentials.remove("identity-1")
    assert not await credentials.remove("identity-1")
    again = Credentials(database, Clock())
    await again.load()
    for known in (credentials, again):
        assert known.find(b"identity-1") is None
        assert list(known) == []
        assert not known.protects("device-1")


async def test_a_key_is_made_when_none_is_given(credentials: Credentials) -> None:
    first = await credentials.put("identity-1", "device-1")
    second = await credentials.put("identity-2", "device-2")
    assert len(first.key) == KEY_SIZE
    assert first.key != second.key


async def test_a_device_may_have_two_keys_while_one_replaces_the_other(credentials: Credentials) -> None:
    await credentials.put("old", "device-1", KEY)
    await credentials.put("new", "device-1")
    assert [stored.identity for stored in credentials.of("device-1")] == ["old", "new"]
    await credentials.remove("old")
    assert credentials.protects("device-1")
    await credentials.put("new", "device-1", KEY)
    assert credentials.find(b"new") == PskCredential(KEY, "device-1")


async def test_an_identity_has_one_device(credentials: Credentials) -> None:
    outcomes = await asyncio.gather(
        *(credentials.put("identity-1", f"device-{number}", KEY) for number in range(5)), return_exceptions=True
    )
    assert sum(isinstance(outcome, CredentialTaken) for outcome in outcomes) == 4
    assert len(credentials) == 1


async def test_a_key_has_one_device(credentials: Credentials) -> None:
    await credentials.put("identity-1", "device-1", KEY)
    await credentials.put("identity-2", "device-1", KEY)
    with pytest.raises(CredentialTaken, match="make a key of its own for each") as refused:
        await credentials.put("identity-3", "device-2", KEY)
    assert "sixteen" not in str(refused.value)
    await credentials.remove("identity-1")
    with pytest.raises(CredentialTaken):
        await credentials.put("identity-3", "device-2", KEY)
    await credentials.put("identity-2", "device-1")
    await credentials.put("identity-3", "device-2", KEY)


@pytest.mark.parametrize(
    ("identity", "endpoint", "key"),
    [
        ("", "device-1", KEY),
        ("x" * 129, "device-1", KEY),
        ("a\0b", "device-1", KEY),
        ("identity-1", "", KEY),
        ("identity-1", "device\n1", KEY),
        ("identity-1", "d" * 256, KEY),
        ("identity-1", "device-1", b"fifteen bytes.."),
        ("identity-1", "device-1", bytes(65)),
    ],
)
async def test_what_cannot_be_used_is_refused_and_changes_nothing(
    credentials: Credentials, identity: str, endpoint: str, key: bytes
) -> None:
    with pytest.raises(CredentialError) as refused:
        await credentials.put(identity, endpoint, key)
    assert "fifteen" not in str(refused.value)
    assert list(credentials) == []


async def test_a_key_is_not_shown(credentials: Credentials) -> None:
    assert "sixteen" not in repr(await credentials.put("identity-1", "device-1", KEY))


async def test_a_device_logs_in_as_soon_as_its_key_is_stored(credentials: Credentials) -> None:
    async def who(request: Request, association: Association) -> Response:
        assert isinstance(association.peer, PskIdentity)
        return Response(Code.CONTENT, str(association.peer.endpoint).encode())

    server = await CoapServer.bind("127.0.0.1", 0, dtls=DtlsServerConfig(psk=credentials.find), handler=who)
    await credentials.put("identity-1", "device-1", KEY)
    client = await CoapClient.connect(*server.address, dtls=DtlsClientConfig(psk=("identity-1", KEY)))
    assert (await client.request(Request(Code.GET))).payload == b"device-1"
    await client.close()
    await server.close()
