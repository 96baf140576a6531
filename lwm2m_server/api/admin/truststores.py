"""New anchors for the devices of a group: what a CA that is renewed or replaced needs before it is."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from cryptography import x509
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from device_pki.certificates import CertificateError, load_certificate
from device_pki.fingerprints import der
from lwm2m_server.api.admin.common import Provider
from lwm2m_server.fleet.errors import Rejected, Unknown
from lwm2m_server.fleet.provider import ServiceProvider
from lwm2m_server.fleet.truststores import install_anchors
from lwm2m_server.fleet.views import View
from lwm2m_server.server.sessions import DeviceOffline
from lwm2m_server.store import fleet as store

MAX_ANCHORS: Final = 4
"""Certificates in one order."""
MAX_WAIT: Final = 86400.0

router = APIRouter()


class TrustOrder(BaseModel):
    """CA certificates that devices are to believe beside those they have."""

    model_config = ConfigDict(extra="forbid")

    certificates: Annotated[list[str], Field(min_length=1, max_length=MAX_ANCHORS)]
    """DER, in hex."""
    wait: Annotated[float, Field(ge=0, le=MAX_WAIT)] = 0
    """Seconds to wait for devices that are not connected."""


@router.post("/groups/{group}/trust")
async def trust_in_group(provider: Provider, group: str, order: TrustOrder) -> View:
    """Install anchors on every owned device of a group; says of each what came of it. A repetition changes nothing."""
    anchors = [_anchor(text) for text in order.certificates]
    async with provider.database.reading() as connection:
        devices = await store.find_devices(connection, group=group)
    names = [device.endpoint for device in devices if device.book.tenure is not None]
    if not names:
        raise Unknown(f"an owned device in group {group!r}")
    outcomes = await asyncio.gather(
        *(_install(provider, name, anchors, order.wait) for name in names), return_exceptions=True
    )
    outcome = dict(zip(names, outcomes, strict=True))
    return {
        "installed": [name for name, one in outcome.items() if one is True],
        "present": [name for name, one in outcome.items() if one is False],
        "failed": {name: str(one) for name, one in outcome.items() if isinstance(one, BaseException)},
    }


async def _install(provider: ServiceProvider, endpoint: str, anchors: list[bytes], wait: float) -> bool:
    registration = provider.server.registrations.get(endpoint)
    if registration is None:
        raise DeviceOffline("not registered")
    return await install_anchors(provider.server.device(endpoint, wait=wait), registration.links, anchors)


def _anchor(text: str) -> bytes:
    try:
        certificate = load_certificate(bytes.fromhex(text))
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (CertificateError, ValueError, x509.ExtensionNotFound) as error:
        raise Rejected("an anchor is the DER of a CA's certificate, in hex", "anchor") from error
    if not constraints.ca:
        raise Rejected("only a CA's certificate can be an anchor", "anchor")
    return der(certificate)
