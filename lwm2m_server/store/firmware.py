"""Signed firmware manifests and what is to be pushed to which device."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import and_, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.store.tables import firmware, pushes


class PushState(StrEnum):
    """How far a push to one device is."""

    PENDING = "pending"
    INSTALLING = "installing"
    """Execute Update was answered; the outcome is read when the device is back."""
    INSTALLED = "installed"
    KEPT = "kept"
    """Delivered without being installed, as ordered."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Firmware:
    """A signed SUIT envelope under the digest of its manifest."""

    digest: bytes
    envelope: bytes
    sequence_number: int
    added_at: int


@dataclass(frozen=True, slots=True)
class Push:
    """One manifest for one device. `install` False: deliver and keep, do not run."""

    id: int
    endpoint: str
    digest: bytes
    install: bool
    state: PushState
    result: int | None
    """Resource 5/0/5 as read afterwards."""
    changed_at: int


async def add(connection: AsyncConnection, item: Firmware) -> None:
    """Store an envelope; the same digest again changes nothing."""
    await connection.execute(insert(firmware).values(**asdict(item)).on_conflict_do_nothing())


async def get(connection: AsyncConnection, digest: bytes) -> Firmware | None:
    """The envelope with that manifest digest."""
    row = (await connection.execute(select(firmware).where(firmware.c.digest == digest))).one_or_none()
    return None if row is None else Firmware(**row._mapping)


async def all_firmware(connection: AsyncConnection) -> list[Firmware]:
    """Every envelope, oldest first."""
    rows = await connection.execute(select(firmware).order_by(firmware.c.added_at, firmware.c.sequence_number))
    return [Firmware(**row._mapping) for row in rows]


async def order_push(
    connection: AsyncConnection, endpoint: str, digest: bytes, *, install: bool, now: int, again: bool = False
) -> None:
    """Order a push unless the same one is ordered or done already; with `again` one that is done is repeated."""
    same = and_(pushes.c.endpoint == endpoint, pushes.c.digest == digest, pushes.c.install == install)
    ended = (PushState.FAILED, PushState.INSTALLED, PushState.KEPT) if again else (PushState.FAILED,)
    standing = and_(same, pushes.c.state.not_in(ended))
    if (await connection.execute(select(pushes.c.id).where(standing))).first() is None:
        values = {"endpoint": endpoint, "digest": digest, "install": install}
        await connection.execute(insert(pushes).values(**values, state=PushState.PENDING, changed_at=now))


async def open_pushes(connection: AsyncConnection, endpoint: str) -> list[Push]:
    """What is still to be done for a device, in the order it was ordered."""
    open_states = (PushState.PENDING, PushState.INSTALLING)
    return await _select(connection, and_(pushes.c.endpoint == endpoint, pushes.c.state.in_(open_states)))


async def pushes_of(connection: AsyncConnection, digest: bytes | None = None) -> list[Push]:
    """All pushes, or those of one manifest."""
    return await _select(connection, pushes.c.id > 0 if digest is None else pushes.c.digest == digest)


async def set_push(
    connection: AsyncConnection, push_id: int, state: PushState, now: int, result: int | None = None
) -> None:
    """Store how far a push is."""
    values = {"state": state, "result": result, "changed_at": now}
    await connection.execute(update(pushes).where(pushes.c.id == push_id).values(**values))


async def end_pushes(connection: AsyncConnection, endpoint: str, now: int) -> None:
    """Give up whatever is still to be done for a device that has left."""
    waiting = and_(pushes.c.endpoint == endpoint, pushes.c.state.in_((PushState.PENDING, PushState.INSTALLING)))
    await connection.execute(update(pushes).where(waiting).values(state=PushState.FAILED, changed_at=now))


async def _select(connection: AsyncConnection, condition: object) -> list[Push]:
    rows = await connection.execute(select(pushes).where(condition).order_by(pushes.c.id))  # type: ignore[arg-type]
    return [Push(**{**row._mapping, "state": PushState(row.state)}) for row in rows]
