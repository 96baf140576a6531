"""CoAP over UDP without security: the shortest way from socket to engine and back."""

from __future__ import annotations

import socket
from collections.abc import Collection
from typing import Any, Final

import structlog

from secure_coap.association import Address, Association
from secure_coap.channels.plain import PlainAssociation, PlainAssociations
from secure_coap.edge.datagrams import DatagramSocket
from secure_coap.edge.driver import Driver
from secure_coap.engine import Engine
from secure_coap.errors import TooManyOutstanding
from secure_coap.handlers import Handler, Notify
from secure_coap.limits import Limits
from secure_coap.numbers.parameters import TransmissionParameters

_LOOKS: Final = 4
"""Looks at idle associations in the time after which they are closed."""

_log = structlog.get_logger(__name__)


class PlainDriver(Driver):
    """A server with many addresses, or (`remote` given) a client with one."""

    def __init__(
        self,
        bound: socket.socket,
        engine: Engine,
        *,
        handler: Handler,
        parameters: TransmissionParameters,
        limits: Limits,
        on_open: Notify | None = None,
        on_close: Notify | None = None,
        remote: Address | None = None,
    ) -> None:
        super().__init__(engine, handler=handler, on_open=on_open, on_close=on_close)
        self._datagram_engine = engine
        self._to_engine = engine.receive
        self._limits = limits
        self._remote = remote
        self._table = PlainAssociations(limits.addresses, kept_for=parameters.exchange_lifetime)
        self._by_address = self._table.by_address
        self._socket = DatagramSocket(bound, engine.counters, self._receive, self.flush)
        self._now = self._loop.time()
        self._looking = self._loop.call_later(limits.idle / _LOOKS, self._close_idle)

    @property
    def associations(self) -> Collection[Association]:
        """The open ones."""
        return list(self._by_address.values())

    def holds(self, association: Association) -> bool:
        """See `Driver`."""
        return self._by_address.get(association.remote) is association

    @property
    def local_address(self) -> Address:
        """Where the socket is bound."""
        return self._socket.address

    def associate(self, remote: Address) -> Association:
        """The association with an address, opened if need be. Raises `TooManyOutstanding` when there is no room."""
        association = self._by_address.get(remote) or self._open(remote, self._loop.time())
        if association is None:
            raise TooManyOutstanding("all places for associations are taken")
        return association

    def _receive(self, datagram: bytes, remote: Any, now: float) -> None:
        """A defect that one datagram brings to light must not silence the socket for all."""
        try:
            link = self._by_address.get(remote) or self._newcomer(remote, now)
            if link is not None:
                link.heard_at = now
                incoming = self._to_engine(link, datagram, now)
                if incoming is not None:
                    self.serve(incoming, now)
        except Exception:
            _log.exception("datagram_handling_failed", remote=remote[:2], size=len(datagram))

    def _newcomer(self, remote: Any, now: float) -> PlainAssociation | None:
        address = (remote[0], remote[1])
        known = self._by_address.get(address)  # IPv6 addresses come with more than host and port
        if known is not None or self._remote is not None:
            return known
        return self._open(address, now)

    def _open(self, remote: Address, now: float) -> PlainAssociation | None:
        """None when there is no place, or the application refuses."""
        free, given_up = self._table.must_give_way(now, lambda link: self._datagram_engine.is_busy(link, now))
        if given_up is not None:
            self._datagram_engine.counters.evicted += 1
            self._close(given_up, "gave way to another")
        if not free:
            self._datagram_engine.counters.no_room += 1
            return None
        link = self._table.add(remote, now)
        if self.opened(link):
            return link
        self._close(link, "refused by the application")
        return None

    def _close(self, link: PlainAssociation, reason: str) -> None:
        self._table.remove(link)
        self.closed(link, reason)

    def send_all(self) -> None:
        """See `Driver`."""
        outbox = self._datagram_engine.outbox
        if not outbox:
            return
        send = self._socket.send
        for link, datagram in outbox:
            send(datagram, link.remote)
        outbox.clear()

    def drop(self, association: Association, reason: str) -> None:
        """Close one association; without security there is nothing to tell the peer."""
        if isinstance(association, PlainAssociation) and association.base:
            self._close(association, reason)

    def _close_idle(self) -> None:
        now = self._loop.time()
        for link in list(self._by_address.values()):
            if now - link.heard_at >= self._limits.idle and not self._datagram_engine.is_busy(link, now):
                self._close(link, "idle")
        self._looking = self._loop.call_later(self._limits.idle / _LOOKS, self._close_idle)

    async def close(self) -> None:
        """Close everything."""
        self._looking.cancel()
        for link in list(self._by_address.values()):
            self._close(link, "endpoint closed")
        await super().close()
        self._socket.close()
