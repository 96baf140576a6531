"""OSCORE contexts of devices at rest. The database file is readable by its owner only."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.store.tables import oscore_contexts
from secure_coap.channels.oscore import PresharedContext
from secure_coap.oscore import OscoreAlgorithm


async def put(connection: AsyncConnection, context: PresharedContext, created_at: int) -> None:
    """Store a new one."""
    values = {
        "name": context.name,
        "endpoint": context.endpoint,
        "master_secret": context.master_secret,
        "master_salt": context.master_salt,
        "sender_id": context.sender_id,
        "recipient_id": context.recipient_id,
        "id_context": context.id_context,
        "algorithm": int(context.algorithm),
        "reserved": context.reserved,
        "created_at": created_at,
    }
    await connection.execute(insert(oscore_contexts).values(**values))


async def reserve(connection: AsyncConnection, name: str, below: int) -> bool:
    """Note that sequence numbers below may be used; False when the context is gone, or more had been reserved."""
    table = oscore_contexts.c
    wanted = update(oscore_contexts).where(table.name == name, table.reserved < below).values(reserved=below)
    return (await connection.execute(wanted)).rowcount == 1


async def remove(connection: AsyncConnection, name: str) -> None:
    """Forget a context."""
    await connection.execute(delete(oscore_contexts).where(oscore_contexts.c.name == name))


async def everything(connection: AsyncConnection) -> list[PresharedContext]:
    """All contexts, by name."""
    rows = await connection.execute(select(oscore_contexts).order_by(oscore_contexts.c.name))
    return [
        PresharedContext(
            row.name,
            row.master_secret,
            row.sender_id,
            row.recipient_id,
            row.master_salt,
            row.id_context,
            OscoreAlgorithm(row.algorithm),
            row.endpoint,
            row.reserved,
        )
        for row in rows
    ]
