"""Signed firmware manifests and pushing them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from lwm2m_server.api.admin.common import MAX_UPLOAD, Provider, digest
from lwm2m_server.api.body import bounded_body
from lwm2m_server.fleet.errors import Rejected
from lwm2m_server.fleet.views import View
from lwm2m_server.store import firmware as store

router = APIRouter()


class PushOrder(BaseModel):
    """Whom to push to: a group or a device."""

    model_config = ConfigDict(extra="forbid")

    group: str | None = None
    device: str | None = None
    install: bool = True


@router.get("/firmware")
async def list_firmware(provider: Provider) -> list[View]:
    """Every manifest that was added."""
    async with provider.database.reading() as connection:
        return [_view(item) for item in await store.all_firmware(connection)]


@router.post("/firmware")
async def add_firmware(provider: Provider, request: Request) -> View:
    """Add a signed SUIT envelope; it has to be signed by this provider's firmware key."""
    key = provider.keys.firmware.private_key.public_key()
    return _view(await provider.inventory.add_firmware(await bounded_body(request, MAX_UPLOAD), key))


@router.post("/firmware/{manifest}/pushes")
async def push(provider: Provider, manifest: str, order: PushOrder) -> View:
    """Order a push; it is carried out when each device can be reached."""
    if (order.group is None) == (order.device is None):
        raise Rejected("name a group or a device")
    devices = await provider.inventory.push(
        digest(manifest), group=order.group, endpoint=order.device, install=order.install
    )
    for endpoint in devices:
        provider.device_workers.wake(endpoint)
    return {"digest": manifest, "install": order.install, "devices": devices}


@router.get("/firmware/pushes")
async def status(provider: Provider) -> list[View]:
    """How far every push is."""
    async with provider.database.reading() as connection:
        pushes = await store.pushes_of(connection)
    return [
        {
            "endpoint": push.endpoint,
            "digest": push.digest.hex(),
            "install": push.install,
            "state": push.state.value,
            "result": push.result,
        }
        for push in pushes
    ]


def _view(item: store.Firmware) -> View:
    return {"digest": item.digest.hex(), "sequence_number": item.sequence_number, "bytes": len(item.envelope)}
