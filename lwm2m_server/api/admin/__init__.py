"""The admin API: what the command line talks to. Loopback only, with a bearer token."""

from __future__ import annotations

from fastapi import Depends, FastAPI

from lwm2m_server.api import errors
from lwm2m_server.api.admin import devices, firmware, partners, transfers
from lwm2m_server.api.admin.common import MAX_UPLOAD
from lwm2m_server.api.operator_token import TokenCheck
from lwm2m_server.fleet.provider import ServiceProvider

PREFIX = "/api/v1"
ROUTERS = tuple(module.router for module in (devices, firmware, partners, transfers))


def create_app(provider: ServiceProvider) -> FastAPI:
    """The application of one service provider."""
    check = TokenCheck(provider.database)
    app = FastAPI(
        title="Admin API",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(check)],
        max_body_size=MAX_UPLOAD,  # a JSON body is read before the token is checked
    )
    app.state.provider = provider
    errors.install(app)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    return app
