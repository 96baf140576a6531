"""Firmware updates, at rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.protocol.firmware import ENDED, Failure, Method, Order, Phase, Push, Update, Way
from lwm2m_server.store import images
from lwm2m_server.store.firmware_tables import firmware_updates as table
from objects.firmware import PullProtocol, Severity
from objects.path import Path

_OPEN = table.c.phase.not_in(tuple(ENDED))


async def order(
    connection: AsyncConnection, orders: Sequence[Order], *, now: float, expires_at: float, again: bool = False
) -> list[Update]:
    """Store the components of one update, which are installed together; their images must be known.

    Nothing when the same is ordered already or was done; with `again`, what was done is done again.
    """
    if all([await _stands(connection, one, again=again) for one in orders]):
        return []
    added: list[Update] = []
    for one in orders:
        image = await images.get(connection, one.digest)
        assert image is not None, "an update is of an image that is stored"
        made = Update(0, one, 0, expires_at=expires_at, since=now, size=image.size, progress_at=now)
        key = (await connection.execute(insert(table).values(**_row(made)))).inserted_primary_key
        assert key is not None, "SQLite numbers the rows"
        added.append(replace(made, id=int(key[0])))
    batch = added[0].id
    numbers = [one.id for one in added]
    await connection.execute(update(table).where(table.c.id.in_(numbers)).values(batch=batch))
    return [replace(one, batch=batch) for one in added]


async def _stands(connection: AsyncConnection, order: Order, *, again: bool) -> bool:
    counted = set(Phase) - {Phase.FAILED, Phase.CANCELLED} - ({Phase.INSTALLED, Phase.KEPT} if again else set())
    same = and_(
        table.c.endpoint == order.endpoint,
        table.c.object == order.component.object,
        table.c.instance == order.component.instance,
        table.c.digest == order.digest,
        table.c.install == order.install,
        table.c.phase.in_(counted),
    )
    return (await connection.execute(select(table.c.id).where(same))).first() is not None


async def put(connection: AsyncConnection, updates: Iterable[Update]) -> None:
    """Store how far updates are."""
    for one in updates:
        await connection.execute(update(table).where(table.c.id == one.id).values(**_row(one)))


async def get(connection: AsyncConnection, number: int) -> Update | None:
    """One update."""
    found = await _select(connection, table.c.id == number)
    return found[0] if found else None


async def open_updates(connection: AsyncConnection, endpoint: str | None = None) -> list[Update]:
    """What is still to be done, for a device or for all, in the order it was ordered."""
    return await _select(connection, _OPEN if endpoint is None else and_(table.c.endpoint == endpoint, _OPEN))


async def batch(connection: AsyncConnection, number: int) -> list[Update]:
    """The components of one update."""
    return await _select(connection, table.c.batch == number)


async def updates(
    connection: AsyncConnection, *, endpoint: str | None = None, digest: bytes | None = None
) -> list[Update]:
    """All updates, or those of a device, or with an image; oldest first."""
    conditions = [table.c.id > 0]
    conditions += [] if endpoint is None else [table.c.endpoint == endpoint]
    conditions += [] if digest is None else [table.c.digest == digest]
    return await _select(connection, and_(*conditions))


async def endpoints(connection: AsyncConnection) -> set[str]:
    """Devices with an open update."""
    return set((await connection.execute(select(table.c.endpoint).distinct().where(_OPEN))).scalars())


async def uses(connection: AsyncConnection, digest: bytes) -> bool:
    """Whether an open update needs the image."""
    return (await connection.execute(select(table.c.id).where(table.c.digest == digest, _OPEN))).first() is not None


async def end(connection: AsyncConnection, endpoint: str, now: float) -> None:
    """Give up whatever is still to be done for a device that has left."""
    ended = {"phase": Phase.FAILED, "failure": Failure.GONE, "since": now, "token": None}
    await connection.execute(update(table).where(table.c.endpoint == endpoint, _OPEN).values(**ended))


async def forget(connection: AsyncConnection, before: float) -> int:
    """Delete what ended before that moment; returns how many that were."""
    old = and_(table.c.phase.in_(tuple(ENDED)), table.c.since < before)
    return (await connection.execute(delete(table).where(old))).rowcount


def _row(one: Update) -> dict[str, Any]:
    order = one.order
    return {
        "endpoint": order.endpoint,
        "object": order.component.object,
        "instance": order.component.instance,
        "digest": order.digest,
        "method": order.method,
        "install": order.install,
        "severity": order.severity,
        "deferrable": order.deferrable,
        "batch": one.batch,
        "expires_at": one.expires_at,
        "phase": one.phase,
        "since": one.since,
        "size": one.size,
        "left_out": json.dumps(one.left_out),
        "saved": one.saved,
        "whole": one.whole,
        "transferred": one.transferred,
        "progress_at": one.progress_at,
        "attempt": one.attempt,
        "way": None if one.way is None else one.way.name,
        "result": one.result,
        "failure": one.failure,
        "detail": one.detail,
        "token": one.token,
    }


async def _select(connection: AsyncConnection, where: ColumnElement[bool]) -> list[Update]:
    return [_update(row) for row in await connection.execute(select(table).where(where).order_by(table.c.id))]


def _update(row: Any) -> Update:
    order = Order(
        row.endpoint,
        Path(row.object, row.instance),
        row.digest,
        Method(row.method),
        row.install,
        None if row.severity is None else Severity(row.severity),
        row.deferrable,
    )
    return Update(
        id=row.id,
        order=order,
        batch=row.batch,
        expires_at=row.expires_at,
        since=row.since,
        phase=Phase(row.phase),
        size=row.size,
        left_out=tuple(json.loads(row.left_out)),
        saved=row.saved,
        whole=row.whole,
        transferred=row.transferred,
        progress_at=row.progress_at,
        attempt=row.attempt,
        way=_way(row.way),
        result=row.result,
        failure=None if row.failure is None else Failure(row.failure),
        detail=row.detail,
        token=row.token,
    )


def _way(name: str | None) -> Way | None:
    if name is None:
        return None
    return Push.PUSH if name == Push.PUSH.name else PullProtocol[name]
