"""Registrations at rest. They outlive the process; the sessions they came over do not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.store.tables import registrations


@dataclass(frozen=True, slots=True)
class Registration:
    """One device's registration. Times: seconds since 1970; `lifetime` in seconds."""

    endpoint: str
    handle: bytes
    certificate: bytes
    """DER of the certificate of the session it registered over."""
    lifetime: int
    version: str
    binding: str
    links: str
    registered_at: float
    updated_at: float

    @property
    def expires_at(self) -> float:
        """When it ends unless the device says it is still there."""
        return self.updated_at + self.lifetime


async def put(connection: AsyncConnection, registration: Registration) -> None:
    """Store; a device's earlier registration, and its handle, end."""
    values = asdict(registration)
    statement = insert(registrations).values(**values)
    changed = {name: value for name, value in values.items() if name != "endpoint"}
    await connection.execute(statement.on_conflict_do_update(index_elements=["endpoint"], set_=changed))


async def by_handle(connection: AsyncConnection, handle: bytes) -> Registration | None:
    """The registration a handle names."""
    return await _one(connection, registrations.c.handle == handle)


async def by_endpoint(connection: AsyncConnection, endpoint: str) -> Registration | None:
    """The registration of a device."""
    return await _one(connection, registrations.c.endpoint == endpoint)


async def everyone(connection: AsyncConnection) -> list[Registration]:
    """All registrations, by endpoint."""
    rows = await connection.execute(select(registrations).order_by(registrations.c.endpoint))
    return [Registration(**row._mapping) for row in rows]


async def remove(connection: AsyncConnection, endpoint: str) -> None:
    """End a registration."""
    await connection.execute(delete(registrations).where(registrations.c.endpoint == endpoint))


async def remove_expired(connection: AsyncConnection, now: float) -> list[str]:
    """End every registration whose lifetime has passed; return their endpoints."""
    table = registrations
    statement = delete(table).where(table.c.updated_at + table.c.lifetime < now).returning(table.c.endpoint)
    return [row.endpoint for row in await connection.execute(statement)]


async def touch(connection: AsyncConnection, endpoint: str, changes: dict[str, Any]) -> None:
    """Apply an Update."""
    await connection.execute(update(registrations).where(registrations.c.endpoint == endpoint).values(**changes))


async def _one(connection: AsyncConnection, condition: Any) -> Registration | None:
    row = (await connection.execute(select(registrations).where(condition))).one_or_none()
    return None if row is None else Registration(**row._mapping)
