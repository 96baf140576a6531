"""The newest value of each resource a device has sent or notified of; written in batches, for devices are many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cose import cbor
from lwm2m_server.protocol.samples import Sample
from lwm2m_server.store.batches import Row, Work
from lwm2m_server.store.device_tables import latest_values as table
from objects.path import Path
from objects.values import ObjectLink, Value

MAX_PER_DEVICE: Final = 1024
"""Resources of one device whose newest value is kept; of a device with more, those it named first."""
MAX_VALUE: Final = 4096
"""Bytes of a value that is kept; larger ones are none to look at."""

_PUT: Final = """
INSERT INTO latest_values (endpoint, path, value, at) SELECT ?1, ?2, ?3, ?4
WHERE EXISTS (SELECT 1 FROM latest_values WHERE endpoint = ?1 AND path = ?2)
   OR (SELECT count(*) FROM latest_values WHERE endpoint = ?1) < ?5
ON CONFLICT (endpoint, path) DO UPDATE SET value = excluded.value, at = excluded.at WHERE excluded.at >= at
"""
_FORGET: Final = "DELETE FROM latest_values WHERE endpoint = ?"


def batch(gone: Iterable[str], reported: Iterable[tuple[str, Iterable[Sample]]]) -> Work:
    """Forget the devices that are gone, then take over what is newer than what is stored."""
    forgotten = [(endpoint,) for endpoint in gone]
    put = [row for endpoint, samples in reported for row in _rows(endpoint, samples)]
    return [(statement, rows) for statement, rows in ((_FORGET, forgotten), (_PUT, put)) if rows]


async def of_device(connection: AsyncConnection, endpoint: str) -> list[Sample]:
    """What is known of one device, by path."""
    rows = await connection.execute(select(table).where(table.c.endpoint == endpoint))
    found = (Sample(Path.parse(row.path), _decode(row.value), row.at) for row in rows)
    return sorted(found, key=lambda one: one.path.ids)


async def endpoints(connection: AsyncConnection) -> set[str]:
    """Everyone of whom something is known."""
    return {row.endpoint for row in await connection.execute(select(table.c.endpoint).distinct())}


def _rows(endpoint: str, samples: Iterable[Sample]) -> Iterator[Row]:
    for sample in samples:
        encoded = _encode(sample.value)
        if len(encoded) <= MAX_VALUE:
            yield endpoint, str(sample.path), encoded, sample.at, MAX_PER_DEVICE


def _encode(value: Value) -> bytes:
    return cbor.encode([value.object, value.instance] if isinstance(value, ObjectLink) else value)


def _decode(data: bytes) -> Value:
    value = cbor.decode(data)
    return ObjectLink(*value) if isinstance(value, list) else value
