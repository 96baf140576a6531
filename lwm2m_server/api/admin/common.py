"""What the routes of the admin API share."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Depends, Path, Query, Request

from lwm2m_server.fleet.errors import Rejected, Unknown
from lwm2m_server.fleet.manifest_registry import ManifestRegistry
from lwm2m_server.fleet.provider import ServiceProvider
from lwm2m_server.server.firmware.service import Firmware
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.store import groups

MAX_UPLOAD: Final = 8 * 1024 * 1024
"""Bytes of the largest file an operator uploads."""


def _server(request: Request) -> Lwm2mServer:
    server = request.app.state.server
    assert isinstance(server, Lwm2mServer)
    return server


def _firmware(request: Request) -> Firmware:
    firmware = request.app.state.firmware
    assert isinstance(firmware, Firmware)
    return firmware


def _manifests(request: Request) -> ManifestRegistry:
    manifests = request.app.state.manifests
    assert isinstance(manifests, ManifestRegistry)
    return manifests


def _provider(request: Request) -> ServiceProvider:
    provider = request.app.state.provider
    assert isinstance(provider, ServiceProvider)
    return provider


def _maybe_provider(request: Request) -> ServiceProvider | None:
    provider: ServiceProvider | None = request.app.state.provider
    return provider


MAX_PAGE: Final = 10_000
"""Devices in one answer."""
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
"""A row's number in the store, in the path of a route."""
PageSize = Annotated[int, Query(ge=1, le=MAX_PAGE)]

Server = Annotated[Lwm2mServer, Depends(_server)]
FirmwareService = Annotated[Firmware, Depends(_firmware)]
Manifests = Annotated[ManifestRegistry, Depends(_manifests)]
Provider = Annotated[ServiceProvider, Depends(_provider)]
MaybeProvider = Annotated[ServiceProvider | None, Depends(_maybe_provider)]


def check_group_name(name: str) -> None:
    """Raise `Rejected` for what is no name of a group."""
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise Rejected("a group's name has 1 to 64 printable characters")


View = dict[str, Any]


async def targets(request: Request, endpoints: list[str] | None, group: str | None) -> list[str]:
    """The devices an order is for: those named, or those of a group; of a provider's only the ones it owns."""
    provider: ServiceProvider | None = request.app.state.provider
    if provider is not None:
        return await provider.inventory.owned(endpoints, group)
    if endpoints is not None:
        return endpoints
    server: Lwm2mServer = request.app.state.server
    async with server.database.reading() as connection:
        members = await groups.members(connection, group or "")
    if not members:
        raise Unknown(f"a device in group {group!r}")
    return list(members)


def hex_value(text: str, name: str) -> bytes:
    """A value of any size written in hex."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Rejected(f"{name} is written in hex digits") from None


def hex_bytes(text: str, size: int, name: str) -> bytes:
    """A value of `size` bytes written in hex."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != size:
        raise Rejected(f"{name} has {2 * size} hex digits")
    return value


def transfer_id(cti: str) -> bytes:
    """A transfer id of a path."""
    return hex_bytes(cti, 16, "a transfer id")


def digest(text: str) -> bytes:
    """A manifest's SHA-256 digest."""
    return hex_bytes(text, 32, "a digest")
