"""Partner profiles, and this provider's own one for others."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse

from lwm2m_server.api.admin.common import Provider, digest
from lwm2m_server.api.body import bounded_body
from lwm2m_server.fleet.errors import Rejected, Unknown
from lwm2m_server.fleet.partners import MAX_PROFILE, MAX_WINDOW_DAYS, PartnerProfile
from lwm2m_server.fleet.views import View
from lwm2m_server.store import partners as store

router = APIRouter()


@router.get("/partners")
async def list_partners(provider: Provider) -> list[View]:
    """Every partner."""
    async with provider.database.reading() as connection:
        return [_view(profile) for profile in await store.everyone(connection)]


@router.put("/partners")
async def add_partner(provider: Provider, request: Request) -> View:
    """Add or replace a partner by its profile (TOML)."""
    try:
        text = (await bounded_body(request, MAX_PROFILE)).decode()
    except UnicodeDecodeError as error:
        raise Rejected("a profile is UTF-8 text") from error
    profile = PartnerProfile.parse(text)
    if profile.name == provider.settings.name:
        raise Rejected(f"{profile.name} is this provider itself; exchange profiles with the other one")
    await provider.add_partner(profile)
    return _view(profile)


@router.get("/partners/{name}")
async def show_partner(provider: Provider, name: str) -> PlainTextResponse:
    """A partner's profile as it was added."""
    async with provider.database.reading() as connection:
        profile = await store.find(connection, name)
    if profile is None:
        raise Unknown(f"partner {name!r}")
    return PlainTextResponse(profile.render())


@router.get("/profile")
async def own_profile(
    provider: Provider, uri: str | None = None, agreed_state: Annotated[list[str] | None, Query()] = None
) -> PlainTextResponse:
    """This provider as a partner is to see it. `uri` replaces the partner API's own address."""
    settings, keys = provider.settings, provider.keys
    host, port = settings.partner_bind
    authorities = _given(settings.ca.public_uri, settings.ca.oscore_uri)
    profile = PartnerProfile(
        name=settings.name,
        uri=uri or f"https://{host}:{port}",
        https_certificate=keys.https.certificate,
        transfer_certificate=keys.transfer.certificate,
        document_certificate=keys.document.certificate,
        firmware_certificate=keys.firmware.certificate,
        enroll_prefixes=tuple(f"{uri.rstrip('/')}/est" for uri in authorities),
        update_prefixes=_given(settings.public_uri, settings.oscore_uri),
        agreed_states=tuple(digest(item) for item in agreed_state or ()),
        max_window_days=MAX_WINDOW_DAYS,
        anchors=provider.named_anchors,
    )
    return PlainTextResponse(profile.render())


def _view(profile: PartnerProfile) -> View:
    return {
        "name": profile.name,
        "uri": profile.uri,
        "enroll_prefixes": list(profile.enroll_prefixes),
        "update_prefixes": list(profile.update_prefixes),
        "agreed_states": [item.hex() for item in profile.agreed_states],
    }


def _given(*uris: str) -> tuple[str, ...]:
    return tuple(uri for uri in uris if uri)
