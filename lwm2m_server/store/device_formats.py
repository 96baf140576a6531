"""Which content formats a device answers to, so that a restart does not ask again."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.store.device_tables import device_formats as table


async def get(connection: AsyncConnection, endpoint: str) -> str | None:
    """What `FormatChoice.dump` wrote."""
    found: str | None = (
        await connection.execute(select(table.c.known).where(table.c.endpoint == endpoint))
    ).scalar_one_or_none()
    return found


async def put(connection: AsyncConnection, endpoint: str, known: str) -> None:
    """Replace it."""
    statement = insert(table).values(endpoint=endpoint, known=known)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["endpoint"], set_={"known": statement.excluded.known})
    )
