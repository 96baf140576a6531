"""Anchors in the truststores of devices: object 33002, resource 6."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lwm2m_server.fleet.definitions import ENROLLMENT
from lwm2m_server.protocol.object_links import links_of
from lwm2m_server.server.device import Device
from objects.path import MAX_ID

_ANCHORS: Final = ENROLLMENT["Trust Anchors"]


def account_instance(links: str) -> int:
    """The instance of object 33002 that is this provider's CA: the lowest the device lists."""
    return min(links_of(links).instances_of(ENROLLMENT.id), default=0)


async def install_anchors(device: Device, links: str, anchors: Sequence[bytes]) -> bool:
    """Write the certificates (DER) a device lacks beside those it has; True when there were any.

    Raises like `Device`.
    """
    if not anchors:
        return False
    instance = account_instance(links)
    present = await device.read_values(_ANCHORS, instance)
    missing = [der for der in anchors if der not in present.values()]
    free = (number for number in range(MAX_ID) if number not in present)
    if missing:
        await device.update(ENROLLMENT.path(instance), {_ANCHORS.id: dict(zip(free, missing, strict=False))})
    return bool(missing)
