"""Bringing images to devices, and how far each update is."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from lwm2m_server.api.admin.common import FirmwareService, Number, Server, View, digest, targets
from lwm2m_server.fleet.errors import Rejected
from lwm2m_server.protocol.firmware import Method, Order, Push, Update
from lwm2m_server.server.firmware.service import LIFETIME, OBJECT_5, Firmware
from lwm2m_server.store import suit as suit_store
from lwm2m_server.store.suit import StoredReport
from objects.firmware import Severity, UpdateResult
from objects.path import Path
from suit.numbers import ReportReason

router = APIRouter()


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    group: str | None = Field(default=None, max_length=64)
    device: str | None = Field(default=None, max_length=255)
    devices: list[str] = Field(default_factory=list, max_length=10_000)
    install: bool = True
    method: Method = Method.AUTO
    severity: Severity | None = None
    deferrable: int | None = Field(default=None, ge=0, le=2**31)
    expires_in: float = Field(default=LIFETIME, gt=0)
    again: bool = False


class PushOrder(_Options):
    """Whom to update with one image: a group, a device, or devices. `component`: /5/0, or an instance of /33629.

    `install` False only delivers it. `method`: auto, push, or pull. `severity` (0 critical, 1 mandatory, 2 optional)
    and `deferrable` (seconds) are told to devices that let their user put an update off. `again` repeats a done one.
    """

    component: str = str(OBJECT_5)


class ComponentsOrder(_Options):
    """Whom to update with several images together: `components` holds the digest of each instance of /33629."""

    components: dict[str, str] = Field(min_length=1, max_length=16)


@router.post("/firmware/{image}/pushes")
async def push(firmware: FirmwareService, request: Request, image: str, order: PushOrder) -> View:
    """Order an update; it is carried out when each device can be reached, some at the same time."""
    return await _order(firmware, request, order, {order.component: image}) | {"digest": image}


@router.post("/firmware/pushes")
async def push_components(firmware: FirmwareService, request: Request, order: ComponentsOrder) -> View:
    """Order an update of several components: all are delivered first, then installed together."""
    return await _order(firmware, request, order, order.components)


@router.get("/firmware/pushes")
async def status(
    server: Server, firmware: FirmwareService, device: str | None = None, image: str | None = None
) -> list[View]:
    """How far every update is, or those of a device, or with an image; and what devices have signed about it."""
    wanted = None if image is None else digest(image)
    async with server.database.reading() as connection:
        reports = {one.update_id: one for one in await suit_store.reports(connection, endpoint=device, digest=wanted)}
    updates = await firmware.updates(endpoint=device, digest=wanted)
    return [_view(firmware, one) | _reported(reports.get(one.id)) for one in updates]


@router.get("/firmware/pushes/{number}")
async def show(server: Server, firmware: FirmwareService, number: Number) -> View:
    """How far one update is, and what the device has signed about it."""
    update = await firmware.update(number)
    async with server.database.reading() as connection:
        report = await suit_store.report(connection, number)
    return _view(firmware, update) | _reported(report)


@router.delete("/firmware/pushes/{number}", status_code=HTTPStatus.ACCEPTED)
async def cancel(firmware: FirmwareService, number: Number) -> list[View]:
    """Take an update back, with the components it is installed with; one that is being installed goes on."""
    return [_view(firmware, one) for one in await firmware.cancel(number)]


async def _order(firmware: Firmware, request: Request, order: _Options, images: dict[str, str]) -> View:
    if sum(one is not None for one in (order.group, order.device, order.devices or None)) != 1:
        raise Rejected("name a group, a device, or devices")
    named = order.devices or (None if order.device is None else [order.device])
    endpoints = await targets(request, named, order.group)
    ordered: list[Update] = []
    for endpoint in endpoints:
        orders = [
            Order(
                endpoint,
                Path.parse(component),
                digest(image),
                order.method,
                order.install,
                order.severity,
                order.deferrable,
            )
            for component, image in images.items()
        ]
        ordered += await firmware.order(orders, expires_in=order.expires_in, again=order.again)
    return {"install": order.install, "devices": endpoints, "updates": [one.id for one in ordered]}


def _reported(report: StoredReport | None) -> View:
    """The SUIT report in a word: success, or the reason of the failure."""
    if report is None:
        return {"report": None}
    return {"report": "success" if report.reason is None else ReportReason(report.reason).name.lower()}


def _view(firmware: Firmware, one: Update) -> View:
    transferred, rate = firmware.progress(one)
    way: Any = None if one.way is None else "push" if isinstance(one.way, Push) else f"pull {one.way.scheme}"
    return {
        "id": one.id,
        "endpoint": one.order.endpoint,
        "component": str(one.order.component),
        "digest": one.order.digest.hex(),
        "install": one.order.install,
        "state": one.phase.value,
        "way": way,
        "bytes": one.size,
        "saved": one.saved,
        "transferred": transferred,
        "percent": 100 * transferred // one.size if one.size else 100,
        "rate": rate,
        "attempt": one.attempt,
        "result": one.result,
        "meaning": None if one.result is None else UpdateResult.text(one.result),
        "failure": None if one.failure is None else one.failure.value,
        "detail": one.detail,
        "since": int(one.since),
        "expires_at": int(one.expires_at),
    }
