"""Devices and groups at rest."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.store.tables import devices, groups


@dataclass(frozen=True, slots=True)
class Device:
    """A device of this provider's: added by its operator, or received from a partner."""

    endpoint: str
    fingerprint: bytes
    """SHA-256 of the factory certificate's DER."""
    certificate: bytes
    """The factory certificate's DER."""
    group_name: str | None
    label: str
    """UUID of the label at the CA under which it may enroll."""
    ca_uri: str | None
    owned: bool
    sequence: int | None
    """Resource 33001/6 as last read: the device's epoch and burned sequence number."""
    reenroll_after: int | None
    """Seconds since 1970: it fell back then, and has not logged in with a newer certificate yet."""


async def add_group(connection: AsyncConnection, name: str) -> None:
    """Create a group; one that exists stays as it is."""
    await connection.execute(insert(groups).values(name=name).on_conflict_do_nothing())


async def group_names(connection: AsyncConnection) -> list[str]:
    """All groups, by name."""
    return [row.name for row in await connection.execute(select(groups).order_by(groups.c.name))]


async def put_device(connection: AsyncConnection, device: Device) -> None:
    """Store a device, or replace what is known of it."""
    values = asdict(device)
    changed = {name: value for name, value in values.items() if name != "endpoint"}
    statement = insert(devices).values(**values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["endpoint"], set_=changed))


async def change_device(connection: AsyncConnection, endpoint: str, **changes: Any) -> None:
    """Set some columns of a device."""
    await connection.execute(update(devices).where(devices.c.endpoint == endpoint).values(**changes))


async def device(connection: AsyncConnection, endpoint: str) -> Device | None:
    """One device by its endpoint name."""
    row = (await connection.execute(select(devices).where(devices.c.endpoint == endpoint))).one_or_none()
    return None if row is None else Device(**row._mapping)


async def all_devices(connection: AsyncConnection, group: str | None = None) -> list[Device]:
    """The devices of a group, or all, by endpoint."""
    statement = select(devices).order_by(devices.c.endpoint)
    if group is not None:
        statement = statement.where(devices.c.group_name == group)
    return [Device(**row._mapping) for row in await connection.execute(statement)]


async def fingerprints(connection: AsyncConnection, endpoints: Collection[str]) -> dict[str, bytes]:
    """Factory certificate fingerprints of those of `endpoints` that are known."""
    statement = select(devices.c.endpoint, devices.c.fingerprint).where(devices.c.endpoint.in_(endpoints))
    return {row.endpoint: row.fingerprint for row in await connection.execute(statement)}
