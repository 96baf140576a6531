"""The public keys that payloads are encrypted for, at rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.store.suit_tables import agreement_keys as table


class Holder(StrEnum):
    """Who has the private key."""

    DEVICE = "device"
    GROUP = "group"
    """Every device of the group has the same one."""


@dataclass(frozen=True, slots=True)
class AgreementKey:
    """One public key of a device or group. `public_key` is its SubjectPublicKeyInfo."""

    holder_kind: Holder
    holder: str
    kid: bytes
    public_key: bytes
    added_at: int


async def add(connection: AsyncConnection, key: AgreementKey) -> None:
    """Keep a key beside those its holder has; the same one again changes nothing."""
    await connection.execute(insert(table).values(**asdict(key)).on_conflict_do_nothing())


async def remove(connection: AsyncConnection, kind: Holder, holder: str, kid: bytes) -> bool:
    """Forget a key that no payload shall be encrypted for any more; False when there is none."""
    named = and_(table.c.holder_kind == kind, table.c.holder == holder, table.c.kid == kid)
    return (await connection.execute(delete(table).where(named))).rowcount > 0


async def replace(connection: AsyncConnection, kind: Holder, holder: str, keys: Iterable[AgreementKey]) -> None:
    """Keep these keys of a holder, and no others; those it had already stay as they were added."""
    found = list(keys)
    others = and_(table.c.holder_kind == kind, table.c.holder == holder, table.c.kid.not_in([key.kid for key in found]))
    await connection.execute(delete(table).where(others))
    for key in found:
        await add(connection, key)


async def everything(connection: AsyncConnection) -> list[AgreementKey]:
    """All keys, oldest first of each holder."""
    return await _select(connection, table.c.added_at >= 0)


async def recipients(connection: AsyncConnection, *, group: str | None, endpoints: Iterable[str]) -> list[AgreementKey]:
    """The keys of a group and of these devices: all versions, so that a payload opens before and after a change."""
    devices = and_(table.c.holder_kind == Holder.DEVICE, table.c.holder.in_(list(endpoints)))
    if group is None:
        return await _select(connection, devices)
    return await _select(connection, or_(devices, and_(table.c.holder_kind == Holder.GROUP, table.c.holder == group)))


async def _select(connection: AsyncConnection, where: ColumnElement[bool]) -> list[AgreementKey]:
    order = (table.c.holder_kind, table.c.holder, table.c.added_at, table.c.kid)
    return [_key(row) for row in await connection.execute(select(table).where(where).order_by(*order))]


def _key(row: Any) -> AgreementKey:
    return AgreementKey(**{**row._mapping, "holder_kind": Holder(row.holder_kind)})
