"""The admin API: what the command line talks to. Loopback only, with a bearer token."""

from __future__ import annotations

from fastapi import Depends, FastAPI

from lwm2m_server.api import errors
from lwm2m_server.api.admin import (
    agreement_keys,
    bootstrap,
    credentials,
    devices,
    firmware,
    groups,
    images,
    metrics,
    observations,
    operations,
    oscore_contexts,
    partners,
    pushes,
    queue,
    registered,
    report_keys,
    transfers,
    truststores,
)
from lwm2m_server.api.admin.common import MAX_UPLOAD
from lwm2m_server.api.operator_token import TokenCheck
from lwm2m_server.fleet.manifest_registry import ManifestRegistry
from lwm2m_server.fleet.provider import ServiceProvider
from lwm2m_server.server.bootstrapping import Bootstrapper
from lwm2m_server.server.firmware.service import Firmware
from lwm2m_server.server.server import Lwm2mServer

PREFIX = "/api/v1"
EVERYWHERE = tuple(
    module.router for module in (credentials, operations, observations, queue, images, pushes, firmware, agreement_keys)
)
"""Routes of every LwM2M server."""
DEVICE_MANAGEMENT = tuple(module.router for module in (bootstrap, groups, registered, report_keys, oscore_contexts))
"""Routes of role dm only."""
SERVICE_PROVIDER = tuple(module.router for module in (devices, partners, transfers, truststores))
"""Routes of role sp only."""


def create_app(
    server: Lwm2mServer,
    firmware: Firmware,
    manifests: ManifestRegistry,
    provider: ServiceProvider | None = None,
    bootstrapper: Bootstrapper | None = None,
) -> FastAPI:
    """The application of an LwM2M server with its firmware, and of the provider or bootstrap server it belongs to."""
    app = FastAPI(
        title="Admin API",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        max_body_size=MAX_UPLOAD,  # a JSON body is read before the token is checked
    )
    app.state.server = server
    app.state.firmware = firmware
    app.state.manifests = manifests
    app.state.provider = provider
    app.state.bootstrapper = bootstrapper
    errors.install(app)
    check = Depends(TokenCheck(server.database))
    for router in (*EVERYWHERE, *(DEVICE_MANAGEMENT if provider is None else SERVICE_PROVIDER)):
        app.include_router(router, prefix=PREFIX, dependencies=[check])
    app.include_router(metrics.router)
    return app
