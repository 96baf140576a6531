"""An LwM2M server on loopback, without security."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from lwm2m_server.clock import Clock
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.store.database import Database
from objects.model import MODEL, ObjectModel
from secure_coap.numbers.parameters import TransmissionParameters

HOST = "127.0.0.1"
QUICK = TransmissionParameters(ack_timeout=0.1, max_retransmit=2)


@dataclass(frozen=True)
class Running:
    server: Lwm2mServer
    address: tuple[str, int]


@asynccontextmanager
async def running_server(
    file: Path,
    *,
    port: int = 0,
    model: ObjectModel = MODEL,
    clock: Clock | None = None,
    parameters: TransmissionParameters = QUICK,
) -> AsyncIterator[Running]:
    database = await Database.open(file)
    try:
        async with Lwm2mServer(database, model=model, clock=clock, parameters=parameters) as server:
            yield Running(server, await server.bind(HOST, port))
    finally:
        await database.close()
