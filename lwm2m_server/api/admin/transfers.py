"""Transfers: the operator's orders and what became of them."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from lwm2m_server.api.admin.common import Provider, digest, transfer_id
from lwm2m_server.fleet.device_lists import Plan, Window
from lwm2m_server.fleet.evidence import evidence_archive
from lwm2m_server.fleet.factory_certificates import Carriage
from lwm2m_server.fleet.profiles import Profile
from lwm2m_server.fleet.views import View, transfer_summary, transfer_view
from lwm2m_server.store import transfers as store
from trust_transfer.messages.numbers import Form

router = APIRouter()


class WindowModel(BaseModel):
    """Seconds since 1970."""

    model_config = ConfigDict(extra="forbid")

    earliest: int = Field(ge=0)
    latest: int = Field(ge=0)

    @property
    def window(self) -> Window:
        """As the fleet's own value."""
        return Window(self.earliest, self.latest)


class PlanModel(BaseModel):
    """What `transfer prepare` orders."""

    model_config = ConfigDict(extra="forbid")

    group: str
    partner: str
    agreed_state: str
    window: WindowModel
    endorsed: bool = True
    certificates: Carriage = Carriage.X509
    device_windows: dict[str, WindowModel] = Field(default_factory=dict)


class Acceptance(BaseModel):
    """What `transfer accept` orders."""

    model_config = ConfigDict(extra="forbid")

    update_first: str | None = None
    profile: Profile = Profile.DTLS


class Devices(BaseModel):
    """Whom an order concerns; None: every device of the transfer."""

    model_config = ConfigDict(extra="forbid")

    devices: list[str] | None = None


@router.get("/transfers")
async def list_transfers(provider: Provider) -> list[View]:
    """Every transfer, without its devices."""
    async with provider.database.reading() as connection:
        return [await transfer_summary(connection, one) for one in await store.all_transfers(connection)]


@router.post("/transfers")
async def prepare(provider: Provider, plan: PlanModel) -> View:
    """Prepare a transfer; the same plan again names the same transfer."""
    cti = await provider.device_lists.prepare(
        Plan(
            group=plan.group,
            partner=plan.partner,
            agreed_state=digest(plan.agreed_state),
            window=plan.window.window,
            form=Form.ENDORSED if plan.endorsed else Form.PLAIN,
            carriage=plan.certificates,
            device_windows={name: model.window for name, model in plan.device_windows.items()},
        )
    )
    return {"transfer": cti.hex()}


@router.get("/transfers/{cti}")
async def status(provider: Provider, cti: str) -> View:
    """One transfer with every device."""
    async with provider.database.reading() as connection:
        return await transfer_view(
            connection, transfer_id(cti), provider.clock.seconds(), permanent_anchor=provider.permanent_anchor
        )


@router.post("/transfers/{cti}/accept")
async def accept(provider: Provider, cti: str, order: Acceptance) -> View:
    """Accept a transfer a partner has announced."""
    first = None if order.update_first is None else digest(order.update_first)
    await provider.acceptance.accept(transfer_id(cti), update_first=first, profile=order.profile)
    return {"transfer": cti}


@router.post("/transfers/{cti}/offer")
async def offer(provider: Provider, cti: str) -> View:
    """Offer the transfer to its devices."""
    offered = await provider.offers.offer(transfer_id(cti))
    return {"transfer": cti, "seqs": dict(offered.seqs), "skipped": dict(offered.skipped)}


@router.post("/transfers/{cti}/start")
async def start(provider: Provider, cti: str, order: Devices) -> View:
    """Have devices start inside their window without waiting for the jitter."""
    return {"transfer": cti, "devices": await provider.offers.start(transfer_id(cti), order.devices)}


@router.post("/transfers/{cti}/cancel")
async def cancel(provider: Provider, cti: str, order: Devices) -> View:
    """Take open offers back."""
    return {"transfer": cti, "devices": await provider.offers.cancel(transfer_id(cti), order.devices)}


@router.get("/transfers/{cti}/evidence")
async def evidence(provider: Provider, cti: str) -> Response:
    """Every message of a transfer this provider holds, as a tar archive."""
    archive = await evidence_archive(provider, transfer_id(cti))
    return Response(archive, media_type="application/x-tar")
