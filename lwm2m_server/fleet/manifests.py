"""Signed SUIT manifests as firmware of this provider's devices: pushed to object 5, one kind of image among others."""

from __future__ import annotations

from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.protocol.firmware import FIRMWARE, Method, Order
from lwm2m_server.store import firmware as store
from lwm2m_server.store import images
from lwm2m_server.store.images import Image, Kind
from objects.path import Path

LIFETIME: Final = 365 * 86_400.0
"""Seconds an order for a manifest stands: devices may come back late from a transfer."""


async def manifest_of(connection: AsyncConnection, digest: bytes) -> Image | None:
    """The manifest with that digest; None when there is none, or the image is no manifest."""
    image = await images.get(connection, digest)
    return image if image is not None and image.kind is Kind.SUIT else None


async def order_manifest(
    connection: AsyncConnection, endpoint: str, digest: bytes, *, install: bool, now: float, again: bool = False
) -> None:
    """Order a push unless the same one is ordered or done already; with `again` one that is done is repeated."""
    order = Order(endpoint, Path(FIRMWARE.id, 0), digest, Method.PUSH, install)
    await store.order(connection, [order], now=now, expires_at=now + LIFETIME, again=again)
