"""CoAP over a channel that protects datagrams: DTLS, OSCORE."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection
from typing import Any, Final, cast

import structlog

from secure_coap.association import Address, Association
from secure_coap.channels.base import Channel, ChannelEvent, Closed, Opened, Received
from secure_coap.edge.datagrams import DatagramSocket
from secure_coap.edge.driver import Driver
from secure_coap.engine import Engine, Link
from secure_coap.handlers import Handler, Notify
from secure_coap.limits import Limits

_LOOKS: Final = 4
"""Looks at idle associations in the time after which they are closed."""

_log = structlog.get_logger(__name__)


class ProtectedDriver(Driver):
    """A server with many sessions, or a client with one."""

    def __init__(
        self,
        bound: socket.socket,
        engine: Engine,
        channel: Channel,
        *,
        handler: Handler,
        limits: Limits,
        on_open: Notify | None = None,
        on_close: Notify | None = None,
    ) -> None:
        super().__init__(engine, handler=handler, on_open=on_open, on_close=on_close)
        self._datagram_engine = engine
        self._channel = channel
        self._limits = limits
        self._sessions: dict[Link, None] = {}
        self._channel_timer: asyncio.TimerHandle | None = None
        self._channel_due = 0.0
        self._socket = DatagramSocket(bound, engine.counters, self._receive, self.flush)
        self._looking = self._loop.call_later(limits.idle / _LOOKS, self._close_idle)
        self.closed_reason: asyncio.Future[str] = self._loop.create_future()

    @property
    def associations(self) -> Collection[Association]:
        """The open ones."""
        return list(self._sessions)

    def holds(self, association: Association) -> bool:
        """See `Driver`."""
        return association in self._sessions

    @property
    def local_address(self) -> Address:
        """Where the socket is bound."""
        return self._socket.address

    def _receive(self, datagram: bytes, remote: Any, now: float) -> None:
        """A defect that one datagram brings to light must not silence the socket for all."""
        try:
            received = self._channel.receive(datagram, (remote[0], remote[1]), now)
            if received is None:
                self._pump(now)
            else:
                self._receive_protected(cast(Link, received.association), received.datagram, now)
        except Exception:
            _log.exception("datagram_handling_failed", remote=remote[:2], size=len(datagram))

    def _pump(self, now: float) -> None:
        while events := self._channel.events():
            for event in events:
                self._on_channel_event(event, now)

    def _on_channel_event(self, event: ChannelEvent, now: float) -> None:
        match event:
            case Opened(association):
                self._sessions[cast(Link, association)] = None
                cast(Link, association).heard_at = now
                if not self.opened(cast(Link, association)):
                    self._channel.close(association, "refused by the application")
            case Received(association, datagram):
                self._receive_protected(cast(Link, association), datagram, now)
            case Closed(association, reason, opened):
                self._ended(cast(Link, association), reason, opened=opened)

    def _receive_protected(self, link: Link, datagram: bytes, now: float) -> None:
        if link not in self._sessions:
            return
        link.heard_at = now
        incoming = self._datagram_engine.receive(link, datagram, now)
        if incoming is not None:
            self.serve(incoming, now)

    def _ended(self, link: Link, reason: str, *, opened: bool) -> None:
        if not self.closed_reason.done():
            self.closed_reason.set_result(reason)
        if not opened:
            _log.info("handshake_failed", remote=link.remote, reason=reason[:200])
        if link in self._sessions:
            del self._sessions[link]
            self.closed(link, reason)

    def send_all(self) -> None:
        """See `Driver`."""
        channel, send = self._channel, self._socket.send
        for remote, datagram in channel.datagrams():  # the end of a handshake goes before the first data
            send(datagram, remote)
        if outbox := self._datagram_engine.outbox:
            for link, datagram in outbox:
                sealed = channel.seal(link, datagram)
                if sealed is not None:
                    send(sealed, link.remote)
            outbox.clear()
        due = channel.next_timer(self._loop.time())
        if due is not None and (self._channel_timer is None or due < self._channel_due):
            if self._channel_timer is not None:
                self._channel_timer.cancel()
            self._channel_timer = self._loop.call_at(due, self._on_channel_timer)
            self._channel_due = due

    def _on_channel_timer(self) -> None:
        self._channel_timer = None
        now = self._loop.time()
        self._channel.timer(now)
        self._pump(now)
        self.flush()

    def drop(self, association: Association, reason: str) -> None:
        """Close one association with an alert."""
        self._channel.close(association, reason)
        self._pump(self._loop.time())
        self.flush()

    def _close_idle(self) -> None:
        now = self._loop.time()
        for link in list(self._sessions):
            if now - link.heard_at >= self._limits.idle and not self._datagram_engine.is_busy(link, now):
                self.drop(link, "idle")
        self._looking = self._loop.call_later(self._limits.idle / _LOOKS, self._close_idle)

    async def close(self) -> None:
        """Close everything."""
        self._looking.cancel()
        for link in list(self._sessions):
            self.drop(link, "endpoint closed")
        await super().close()
        if self._channel_timer is not None:
            self._channel_timer.cancel()
        self._socket.close()
