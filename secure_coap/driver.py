"""The edge: one asyncio UDP socket, its channel, and one engine per association.

Everything that happens ends in `_pump`: channel events go to engines, engine events to handlers and waiting
requests, datagrams to the socket, and the timers are set anew.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final

import structlog

from secure_coap.association import Address, Association
from secure_coap.channels.base import Channel, ChannelEvent, Closed, Opened, Received
from secure_coap.channels.plain import PlainChannel
from secure_coap.engine import (
    AddressProof,
    BodyBudget,
    Engine,
    Event,
    Notified,
    RequestArrived,
    RequestFailed,
    ResponseArrived,
)
from secure_coap.engine.client_role import TOKEN_BYTES
from secure_coap.errors import AssociationLost, InternalServerError, RequestTimeout, TransportError
from secure_coap.exchange import Request, Response
from secure_coap.handlers import Handler, Notify, called, finished, notified
from secure_coap.limits import Limits
from secure_coap.numbers.parameters import TransmissionParameters
from secure_coap.observation import Observation, OnNotification

SEND_BUFFER: Final = 4 * 1024 * 1024
"""Bytes that may wait for the socket; beyond that datagrams are lost, as UDP may lose them anyway."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Peer:
    """An open association with its engine, and who waits for its responses."""

    association: Association
    engine: Engine
    active_at: float
    waiting: dict[int, asyncio.Future[Response]] = field(default_factory=dict)
    observing: dict[bytes, OnNotification] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None


class Driver(asyncio.DatagramProtocol):
    """Joins socket, channel and engines. `proof_secret` is given where addresses are unproven."""

    def __init__(
        self,
        channel: Channel,
        *,
        handler: Handler,
        parameters: TransmissionParameters,
        limits: Limits,
        on_open: Notify | None = None,
        on_close: Notify | None = None,
        proof_secret: bytes | None = None,
    ) -> None:
        self._channel = channel
        self._handler = handler
        self._parameters = parameters
        self._limits = limits
        self._on_open = on_open
        self._on_close = on_close
        self._proof_secret = proof_secret
        self._loop = asyncio.get_running_loop()
        self._rng = random.SystemRandom()
        self._budget = BodyBudget(limits.bodies_total)
        self._peers: dict[bytes, _Peer] = {}
        self._answering: set[asyncio.Future[Response]] = set()
        self._channel_timer: asyncio.TimerHandle | None = None
        self._transport: Any = None  # asyncio's or uvloop's, whose common base class lacks the buffer's size
        self._connected = False
        self.closed_reason: asyncio.Future[str] = self._loop.create_future()

    # --- socket ---

    def connection_made(self, transport: Any) -> None:
        """The socket is ready."""
        self._transport = transport
        self._connected = transport.get_extra_info("peername") is not None

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """A datagram came in. A defect that one brings to light must not silence the socket for all."""
        try:
            self._channel.receive(data, (addr[0], addr[1]), self._loop.time())
            self.pump()
        except Exception:
            _log.exception("datagram_handling_failed", remote=addr[:2], size=len(data))

    def error_received(self, exc: Exception) -> None:
        """ICMP errors can be forged and say nothing certain: retransmission decides."""

    def _transmit(self) -> None:
        for remote, datagram in self._channel.datagrams():
            transport = self._transport
            if transport is None or transport.is_closing() or transport.get_write_buffer_size() > SEND_BUFFER:
                continue
            transport.sendto(datagram, None if self._connected else remote)

    # --- what the endpoint calls ---

    @property
    def associations(self) -> list[Association]:
        """The open ones."""
        return [peer.association for peer in self._peers.values()]

    def holds(self, association: Association) -> bool:
        """Whether the association is open here."""
        return association.key in self._peers

    @property
    def local_address(self) -> Address:
        """Where the socket is bound."""
        if self._transport is None:
            raise RuntimeError("the socket is not open")
        host, port, *_ = self._transport.get_extra_info("sockname")
        return host, port

    def _peer(self, association: Association) -> _Peer:
        peer = self._peers.get(association.key)
        if peer is None:
            raise AssociationLost("the association is closed")
        return peer

    async def request(
        self, association: Association, request: Request, seconds: float | None, token: bytes | None = None
    ) -> Response:
        """Send a request and wait for its response."""
        peer = self._peer(association)
        handle = peer.engine.request(request, self._loop.time(), token)
        future: asyncio.Future[Response] = self._loop.create_future()
        peer.waiting[handle] = future
        self._pump_peer(peer)
        self._transmit()
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            raise RequestTimeout(f"no response within {seconds} s") from None
        finally:
            if peer.waiting.pop(handle, None) is not None:
                peer.engine.cancel(handle, self._loop.time())
                self._pump_peer(peer)
                self._transmit()

    def associate(self, remote: Address) -> Association:
        """The association with an address, where the channel has no handshake."""
        if not isinstance(self._channel, PlainChannel):
            raise ValueError("only without security can an association begin with an address: wait for the peer")  # noqa: TRY004
        association = self._channel.associate(remote, self._loop.time())
        self.pump()
        return association

    # --- observations ---

    async def observe(
        self, association: Association, request: Request, on_notification: OnNotification, token: bytes | None
    ) -> tuple[Response, Observation]:
        """Ask for a resource and for news of it."""
        peer = self._peer(association)
        token = token or self._rng.randbytes(TOKEN_BYTES)
        peer.observing[token] = on_notification
        try:
            response = await self.request(association, replace(request, observe=0), None, token)
        finally:
            if not peer.engine.observes(token):
                peer.observing.pop(token, None)
        return response, Observation(self, association, token, request)

    def adopt(
        self, association: Association, token: bytes, request: Request, on_notification: OnNotification
    ) -> Observation:
        """Take up an observation begun earlier."""
        peer = self._peer(association)
        peer.engine.adopt(token, request)
        peer.observing[token] = on_notification
        return Observation(self, association, token, request)

    def observes(self, association: Association, token: bytes) -> bool:
        """See `Observer`."""
        peer = self._peers.get(association.key)
        return peer is not None and peer.engine.observes(token)

    def forget(self, association: Association, token: bytes) -> None:
        """See `Observer`."""
        peer = self._peers.get(association.key)
        if peer is not None:
            peer.observing.pop(token, None)
            peer.engine.forget(token, self._loop.time())
            self._pump_peer(peer)
            self._transmit()

    async def cancel(self, association: Association, token: bytes, request: Request) -> Response:
        """See `Observer`."""
        self.forget(association, token)
        return await self.request(association, replace(request, observe=1), None, token)

    def _notify(self, peer: _Peer, news: Notified) -> None:
        on_notification = peer.observing.get(news.token)
        if news.ended:
            peer.observing.pop(news.token, None)
        if on_notification is None:
            return
        try:
            on_notification(news.outcome)
        except Exception:
            _log.exception("notification_handler_failed", remote=peer.association.remote)

    # --- closing ---

    def drop(self, association: Association, reason: str) -> None:
        """Close one association."""
        self._channel.close(association, reason)
        self.pump()

    async def close(self) -> None:
        """Close everything; handlers in progress are cancelled."""
        for association in self.associations:
            self.drop(association, "endpoint closed")
        answering = list(self._answering)
        for future in answering:
            future.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
        if self._channel_timer is not None:
            self._channel_timer.cancel()
        if self._transport is not None:
            self._transport.close()

    # --- the pump ---

    def pump(self) -> None:
        """Carry everything that is waiting one layer further, until nothing is."""
        while events := self._channel.events():
            for event in events:
                self._on_channel_event(event)
        self._transmit()
        self._set_channel_timer()

    def _on_channel_event(self, event: ChannelEvent) -> None:
        match event:
            case Opened(association):
                self._open(association)
            case Received(association, datagram):
                self._receive(association, datagram)
            case Closed(association, reason, opened):
                self._closed(association, reason, opened=opened)

    def _open(self, association: Association) -> None:
        now = self._loop.time()
        proof = None
        if self._proof_secret is not None:
            proof = AddressProof(self._proof_secret, f"{association.remote[0]} {association.remote[1]}")
        engine = Engine(
            rng=self._rng, budget=self._budget, parameters=self._parameters, limits=self._limits, proof=proof
        )
        peer = self._peers[association.key] = _Peer(association, engine, now)
        self._set_timer(peer, now)
        if not notified(self._on_open, association):
            self._channel.close(association, "refused by the application")

    def _receive(self, association: Association, datagram: bytes) -> None:
        peer = self._peers.get(association.key)
        if peer is not None:
            peer.active_at = self._loop.time()
            peer.engine.receive(datagram, peer.active_at)
            self._pump_peer(peer)

    def _closed(self, association: Association, reason: str, *, opened: bool) -> None:
        if not self.closed_reason.done():
            self.closed_reason.set_result(reason)
        if not opened:
            _log.info("handshake_failed", remote=association.remote, reason=reason[:200])
        peer = self._peers.pop(association.key, None)
        if peer is None:
            return
        if peer.timer is not None:
            peer.timer.cancel()
        peer.engine.close(AssociationLost(reason))
        self._pump_events(peer)
        notified(self._on_close, association)

    def _pump_peer(self, peer: _Peer) -> None:
        self._pump_events(peer)
        now = self._loop.time()
        for datagram in peer.engine.datagrams():
            self._channel.send(peer.association, datagram, now)
        self._set_timer(peer, now)

    def _pump_events(self, peer: _Peer) -> None:
        for event in peer.engine.events():
            self._on_engine_event(peer, event)

    def _on_engine_event(self, peer: _Peer, event: Event) -> None:
        match event:
            case RequestArrived(exchange, request):
                self._handle(peer, exchange, request)
            case ResponseArrived(handle, response):
                self._settle(peer, handle, response)
            case RequestFailed(handle, error):
                self._settle(peer, handle, error)
            case Notified():
                self._notify(peer, event)

    def _settle(self, peer: _Peer, handle: int, outcome: Response | TransportError) -> None:
        future = peer.waiting.pop(handle, None)
        if future is None or future.done():
            return
        if isinstance(outcome, Response):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)

    # --- requests of peers ---

    def _handle(self, peer: _Peer, exchange: int, request: Request) -> None:
        """At once where the handler does; else when its future is done."""
        answer = called(self._handler, request, peer.association)
        if isinstance(answer, Response):
            self._respond(peer, exchange, request, answer)
            return
        future = self._future_of(answer)
        self._answering.add(future)
        future.add_done_callback(lambda done: self._answered(peer, exchange, request, done))

    def _future_of(self, answer: Awaitable[Response]) -> asyncio.Future[Response]:
        if isinstance(answer, asyncio.Future):
            return answer
        if isinstance(answer, Coroutine):
            return self._loop.create_task(answer)
        return self._loop.create_task(_awaited(answer))

    def _answered(self, peer: _Peer, exchange: int, request: Request, future: asyncio.Future[Response]) -> None:
        self._answering.discard(future)
        response = finished(future, request, peer.association)
        if response is not None:
            self._respond(peer, exchange, request, response)
            self._pump_peer(peer)
            self._transmit()

    def _respond(self, peer: _Peer, exchange: int, request: Request, response: Response) -> None:
        try:
            peer.engine.respond(exchange, response, self._loop.time())
        except Exception:
            _log.exception("response_cannot_be_sent", method=request.method.name)
            peer.engine.respond(exchange, Response.of_error(InternalServerError()), self._loop.time())

    # --- timers ---

    def _set_timer(self, peer: _Peer, now: float) -> None:
        """Come back for the engine or to close an idle association; a timer that fires early just asks again."""
        if self._peers.get(peer.association.key) is not peer:
            return
        due = peer.active_at + self._limits.idle
        engine_due = peer.engine.next_timer(now)
        due = due if engine_due is None else min(due, engine_due)
        if peer.timer is not None:
            if peer.timer.when() <= due:
                return
            peer.timer.cancel()
        peer.timer = self._loop.call_at(due, self._on_timer, peer)

    def _on_timer(self, peer: _Peer) -> None:
        now = self._loop.time()
        peer.timer = None
        peer.engine.timer(now)
        if now - peer.active_at >= self._limits.idle and peer.engine.idle:
            self._channel.close(peer.association, "idle")
        else:
            self._pump_peer(peer)
        self.pump()

    def _set_channel_timer(self) -> None:
        due = self._channel.next_timer(self._loop.time())
        if due is not None and self._channel_timer is None:
            self._channel_timer = self._loop.call_at(due, self._on_channel_timer)

    def _on_channel_timer(self) -> None:
        self._channel_timer = None
        self._channel.timer(self._loop.time())
        self.pump()


async def _awaited(answer: Awaitable[Response]) -> Response:
    return await answer
