"""Pre-shared keys of devices at rest. The database file is readable by its owner only."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.store.tables import credentials


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A PSK identity, the endpoint name of the one device that has its key, and the key, which is never shown."""

    identity: str
    endpoint: str
    key: bytes = field(repr=False)
    created_at: int
    """Seconds since 1970."""


async def put(connection: AsyncConnection, stored: StoredKey) -> None:
    """Store; an earlier key of this identity is replaced."""
    values = {"endpoint": stored.endpoint, "key": stored.key, "created_at": stored.created_at}
    statement = insert(credentials).values(identity=stored.identity, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["identity"], set_=values))


async def remove(connection: AsyncConnection, identity: str) -> None:
    """Forget a key."""
    await connection.execute(delete(credentials).where(credentials.c.identity == identity))


async def everything(connection: AsyncConnection) -> list[StoredKey]:
    """All keys, by identity."""
    rows = await connection.execute(select(credentials).order_by(credentials.c.identity))
    return [StoredKey(row.identity, row.endpoint, row.key, row.created_at) for row in rows]
