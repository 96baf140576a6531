"""Groups of the devices of a plain device-management server."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from lwm2m_server.api.admin.common import Server, check_group_name
from lwm2m_server.fleet.errors import Unknown
from lwm2m_server.server.credentials import MAX_NAME
from lwm2m_server.store import fleet as fleet_store
from lwm2m_server.store import groups as store

router = APIRouter()

View = dict[str, Any]


@router.get("/groups")
async def list_sizes(server: Server) -> list[View]:
    """Groups and how many devices each has."""
    async with server.database.reading() as connection:
        return [{"group": name, "devices": count} for name, count in (await store.sizes(connection)).items()]


@router.put("/groups/{group}")
async def create_group(server: Server, group: str) -> View:
    """Create a group; one that exists stays."""
    check_group_name(group)
    async with server.database.transaction() as connection:
        await fleet_store.add_group(connection, group)
    return {"group": group}


@router.get("/groups/{group}/members")
async def list_members(server: Server, group: str) -> list[View]:
    """The devices of a group."""
    async with server.database.reading() as connection:
        return [{"endpoint": endpoint} for endpoint in await store.members(connection, group)]


@router.put("/groups/{group}/members/{endpoint:path}")
async def join_group(server: Server, group: str, endpoint: str) -> View:
    """Put a device into a group, which is made when it does not exist; it leaves the one it was in."""
    check_group_name(group)
    if len(endpoint) > MAX_NAME:
        raise Unknown("a device of so long a name")
    async with server.database.transaction() as connection:
        await store.join(connection, endpoint, group)
    return {"endpoint": endpoint, "group": group}


@router.delete("/groups/{group}/members/{endpoint:path}")
async def leave_group(server: Server, group: str, endpoint: str) -> View:
    """Take a device out of a group."""
    async with server.database.transaction() as connection:
        if not await store.leave(connection, endpoint, group):
            raise Unknown(f"device {endpoint!r} in group {group!r}")
    return {"endpoint": endpoint, "group": None}
