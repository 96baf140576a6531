"""Devices and groups."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from device_pki.identity import PeerIdentity
from device_pki.roles import Role
from lwm2m_server.api.admin.common import MAX_UPLOAD, Provider, check_group_name
from lwm2m_server.api.body import bounded_body
from lwm2m_server.fleet.errors import NotReady, Rejected, Unknown
from lwm2m_server.fleet.provider import ServiceProvider
from lwm2m_server.fleet.views import View, device_view
from lwm2m_server.protocol.trees import flat
from lwm2m_server.server.device import Device
from lwm2m_server.store import fleet as store
from objects.formats.text import decode as decode_text
from objects.model import MODEL
from objects.path import Path
from objects.values import ObjectLink, Value

router = APIRouter()

MAX_WAIT: Final = 120.0
_TRANSFER_OBJECTS: Final = frozenset(MODEL[name].id for name in ("Trust Transfer", "Enrollment", "Fallback"))


class Operation(BaseModel):
    """One device management operation. `wait`: seconds to wait for a device that is not connected."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(max_length=32)
    value: str | None = Field(default=None, max_length=2 * MAX_UPLOAD)
    hex: bool = False
    arguments: list[str] = Field(default_factory=list, max_length=10)
    wait: float = Field(default=0, ge=0, le=MAX_WAIT)


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
    """Take the factory certificates of an x5bag into the fleet."""
    await add_group(provider, group)
    added = await provider.inventory.add_devices(await bounded_body(request, MAX_UPLOAD), group)
    return {"ca_uri": added.ca_uri, "group": group, "devices": list(added.endpoints)}


@router.post("/groups/{group}/execute")
async def execute_in_group(provider: Provider, group: str, operation: Operation) -> View:
    """Execute a resource on every owned device of a group at once; says of each what came of it."""
    async with provider.database.reading() as connection:
        devices = await store.find_devices(connection, group=group)
    names = [device.endpoint for device in devices if device.book.tenure is not None]
    if not names:
        raise Unknown(f"an owned device in group {group!r}")
    outcomes = await asyncio.gather(*(execute(provider, name, operation) for name in names), return_exceptions=True)
    failed = {name: str(one) for name, one in zip(names, outcomes, strict=True) if isinstance(one, BaseException)}
    return {"executed": [name for name in names if name not in failed], "failed": failed}


@router.get("/devices")
async def list_devices(provider: Provider, group: str | None = Query(default=None)) -> list[View]:
    """All devices, or those of a group."""
    async with provider.database.reading() as connection:
        devices = await store.find_devices(connection, group=group)
    return [_view(provider, device) for device in devices]


@router.get("/devices/{endpoint}")
async def show_device(provider: Provider, endpoint: str) -> View:
    """One device with what it lists."""
    async with provider.database.reading() as connection:
        device = await store.device(connection, endpoint)
    if device is None:
        raise Unknown(f"device {endpoint!r}")
    registration = provider.server.registrations.get(endpoint)
    return _view(provider, device) | (
        {} if registration is None else {"links": registration.links, "version": registration.version}
    )


@router.post("/devices/{endpoint}/read")
async def read(provider: Provider, endpoint: str, operation: Operation) -> View:
    """Read whatever is at a path; opaque values are answered in hex."""
    path = Path.parse(operation.path)
    tree = await (await _device(provider, endpoint, operation)).read(path)
    return {"values": {str(where): _plain(value) for where, value in flat(path, tree).items()}}


@router.post("/devices/{endpoint}/write")
async def write(provider: Provider, endpoint: str, operation: Operation) -> View:
    """Write one resource; the text is read as its definition says, opaque values in hex."""
    path = Path.parse(operation.path)
    definition = MODEL.resource(path)
    if definition is None or path.instance is None or path.resource_instance is not None:
        raise Rejected("write a single resource that has a definition: /object/instance/resource")
    text = operation.value or ""
    value = bytes.fromhex(text) if operation.hex else decode_text(text.encode(), definition.type)
    await (await _device(provider, endpoint, operation)).write(path, value)
    return {"written": str(path)}


@router.post("/devices/{endpoint}/execute")
async def execute(provider: Provider, endpoint: str, operation: Operation) -> View:
    """Execute a resource."""
    path = Path.parse(operation.path)
    await (await _device(provider, endpoint, operation)).execute(path, *operation.arguments)
    return {"executed": str(path)}


@router.post("/devices/{endpoint}/discover")
async def discover(provider: Provider, endpoint: str, operation: Operation) -> View:
    """What is at a path."""
    links = await (await _device(provider, endpoint, operation)).discover(Path.parse(operation.path))
    return {"links": [{"target": str(found.path), **found.attributes.link()} for found in links]}


async def _device(provider: Provider, endpoint: str, operation: Operation) -> Device:
    """Only a device this provider owns takes its operator's commands (rule 12).

    One that has come back with its factory certificate takes those of the transfer only (registry.md, "Logging in").
    """
    known = await provider.books.get(endpoint)
    if known is None or known.book.tenure is None:
        raise Unknown(f"an owned device {endpoint!r}")
    await provider.server.sessions.appear(endpoint, operation.wait)
    session = provider.server.sessions.session(endpoint)
    peer = None if session is None else session.peer
    factory = isinstance(peer, PeerIdentity) and peer.role is Role.FACTORY_DEVICE
    if factory and Path.parse(operation.path).object not in _TRANSFER_OBJECTS:
        raise NotReady(f"{endpoint} has logged in with its factory certificate; wait until it has enrolled again")
    return provider.server.device(endpoint, wait=operation.wait)


def _view(provider: ServiceProvider, device: store.Device) -> View:
    registration = provider.server.registrations.get(device.endpoint)
    online = provider.server.sessions.is_online(device.endpoint)
    return device_view(device, registration, online=online, now=provider.clock.seconds())


def _plain(value: Value) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, ObjectLink) else value
