"""One TCP connection: bytes between the socket, TLS if there is any, and the driver."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from secure_coap.association import Address, Transport
from secure_coap.channels.stream import StreamAssociation
from secure_coap.channels.tls import TlsFailed, TlsSession
from secure_coap.limits import Limits


class Owner(Protocol):
    """The driver, as a connection sees it."""

    def connected(self, connection: Connection) -> bool:
        """The connection begins; False when there is no room."""

    def ready(self, connection: Connection, association: StreamAssociation) -> None:
        """The peer is verified, or there is nothing to verify."""

    def received(self, association: StreamAssociation, data: bytes) -> int | None:
        """Bytes of the peer; the number of the message that has begun and is not complete."""

    def ended(self, connection: Connection, reason: str) -> None:
        """The connection is gone."""


class Connection(asyncio.Protocol):
    """`tls` is None without security. It opens its association when it is ready, and ends by itself when it stalls."""

    def __init__(self, owner: Owner, limits: Limits, tls: TlsSession | None) -> None:
        self._owner = owner
        self._limits = limits
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._patience: asyncio.TimerHandle | None = None
        self._awaited: int | None = None
        self._reason = "connection lost"
        self.remote: Address = ("", 0)
        self.local: Address = ("", 0)
        self.association: StreamAssociation | None = None

    # --- asyncio's side ---

    def connection_made(self, transport: Any) -> None:
        """The socket is connected."""
        self._transport = transport
        host, port, *_ = transport.get_extra_info("peername")
        self.remote = (host, port)
        host, port, *_ = transport.get_extra_info("sockname")
        self.local = (host, port)
        if not self._owner.connected(self):
            self.abort("no room")
            return
        self._patience = self._loop.call_later(self._limits.handshake_time, self.abort, "handshake took too long")
        if self._tls is None:
            self._ready(Transport.TCP)
        else:
            self._with_tls(b"")

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        if self._tls is not None:
            data = self._with_tls(data)
        if self.association is not None and data:
            self._await(self._owner.received(self.association, data))

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        if self._patience is not None:
            self._patience.cancel()
        self._owner.ended(self, self._reason)

    # --- TLS ---

    def _with_tls(self, data: bytes) -> bytes:
        tls = self._tls
        assert tls is not None
        was_open, plain = tls.open, b""
        try:
            plain = tls.feed(data) if data else self._begin(tls)
        except TlsFailed as failure:
            self._reason = str(failure)
            self._transport.write(tls.take())
            self._transport.close()
            return b""
        if output := tls.take():
            self._transport.write(output)
        if tls.open and not was_open:
            self._ready(Transport.TLS)
        return plain

    @staticmethod
    def _begin(tls: TlsSession) -> bytes:
        tls.begin()
        return b""

    def _ready(self, transport: Transport) -> None:
        self._await(None)
        peer = self._tls.peer if self._tls is not None else None
        binding = self._tls.channel_binding if self._tls is not None else b""
        self.association = StreamAssociation(
            self.remote, self._loop.time(), transport=transport, peer=peer, channel_binding=binding
        )
        self._owner.ready(self, self.association)

    def _await(self, message: int | None) -> None:
        """A message that has begun must be complete in time."""
        if self._patience is not None and (message is None or message != self._awaited):
            self._patience.cancel()
            self._patience = None
        if message is not None and self._patience is None:
            self._patience = self._loop.call_later(self._limits.frame_time, self.abort, "a message took too long")
        self._awaited = message

    # --- the driver's side ---

    def write(self, data: bytes) -> None:
        """Send bytes; a peer that does not read them is cut off."""
        if self._tls is not None:
            self._tls.write(data)
            data = self._tls.take()
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._limits.unsent:
            self.abort("reads too slowly")

    def close(self, reason: str) -> None:
        """End after what was written is sent."""
        self._reason = reason
        if self._tls is not None and not self._transport.is_closing():
            self._tls.close()
            self._transport.write(self._tls.take())
        self._transport.close()

    def abort(self, reason: str) -> None:
        """End now."""
        self._reason = reason
        self._transport.abort()
