"""Registered devices, as they describe themselves."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from fastapi import APIRouter

from lwm2m_server.api.admin.common import MAX_PAGE, PageSize, Server
from lwm2m_server.api.admin.firmware import report_view
from lwm2m_server.fleet.errors import Unknown
from lwm2m_server.protocol.object_links import links_of
from lwm2m_server.protocol.registrations import Registration
from lwm2m_server.store import groups
from lwm2m_server.store import suit as suit_store

router = APIRouter()

View = dict[str, Any]


@router.get("/devices")
async def list_registered(
    server: Server, after: str = "", limit: PageSize = MAX_PAGE, group: str | None = None
) -> list[View]:
    """Registered devices, all or those of a group, by endpoint name: at most `limit`, after the name `after`."""
    if group is None:
        candidates: Iterable[Registration] = server.registrations
    else:
        async with server.database.reading() as connection:
            members = await groups.members(connection, group)
        candidates = (one for name in members if (one := server.registrations.get(name)) is not None)
    later = (one for one in candidates if one.endpoint > after)
    found = heapq.nsmallest(limit, later, key=attrgetter("endpoint"))
    return [_view(one, online=server.sessions.is_online(one.endpoint)) for one in found]


@router.get("/devices/{endpoint:path}")
async def show_registered(server: Server, endpoint: str) -> View:
    """One registered device with what it lists, and the SUIT report it has signed last."""
    found = server.registrations.get(endpoint)
    if found is None:
        raise Unknown(f"a registered device {endpoint!r}")
    links = links_of(found.links)
    objects = [
        {"object": number, "version": version, "instances": list(links.instances_of(number))}
        for number, version in sorted(links.versions.items())
    ]
    async with server.database.reading() as connection:
        report = await suit_store.last_report(connection, endpoint)
    more = {"objects": objects, "links": found.links, "report": None if report is None else report_view(report)}
    return _view(found, online=server.sessions.is_online(endpoint)) | more


def _view(one: Registration, *, online: bool) -> View:
    host, port = one.remote
    return {
        "endpoint": one.endpoint,
        "online": online,
        "version": one.version,
        "binding": one.binding,
        "queue_mode": one.queue_mode,
        "transport": one.transport.value,
        "address": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "identity": one.owner or None,
        "lifetime": one.lifetime,
        "registered_at": int(one.registered_at),
        "updated_at": int(one.updated_at),
        "expires_at": int(one.expires_at),
    }
