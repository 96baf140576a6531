"""The service provider role: the LwM2M server over DTLS, the partner API over mutual TLS, the admin API on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric import ec

from enrollment.credentials import CertificateResolver, certificate_identity
from lwm2m_server.api.admin import create_app as create_admin_app
from lwm2m_server.api.mutual_tls import pinned_server_context
from lwm2m_server.api.operator_token import renew as renew_token
from lwm2m_server.api.partner import create_app as create_partner_app
from lwm2m_server.api.serving import serving
from lwm2m_server.clock import Clock
from lwm2m_server.fleet.provider import ServiceProvider
from lwm2m_server.provider_keys import KeyRole, KeysError, ProviderKeys, certificate_path, key_path, presented
from lwm2m_server.roles.firmware import start_firmware
from lwm2m_server.roles.garbage import settle
from lwm2m_server.server.factory_revocation import factory_revocation
from lwm2m_server.server.server import DATABASE
from lwm2m_server.settings import SpSettings
from lwm2m_server.store.database import Database
from objects.firmware import PullProtocol
from secure_coap.channels.dtls import DtlsServerConfig
from secure_coap.channels.oscore import EdhocServerConfig, OscoreServerConfig

log = structlog.get_logger()

UPKEEP: Final = 2.0
"""Seconds between two looks for revoked sessions and windows that have opened."""


@dataclass(frozen=True, slots=True)
class RunningSp:
    """Where a started service provider listens, and the provider itself."""

    lwm2m: tuple[str, int]
    partner: tuple[str, int]
    admin: tuple[str, int]
    provider: ServiceProvider


async def run_sp(settings: SpSettings) -> None:
    """Run until cancelled. Raises `KeysError` when the data folder is not ready, OSError when a port is taken."""
    async with running_sp(settings) as running:
        settle()
        log.info("sp_ready", name=settings.name, lwm2m=running.lwm2m, partner=running.partner, admin=running.admin)
        await asyncio.Event().wait()


@asynccontextmanager
async def running_sp(settings: SpSettings, clock: Clock | None = None) -> AsyncIterator[RunningSp]:
    """Serve inside the block. Raises like `run_sp`."""
    keys = ProviderKeys.load(settings.data)
    database = await Database.open(settings.data / DATABASE)
    provider = ServiceProvider(settings, keys, database, clock or Clock())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        stack.push_async_callback(provider.close)
        await stack.enter_async_context(provider.server)
        provider.trust.factory = await stack.enter_async_context(
            factory_revocation(
                provider.anchors.permanent, settings.permanent_crls, settings.permanent_ocsp, provider.clock
            )
        )
        await start_firmware(stack, provider.firmware, settings.firmware)
        provider.firmware.pulls.bases.setdefault(PullProtocol.COAPS, settings.public_uri)
        provider.firmware.pulls.oscore_base = settings.oscore_uri
        lwm2m = await provider.server.bind(*settings.bind, dtls=_dtls(provider))
        if settings.oscore_bind is not None:
            await provider.server.bind(*settings.oscore_bind, oscore=_oscore(provider))
        await provider.resume()
        partner = await stack.enter_async_context(_partner_api(provider))
        await renew_token(database, settings.data, provider.clock.seconds(), at_start=True)
        app = create_admin_app(provider.server, provider.firmware, provider.manifests, provider)
        admin = await stack.enter_async_context(serving(app, *settings.admin_bind))
        upkeep = [asyncio.create_task(_upkeep(provider)), asyncio.create_task(_crl(provider))]
        if settings.oscore_bind is not None:
            upkeep.append(asyncio.create_task(provider.know_devices()))
        try:
            yield RunningSp(lwm2m, partner, admin, provider)
        finally:
            for task in upkeep:
                task.cancel()
            await asyncio.gather(*upkeep, return_exceptions=True)


def _dtls(provider: ServiceProvider) -> DtlsServerConfig:
    return DtlsServerConfig(presented(provider.keys.dtls.chain), _server_key(provider), provider.trust.verify)


def _oscore(provider: ServiceProvider) -> OscoreServerConfig:
    """The same certificate and the same judgement of devices, in EDHOC."""
    chain = presented(provider.keys.dtls.chain)
    identity = certificate_identity(_server_key(provider), chain, by_reference=False)
    resolver = CertificateResolver(provider.trust.verify, provider.factory_certificates)
    return OscoreServerConfig(EdhocServerConfig([identity], resolver, clock=provider.clock.datetime))


def _server_key(provider: ServiceProvider) -> ec.EllipticCurvePrivateKey:
    key = provider.keys.dtls.private_key
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeysError("the dtls key must be a P-256 key: remove it and run `lwm2m-server init` again")
    return key


@asynccontextmanager
async def _partner_api(provider: ServiceProvider) -> AsyncIterator[tuple[str, int]]:
    settings = provider.settings
    profiles = await provider.reload_partners()
    context = pinned_server_context(
        certificate_path(settings.data, KeyRole.HTTPS),
        key_path(settings.data, KeyRole.HTTPS),
        [profile.https_certificate for profile in profiles],
    )
    provider.partner_tls = context
    app = create_partner_app(provider.database, provider.inbox, provider.manifests)
    async with serving(app, *settings.partner_bind, tls=context) as address:
        yield address


async def _upkeep(provider: ServiceProvider) -> None:
    while True:
        try:
            await provider.trust.refresh(association.peer for association in provider.server.associations)
            await provider.server.end_refused(provider.trust.refusal)
            await provider.wake_windows()
            await renew_token(provider.database, provider.settings.data, provider.clock.seconds())
        except Exception:
            log.exception("upkeep_failed")
        await asyncio.sleep(UPKEEP)


async def _crl(provider: ServiceProvider) -> None:
    """Keep the revocation list fresh; while there is none yet, devices wait and we ask more often."""
    while True:
        fetched = False
        try:
            fetched = await provider.ca_work.refresh_crl()
        except Exception:
            log.exception("crl_not_fetched")
        await asyncio.sleep(provider.settings.crl_refresh if fetched else min(1.0, provider.settings.crl_refresh))
