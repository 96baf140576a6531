"""CoAP over TCP and TLS: connections on the event loop, joined to the stream engine."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Collection
from typing import Final

import structlog
from OpenSSL import SSL

from secure_coap.association import Address, Association
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig
from secure_coap.channels.stream import StreamAssociation
from secure_coap.channels.tls import TlsSession, make_context
from secure_coap.edge.connection import Connection
from secure_coap.edge.driver import Driver
from secure_coap.engine import StreamEngine
from secure_coap.engine.link import Link
from secure_coap.handlers import Handler, Notify
from secure_coap.limits import Limits

_LOOKS: Final = 4
"""Looks at idle connections in the time after which they are closed."""

_log = structlog.get_logger(__name__)


class StreamDriver(Driver):
    """A server with many connections, or a client with one. `tls` is None without security."""

    def __init__(
        self,
        engine: StreamEngine,
        *,
        tls: DtlsServerConfig | DtlsClientConfig | None,
        handler: Handler,
        limits: Limits,
        on_open: Notify | None = None,
        on_close: Notify | None = None,
    ) -> None:
        super().__init__(engine, handler=handler, on_open=on_open, on_close=on_close)
        self._stream_engine = engine
        self._tls = tls
        self._context: SSL.Context | None = make_context(tls) if tls is not None else None
        self._limits = limits
        self._connections: set[Connection] = set()
        self._by_link: dict[Association, Connection] = {}
        self._per_source: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._looking = self._loop.call_later(limits.idle / _LOOKS, self._close_idle)
        self.closed_reason: asyncio.Future[str] = self._loop.create_future()

    async def listen(self, host: str, port: int) -> None:
        """Accept connections. Raises OSError."""
        self._server = await self._loop.create_server(self._connection, host, port)

    async def connect(self, host: str, port: int) -> None:
        """Begin the one connection. Raises OSError."""
        await self._loop.create_connection(self._connection, host, port)

    def _connection(self) -> Connection:
        session = None
        if self._context is not None and self._tls is not None:
            session = TlsSession(self._context, self._tls)
        return Connection(self, self._limits, session)

    @property
    def associations(self) -> Collection[Association]:
        """The open ones."""
        return list(self._by_link)

    @property
    def local_address(self) -> Address:
        """Where the socket is bound."""
        if self._server is None:
            return next((connection.local for connection in self._connections), ("", 0))
        host, port, *_ = self._server.sockets[0].getsockname()
        return host, port

    def holds(self, association: Association) -> bool:
        """See `Driver`."""
        return association in self._by_link

    # --- connections ---

    def connected(self, connection: Connection) -> bool:
        """See `Owner`. Loopback is no single source: local relays and devices share it, and no stranger can use it."""
        source = connection.remote[0]
        crowded = self._per_source[source] >= self._limits.connections_per_source
        if len(self._connections) >= self._limits.associations or (
            crowded and not ipaddress.ip_address(source).is_loopback
        ):
            self.counters.no_room += 1
            return False
        self._connections.add(connection)
        self._per_source[source] += 1
        return True

    def ready(self, connection: Connection, association: StreamAssociation) -> None:
        """See `Owner`."""
        self._by_link[association] = connection
        if self._tls is not None:
            self.counters.handshakes += 1
        taken = self.opened(association)
        self.flush()
        if not taken:
            self.drop(association, "refused by the application")

    def received(self, association: StreamAssociation, data: bytes) -> int | None:
        """See `Owner`. A defect that one message brings to light ends its connection, not all."""
        now = self._loop.time()
        association.heard_at = now
        try:
            for incoming in self._stream_engine.receive(association, data, now):
                self.serve(incoming, now)
            awaited = self._stream_engine.awaited(association) if association.base else None
        except Exception:
            _log.exception("message_handling_failed", remote=association.remote, size=len(data))
            self.drop(association, "defect")
            return None
        self.flush()
        return awaited

    def ended(self, connection: Connection, reason: str) -> None:
        """See `Owner`."""
        if not self.closed_reason.done():
            self.closed_reason.set_result(reason)
        if connection in self._connections:
            self._connections.discard(connection)
            self._per_source[connection.remote[0]] -= 1
            if not self._per_source[connection.remote[0]]:
                del self._per_source[connection.remote[0]]
        association = connection.association
        if association is None:
            self.counters.handshakes_failed += 1
            _log.info("handshake_failed", remote=connection.remote, reason=reason[:200])
        elif self._by_link.pop(association, None) is not None:
            self.closed(association, reason)

    # --- sending and ending ---

    def send_all(self) -> None:
        """See `Driver`."""
        outbox = self._stream_engine.outbox
        written: dict[Link, list[bytes]] = {}
        for link, data in outbox:
            written.setdefault(link, []).append(data)
        outbox.clear()
        for link, parts in written.items():
            connection = self._by_link.get(link)
            if connection is not None:
                connection.write(b"".join(parts))
        endings = self._stream_engine.endings[:]
        self._stream_engine.endings.clear()
        for link, reason in endings:
            self._end(link, reason)

    def _end(self, association: Association, reason: str) -> None:
        connection = self._by_link.pop(association, None)
        if connection is not None and connection.association is not None:
            connection.close(reason)
            self.closed(connection.association, reason)

    def drop(self, association: Association, reason: str) -> None:
        """See `Driver`."""
        self._end(association, reason)

    def _close_idle(self) -> None:
        now = self._loop.time()
        for connection in list(self._by_link.values()):
            association = connection.association
            if association is not None and now - association.heard_at >= self._limits.idle:
                self.drop(association, "idle")
        self._looking = self._loop.call_later(self._limits.idle / _LOOKS, self._close_idle)

    async def close(self) -> None:
        """Close everything."""
        self._looking.cancel()
        if self._server is not None:
            self._server.close()
        for association in self.associations:
            self.drop(association, "endpoint closed")
        for connection in list(self._connections):
            connection.close("endpoint closed")
        await super().close()
