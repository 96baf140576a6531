"""The keys that devices without certificates sign reports with, at rest."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.store.suit_tables import report_keys as table


@dataclass(frozen=True, slots=True)
class ReportKey:
    """Whose reports a key verifies. `public_key` is its SubjectPublicKeyInfo."""

    endpoint: str
    public_key: bytes
    added_at: int


async def put(connection: AsyncConnection, key: ReportKey) -> None:
    """Believe this key of a device, and no other any more."""
    values = asdict(key)
    await connection.execute(insert(table).values(**values).on_conflict_do_update(["endpoint"], set_=values))


async def get(connection: AsyncConnection, endpoint: str) -> ReportKey | None:
    """The key of a device."""
    row = (await connection.execute(select(table).where(table.c.endpoint == endpoint))).one_or_none()
    return None if row is None else ReportKey(**row._mapping)


async def everything(connection: AsyncConnection) -> list[ReportKey]:
    """All keys, by endpoint name."""
    return [ReportKey(**row._mapping) for row in await connection.execute(select(table).order_by(table.c.endpoint))]


async def remove(connection: AsyncConnection, endpoint: str) -> bool:
    """Believe no reports of this device any more; False when there was no key."""
    return (await connection.execute(delete(table).where(table.c.endpoint == endpoint))).rowcount > 0
