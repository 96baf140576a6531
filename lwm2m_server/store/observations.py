"""Observations at rest: they outlive the process, and the registration they began under."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.protocol.observations import Subject
from lwm2m_server.store.device_tables import observations as table
from objects.attributes import Attributes
from objects.path import Path


@dataclass(frozen=True, slots=True)
class StoredObservation:
    """One observation of a device. `token`, `content_format`: of the Observe it answered last, None while none."""

    id: int
    endpoint: str
    subject: Subject
    token: bytes | None = None
    content_format: int | None = None
    began_at: float | None = None


async def add(connection: AsyncConnection, endpoint: str, subject: Subject) -> StoredObservation:
    """Store a new one; it gets its number."""
    row = insert(table).values(endpoint=endpoint, **_columns(subject)).returning(table.c.id)
    number = (await connection.execute(row)).scalar_one()
    return StoredObservation(number, endpoint, subject)


async def began(
    connection: AsyncConnection, number: int, subject: Subject, token: bytes, *, content_format: int, at: float
) -> None:
    """The device has answered an Observe."""
    values = {**_columns(subject), "token": token, "content_format": content_format, "began_at": at}
    await connection.execute(update(table).where(table.c.id == number).values(**values))


async def remove(connection: AsyncConnection, number: int) -> None:
    """It is cancelled."""
    await connection.execute(delete(table).where(table.c.id == number))


async def remove_of(connection: AsyncConnection, endpoint: str) -> None:
    """The device left."""
    await connection.execute(delete(table).where(table.c.endpoint == endpoint))


async def everything(connection: AsyncConnection) -> list[StoredObservation]:
    """All of them, in the order they were made."""
    return [_observation(row) for row in await connection.execute(select(table).order_by(table.c.id))]


def _columns(subject: Subject) -> dict[str, Any]:
    return {
        "paths": str(subject),
        "composite": subject.composite,
        "attributes": "&".join(subject.attributes.query()),
    }


def _observation(row: Any) -> StoredObservation:
    paths = tuple(Path.parse(one) for one in row.paths.split())
    attributes = Attributes.parse(row.attributes.split("&") if row.attributes else ())
    subject = Subject(paths, row.composite, attributes)
    return StoredObservation(row.id, row.endpoint, subject, row.token, row.content_format, row.began_at)
