"""Signed firmware manifests (SUIT): images that devices verify by the key of an authority they know."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from lwm2m_server.api.admin.common import MAX_UPLOAD, FirmwareService, Manifests, Number, Server, View, digest
from lwm2m_server.api.admin.images import image_view
from lwm2m_server.api.body import bounded_body
from lwm2m_server.fleet.errors import Unknown
from lwm2m_server.fleet.manifest_registry import Registered
from lwm2m_server.store import suit as store
from lwm2m_server.store.images import Kind
from lwm2m_server.store.suit import StoredReport
from suit.numbers import ReportReason

router = APIRouter()


@router.get("/firmware")
async def list_firmware(firmware: FirmwareService) -> list[View]:
    """Every manifest that was added."""
    return [image_view(image) for image in await firmware.images.everything(Kind.SUIT)]


@router.post("/firmware")
async def add_firmware(manifests: Manifests, request: Request) -> View:
    """Add a SUIT envelope signed by the provider's firmware key, or in role dm by one of `firmware_authorities`."""
    return image_view(await manifests.add(await bounded_body(request, MAX_UPLOAD)))


@router.get("/firmware/reports")
async def list_reports(server: Server, device: str | None = None, image: str | None = None) -> list[View]:
    """What devices have signed about the manifests they processed, all of it, or a device's, or about one manifest."""
    wanted = None if image is None else digest(image)
    async with server.database.reading() as connection:
        return [report_view(one) for one in await store.reports(connection, endpoint=device, digest=wanted)]


@router.get("/firmware/reports/{update}")
async def get_report(server: Server, update: Number) -> Response:
    """The signed SUIT report on one update, byte for byte."""
    async with server.database.reading() as connection:
        found = await store.report(connection, update)
    if found is None:
        raise Unknown("a report on this update")
    return Response(found.body, media_type="application/suit-report+cose")


@router.get("/firmware/{manifest}")
async def show_firmware(manifests: Manifests, manifest: str) -> View:
    """One manifest: who signed it, its components and payloads, and what devices reported about it."""
    return _registered_view(await manifests.get(digest(manifest)))


def _registered_view(found: Registered) -> View:
    signed = found.signed
    return {
        **image_view(found.image),
        "signed_by": None if signed is None else {"thumbprint": signed.signer.hex(), "role": signed.signer_role},
        "components": [[part.hex() for part in component] for component in found.manifest.components],
        "payloads": [{"uri": payload.uri, "bytes": payload.size} for payload in found.payloads],
        "severed": [key.name.lower() for key in found.severed],
        "reports": [report_view(report) for report in found.reports],
    }


def report_view(report: StoredReport) -> View:
    """A report as its operator sees it."""
    return {
        "update": report.update_id,
        "endpoint": report.endpoint,
        "digest": report.digest.hex(),
        "success": report.reason is None,
        "reason": None if report.reason is None else ReportReason(report.reason).name.lower(),
        "code": report.code,
        "received_at": report.received_at,
    }
