"""The CA role: EST over DTLS for devices, the CA API over mutual TLS for providers, one register behind both."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from cose.keys import authority_key
from device_pki.ocsp.responder import SerialStatus
from enrollment.ca.backend import CaBackend, CaBackendError
from enrollment.ca.ocsp import OcspResponder
from enrollment.ca.revocations import RevocationPublisher
from lwm2m_server.api.ca import CaService, create_app
from lwm2m_server.api.mutual_tls import pinned_server_context
from lwm2m_server.api.serving import serving
from lwm2m_server.api.status import create_app as create_status_app
from lwm2m_server.ca.backends import opened_backend
from lwm2m_server.ca.directory import CaDirectory, read_certificates
from lwm2m_server.ca.providers import ProviderPins
from lwm2m_server.clock import Clock
from lwm2m_server.known_certificates import remember_stored
from lwm2m_server.roles.ca_est import serving_est
from lwm2m_server.roles.garbage import settle
from lwm2m_server.server.factory_revocation import factory_revocation
from lwm2m_server.settings import CaSettings
from lwm2m_server.store.database import Database
from lwm2m_server.store.enrollment_listing import factory_certificates
from lwm2m_server.store.enrollment_register import SqlEnrollmentRegister

REFRESH: Final = 1.0
"""Seconds between two looks for what the operator's commands changed."""


Now = Callable[[], datetime]

log = structlog.get_logger()


def utc_now() -> datetime:
    """Return the present time, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class RunningCa:
    """Where a started CA listens."""

    est: tuple[str, int]
    api: tuple[str, int]
    oscore: tuple[str, int] | None = None
    """The EST server for the compact profile."""
    est_https: tuple[str, int] | None = None
    """The EST server for clients with TLS."""
    status: tuple[str, int] | None = None
    """Where anybody may fetch the revocation list and ask OCSP."""


async def run_ca(settings: CaSettings) -> None:
    """Run until cancelled. Raises `CaDirectoryError` when the folder is not ready, OSError when a port is taken."""
    async with running_ca(settings) as running:
        settle()
        log.info("ca_ready", name=settings.name, est=running.est, api=running.api, status=running.status)
        await asyncio.Event().wait()


@asynccontextmanager
async def running_ca(settings: CaSettings, clock: Now = utc_now) -> AsyncIterator[RunningCa]:
    """Serve inside the block. Raises like `run_ca`."""
    directory = CaDirectory(settings.data)
    async with AsyncExitStack() as stack:
        database = await Database.open(directory.database)
        stack.push_async_callback(database.close)
        backend = await stack.enter_async_context(opened_backend(directory, settings))
        service, pins = await _service(settings, directory, database, backend, clock)
        https = directory.checked_https()
        context = pinned_server_context(https.certificate, https.key, [])
        pins.refresh(context)
        factory = await stack.enter_async_context(
            factory_revocation(
                service.permanent_anchors,
                settings.permanent_crls,
                settings.permanent_ocsp,
                Clock(lambda: clock().timestamp()),
            )
        )
        est = await stack.enter_async_context(serving_est(settings, directory, service, factory))
        api = await stack.enter_async_context(serving(create_app(service), *settings.api_bind, tls=context))
        status = None
        if settings.status_bind is not None:
            public = create_status_app(service.publisher, _responder(settings, directory, service))
            status = await stack.enter_async_context(serving(public, *settings.status_bind))
        upkeep = [asyncio.create_task(_upkeep(service, pins, context))]
        if settings.oscore_bind is not None:
            upkeep.append(asyncio.create_task(remember_stored(service.known, factory_certificates(database))))
        try:
            yield RunningCa(est.dtls, api, est.oscore, est.https, status)
        finally:
            for task in upkeep:
                task.cancel()
            await asyncio.gather(*upkeep, return_exceptions=True)


async def _service(
    settings: CaSettings, directory: CaDirectory, database: Database, backend: CaBackend, clock: Now
) -> tuple[CaService, ProviderPins]:
    register = SqlEnrollmentRegister(database)
    interval = timedelta(seconds=settings.crl_interval)
    publisher = RevocationPublisher(register, backend, interval=interval, clock=clock)
    try:
        await publisher.current()
    except CaBackendError as error:  # an authority elsewhere may come later; until then nobody is let in or enrolled
        log.warning("revocation_list_not_published", reason=str(error))
    anchors = [c for path in settings.permanent_anchors for c in read_certificates(path)]
    pins = ProviderPins(directory, settings.peers)
    static = directory.static_key()
    service = CaService(
        register,
        backend,
        publisher,
        pins,
        anchors,
        settings.public_uri,
        clock,
        oscore_uri=settings.oscore_uri,
        edhoc_key=None if static is None else authority_key(static.public_key()),
    )
    return service, pins


def _responder(settings: CaSettings, directory: CaDirectory, service: CaService) -> OcspResponder:
    publisher, issuer = service.publisher, service.ca.chain[0]

    async def status_of(serial_number: int) -> SerialStatus:
        status = await service.register.serial_status(serial_number)
        return status if status.issued else SerialStatus(directory.has_issued(serial_number))

    def mark() -> int:
        newest = publisher.index.newest(issuer)
        return -1 if newest is None else newest.number

    lifetime = timedelta(seconds=settings.ocsp_lifetime)
    return OcspResponder(service.ca, status_of, mark=mark, lifetime=lifetime, clock=service.clock)


async def _upkeep(service: CaService, pins: ProviderPins, context: ssl.SSLContext) -> None:
    """Keep the revocation list fresh, and act on what operator commands changed beside this process.

    Apart from each other: one bad file of an operator's must not stop what every device depends on.
    """
    while True:
        await asyncio.sleep(REFRESH)
        try:
            await service.publisher.current()
        except Exception:
            log.exception("revocation_list_not_published")
        try:
            pins.refresh(context)
        except Exception:
            log.exception("providers_not_pinned")
