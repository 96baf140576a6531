"""Signed firmware manifests (SUIT): images that this provider's devices verify by its firmware key."""

from __future__ import annotations

from fastapi import APIRouter, Request

from lwm2m_server.api.admin.common import MAX_UPLOAD, Provider, View
from lwm2m_server.api.admin.images import image_view
from lwm2m_server.api.body import bounded_body
from lwm2m_server.store.images import Kind

router = APIRouter()


@router.get("/firmware")
async def list_firmware(provider: Provider) -> list[View]:
    """Every manifest that was added."""
    return [image_view(image) for image in await provider.firmware.images.everything(Kind.SUIT)]


@router.post("/firmware")
async def add_firmware(provider: Provider, request: Request) -> View:
    """Add a signed SUIT envelope; it has to be signed by this provider's firmware key."""
    key = provider.keys.firmware.private_key.public_key()
    return image_view(await provider.inventory.add_firmware(await bounded_body(request, MAX_UPLOAD), key))
