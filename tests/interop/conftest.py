"""Per test module: one Java process, because starting one takes longer than all that it is asked, and one server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.store.database import Database
from tests.interop.leshan_peer import LeshanPeer
from tests.interop.security import PSK, PSK_IDENTITY, Security, dtls_config
from tests.secure_coap.pki import HOST


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def leshan() -> AsyncIterator[LeshanPeer]:
    """The process."""
    async with LeshanPeer() as peer:
        yield peer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lwm2mServer]:
    """Ours, which knows the device's key."""
    folder: Path = tmp_path_factory.mktemp("server")
    database = await Database.open(folder / "server.db")
    async with Lwm2mServer(database) as running:
        await running.credentials.put(PSK_IDENTITY, Security.PSK.endpoint, PSK)
        yield running
    await database.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ports(server: Lwm2mServer) -> dict[Security, int]:
    """Where it listens."""
    _, nosec = await server.bind(HOST, 0)
    _, dtls = await server.bind(HOST, 0, dtls=dtls_config(server))
    return {Security.NONE: nosec, Security.PSK: dtls, Security.X509: dtls}
