"""Images of firmware."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request

from lwm2m_server.api.admin.common import FirmwareService, View, digest
from lwm2m_server.server.firmware.images import MAX_NAME
from lwm2m_server.settings import MAX_IMAGE
from lwm2m_server.store.images import Image

router = APIRouter()

Name = Annotated[str, Query(max_length=MAX_NAME)]


@router.get("/images")
async def list_images(firmware: FirmwareService) -> list[View]:
    """Every image, oldest first."""
    return [image_view(image) for image in await firmware.images.everything()]


@router.post("/images", status_code=HTTPStatus.CREATED, max_body_size=MAX_IMAGE)
async def add_image(firmware: FirmwareService, request: Request, name: Name = "") -> View:
    """Keep the body, whatever it is, as an image; it is written to the disk as it arrives. Answers with its digest."""
    return image_view(await firmware.images.add(request.stream(), name))


@router.get("/images/{image}")
async def show_image(firmware: FirmwareService, image: str) -> View:
    """One image."""
    return image_view(await firmware.images.get(digest(image)))


@router.delete("/images/{image}")
async def remove_image(firmware: FirmwareService, image: str) -> View:
    """Forget an image; 409 while an update needs it or a transfer names it."""
    known = await firmware.images.get(digest(image))
    await firmware.images.remove(known.digest)
    return image_view(known)


def image_view(image: Image) -> View:
    """An image as its operator sees it."""
    return {
        "digest": image.digest.hex(),
        "kind": image.kind.value,
        "name": image.name,
        "bytes": image.size,
        "sequence_number": image.sequence_number,
        "added_at": image.added_at,
    }
