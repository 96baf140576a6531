"""Devices and groups."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from lwm2m_server.api.admin.access import Reach
from lwm2m_server.api.admin.common import MAX_PAGE, MAX_UPLOAD, PageSize, Provider, check_group_name
from lwm2m_server.api.admin.firmware import report_view
from lwm2m_server.api.admin.operations import ExecuteOrder, execute
from lwm2m_server.api.body import bounded_body
from lwm2m_server.fleet.errors import Unknown
from lwm2m_server.fleet.provider import ServiceProvider
from lwm2m_server.fleet.views import View, device_view
from lwm2m_server.store import fleet as store
from lwm2m_server.store import suit as suit_store

router = APIRouter()


@router.get("/groups")
async def list_groups(provider: Provider) -> list[View]:
    """Groups and how many devices each has."""
    async with provider.database.reading() as connection:
        devices = await store.find_devices(connection)
        names = await store.group_names(connection)
    return [{"group": name, "devices": sum(device.group_name == name for device in devices)} for name in names]


@router.put("/groups/{group}")
async def add_group(provider: Provider, group: str) -> View:
    """Create a group; one that exists stays."""
    check_group_name(group)
    async with provider.database.transaction() as connection:
        await store.add_group(connection, group)
    return {"group": group}


@router.post("/groups/{group}/devices")
async def add_devices(provider: Provider, group: str, request: Request) -> View:
    """Take the factory certificates of an x5bag or c5b into the fleet."""
    await add_group(provider, group)
    added = await provider.inventory.add_devices(await bounded_body(request, MAX_UPLOAD), group)
    uris = {"ca_uri": added.place.dtls_uri, "compact_ca_uri": added.place.compact_uri}
    return {**uris, "group": group, "devices": list(added.endpoints)}


@router.post("/groups/{group}/execute")
async def execute_in_group(provider: Provider, reach: Reach, group: str, order: ExecuteOrder) -> View:
    """Execute a resource on every owned device of a group at once; says of each what came of it."""
    async with provider.database.reading() as connection:
        devices = await store.find_devices(connection, group=group)
    names = [device.endpoint for device in devices if device.book.tenure is not None]
    if not names:
        raise Unknown(f"an owned device in group {group!r}")
    outcomes = await asyncio.gather(*(execute(reach, name, order) for name in names), return_exceptions=True)
    failed = {name: str(one) for name, one in zip(names, outcomes, strict=True) if isinstance(one, BaseException)}
    return {"executed": [name for name in names if name not in failed], "failed": failed}


@router.get("/devices")
async def list_devices(
    provider: Provider, after: str = "", limit: PageSize = MAX_PAGE, group: str | None = None
) -> list[View]:
    """All devices, or those of a group, by endpoint name: at most `limit`, after the name `after`."""
    async with provider.database.reading() as connection:
        found = await store.find_devices(connection, group=group)
    devices = [device for device in found if device.endpoint > after][:limit]
    return [_view(provider, device) for device in devices]


@router.get("/devices/{endpoint}")
async def show_device(provider: Provider, endpoint: str) -> View:
    """One device with what it lists, and the SUIT report it has signed last."""
    async with provider.database.reading() as connection:
        device = await store.device(connection, endpoint)
        report = await suit_store.last_report(connection, endpoint)
    if device is None:
        raise Unknown(f"device {endpoint!r}")
    registration = provider.server.registrations.get(endpoint)
    listed = {} if registration is None else {"links": registration.links, "version": registration.version}
    return _view(provider, device) | listed | {"report": None if report is None else report_view(report)}


def _view(provider: ServiceProvider, device: store.Device) -> View:
    registration = provider.server.registrations.get(device.endpoint)
    online = provider.server.sessions.is_online(device.endpoint)
    return device_view(device, registration, online=online, now=provider.clock.seconds())
