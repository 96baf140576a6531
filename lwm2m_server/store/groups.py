"""Which group a device is in: in a provider's books, or of a plain device-management server."""

from __future__ import annotations

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.store.tables import devices, group_members, groups


async def join(connection: AsyncConnection, endpoint: str, group: str) -> None:
    """Put a device into a group, which is made when it does not exist; it leaves the one it was in."""
    await connection.execute(insert(groups).values(name=group).on_conflict_do_nothing())
    statement = insert(group_members).values(endpoint=endpoint, group_name=group)
    await connection.execute(statement.on_conflict_do_update(index_elements=["endpoint"], set_={"group_name": group}))


async def leave(connection: AsyncConnection, endpoint: str, group: str) -> bool:
    """Take a device out of a group; False when it was not in it."""
    table = group_members
    ended = delete(table).where(table.c.endpoint == endpoint, table.c.group_name == group)
    return (await connection.execute(ended)).rowcount > 0


async def members(connection: AsyncConnection, group: str) -> list[str]:
    """The devices of a group, by endpoint name."""
    of_books = select(devices.c.endpoint).where(devices.c.group_name == group)
    others = select(group_members.c.endpoint).where(group_members.c.group_name == group)
    return sorted(row.endpoint for row in await connection.execute(of_books.union(others)))


async def group_of(connection: AsyncConnection, endpoint: str) -> str | None:
    """The group of a device."""
    for table in (group_members, devices):
        statement = select(table.c.group_name).where(table.c.endpoint == endpoint)
        if (found := (await connection.execute(statement)).scalar()) is not None:
            return str(found)
    return None


async def sizes(connection: AsyncConnection) -> dict[str, int]:
    """How many devices of a plain device-management server each group has."""
    statement = (
        select(groups.c.name, func.count(group_members.c.endpoint))
        .outerjoin(group_members, group_members.c.group_name == groups.c.name)
        .group_by(groups.c.name)
        .order_by(groups.c.name)
    )
    return {row[0]: row[1] for row in await connection.execute(statement)}
