"""Running an ASGI application inside a role: no signal handlers, no process exit, the real address known at start."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from lwm2m_server.api.mutual_tls import MutualTlsProtocol

MAX_HEADERS: Final = 16 * 1024
"""Octets of a request's head (security budgets)."""
_GRACE: Final = 2
"""Seconds for answers under way when the role ends."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process, not to one of its servers."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextlib.asynccontextmanager
async def serving(
    app: Any, host: str, port: int, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, int]]:
    """Serve `app` inside the block; the value is the address, with the port chosen when `port` is 0.

    With `tls` from `pinned_server_context` clients authenticate by certificate; without `tls` the transport is plain
    HTTP. Raises OSError when the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    config = uvicorn.Config(
        app,
        http=MutualTlsProtocol if tls is not None else H11Protocol,
        ssl_context_factory=None if tls is None else lambda *_: tls,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=MAX_HEADERS,
        timeout_graceful_shutdown=_GRACE,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]))
    try:
        await server.ready.wait()
        yield listener.getsockname()[:2]
    finally:
        server.should_exit = True
        await task
