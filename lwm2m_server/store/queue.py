"""What waits for devices, at rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.protocol.orders import Order
from lwm2m_server.protocol.queue import Answer, Entry, EntryState
from lwm2m_server.store.queue_tables import queue_entries as table
from secure_coap.numbers.codes import Code

_OPEN = table.c.ended_at.is_(None)


async def add(
    connection: AsyncConnection, endpoint: str, order: Order, *, priority: int, now: float, expires_at: float
) -> Entry:
    """Store a new entry; its number is higher than that of every earlier one."""
    values = {
        "endpoint": endpoint,
        "operation": order.to_json(),
        "priority": priority,
        "created_at": now,
        "expires_at": expires_at,
        "state": EntryState.WAITING,
        "attempts": 0,
    }
    number = (await connection.execute(insert(table).values(**values))).inserted_primary_key
    assert number is not None, "SQLite numbers the rows"
    return Entry(int(number[0]), order, priority, now, expires_at)


async def put(connection: AsyncConnection, entries: Iterable[Entry]) -> bool:
    """Store how far open entries are; False when one of them has ended meanwhile and stays as it is."""
    changed = [
        await connection.execute(update(table).where(table.c.id == entry.id, _OPEN).values(**_changed(entry)))
        for entry in entries
    ]
    return all(result.rowcount == 1 for result in changed)


async def end(connection: AsyncConnection, endpoint: str, now: float) -> None:
    """Take back whatever waits for a device that has left."""
    ended = {"state": EntryState.CANCELLED, "ended_at": now}
    await connection.execute(update(table).where(table.c.endpoint == endpoint, _OPEN).values(**ended))


async def get(connection: AsyncConnection, endpoint: str, number: int) -> Entry | None:
    """One entry of a device's."""
    found = await _select(connection, and_(table.c.endpoint == endpoint, table.c.id == number), 1)
    return found[0] if found else None


async def open_entries(connection: AsyncConnection, endpoint: str) -> list[Entry]:
    """What has no outcome yet."""
    return await _select(connection, and_(table.c.endpoint == endpoint, _OPEN), None)


async def all_entries(connection: AsyncConnection, endpoint: str, limit: int) -> list[Entry]:
    """Open ones and ended ones, the newest first, at most `limit`."""
    return await _select(connection, table.c.endpoint == endpoint, limit, newest_first=True)


async def endpoints(connection: AsyncConnection) -> set[str]:
    """Devices for which something waits or is in flight."""
    return set((await connection.execute(select(table.c.endpoint).distinct().where(_OPEN))).scalars())


async def endpoints_in_flight(connection: AsyncConnection) -> set[str]:
    """Devices with an entry that was in flight when it was last stored."""
    where = and_(_OPEN, table.c.state == EntryState.IN_FLIGHT)
    return set((await connection.execute(select(table.c.endpoint).distinct().where(where))).scalars())


async def endpoints_expiring(connection: AsyncConnection, now: float) -> set[str]:
    """Devices with an open entry whose time is over."""
    where = and_(_OPEN, table.c.expires_at <= now)
    return set((await connection.execute(select(table.c.endpoint).distinct().where(where))).scalars())


async def forget(connection: AsyncConnection, before: float) -> int:
    """Delete what ended before that moment; returns how many entries that were."""
    return (await connection.execute(delete(table).where(table.c.ended_at < before))).rowcount


def _changed(entry: Entry) -> dict[str, Any]:
    answer = entry.answer
    return {
        "state": entry.state,
        "attempts": entry.attempts,
        "ended_at": entry.ended_at,
        "code": None if answer is None or answer.code is None else int(answer.code),
        "detail": None if answer is None else answer.detail,
        "answer": None if answer is None else answer.content,
    }


async def _select(
    connection: AsyncConnection, where: ColumnElement[bool], limit: int | None, *, newest_first: bool = False
) -> list[Entry]:
    order = table.c.id.desc() if newest_first else table.c.id
    rows = await connection.execute(select(table).where(where).order_by(order).limit(limit))
    return [_entry(row) for row in rows]


def _entry(row: Any) -> Entry:
    return Entry(
        id=row.id,
        order=Order.from_json(row.operation),
        priority=row.priority,
        created_at=row.created_at,
        expires_at=row.expires_at,
        state=EntryState(row.state),
        attempts=row.attempts,
        ended_at=row.ended_at,
        answer=None if row.detail is None else Answer(_code(row.code), row.detail, row.answer),
    )


def _code(number: int | None) -> Code | None:
    return None if number is None else Code(number)
