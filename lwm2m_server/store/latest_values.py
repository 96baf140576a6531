"""The newest value of each resource a device has sent or notified of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from cose import cbor
from lwm2m_server.protocol.samples import Sample
from lwm2m_server.store.device_tables import latest_values as table
from objects.path import Path
from objects.values import ObjectLink, Value

MAX_PER_DEVICE: Final = 1024
"""Resources of one device whose newest value is kept; of a device with more, those it named first."""
MAX_VALUE: Final = 4096
"""Bytes of a value that is kept; larger ones are none to look at."""


async def put(connection: AsyncConnection, endpoint: str, samples: Iterable[Sample]) -> None:
    """Take over what is newer than what is stored."""
    newest = {sample.path: sample for sample in sorted(samples, key=lambda one: one.at)}
    known = {row.path for row in await connection.execute(select(table.c.path).where(table.c.endpoint == endpoint))}
    room = MAX_PER_DEVICE - len(known)
    rows = []
    for path, sample in newest.items():
        encoded = _encode(sample.value)
        new = str(path) not in known
        if len(encoded) > MAX_VALUE or (new and room == 0):
            continue
        room -= new
        rows.append({"endpoint": endpoint, "path": str(path), "value": encoded, "at": sample.at})
    if rows:
        statement = insert(table)
        taken = statement.excluded
        upsert = statement.on_conflict_do_update(
            index_elements=["endpoint", "path"],
            set_={"value": taken.value, "at": taken.at},
            where=taken.at >= table.c.at,
        )
        await connection.execute(upsert, rows)


async def of_device(connection: AsyncConnection, endpoint: str) -> list[Sample]:
    """What is known of one device, by path."""
    rows = await connection.execute(select(table).where(table.c.endpoint == endpoint))
    found = (Sample(Path.parse(row.path), _decode(row.value), row.at) for row in rows)
    return sorted(found, key=lambda one: one.path.ids)


async def endpoints(connection: AsyncConnection) -> set[str]:
    """Everyone of whom something is known."""
    return {row.endpoint for row in await connection.execute(select(table.c.endpoint).distinct())}


async def forget(connection: AsyncConnection, endpoint: str) -> None:
    """The device left."""
    await connection.execute(delete(table).where(table.c.endpoint == endpoint))


def _encode(value: Value) -> bytes:
    return cbor.encode([value.object, value.instance] if isinstance(value, ObjectLink) else value)


def _decode(data: bytes) -> Value:
    value = cbor.decode(data)
    return ObjectLink(*value) if isinstance(value, list) else value
