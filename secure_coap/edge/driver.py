"""An engine joined with the application and the clock: handlers, waiting requests, observations, timers.

Where the bytes go is for the subclasses. After everything that may have made the engine speak, `flush` is called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Coroutine
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from secure_coap.association import Address, Association
from secure_coap.counters import Counters
from secure_coap.engine import (
    Event,
    Incoming,
    Link,
    LinkState,
    Notified,
    ObserverGone,
    RequestFailed,
    ResponseArrived,
)
from secure_coap.engine.roles import Roles
from secure_coap.errors import AssociationLost, InternalServerError, RequestTimeout
from secure_coap.exchange import Request, Response
from secure_coap.handlers import Handler, Notify, failed, finished, notified
from secure_coap.notifier import Notifier
from secure_coap.observation import Observation, OnNotification

TICK: Final = 0.01
"""Seconds by which a timer may ring late, so that one serves all that are due by then."""

_log = structlog.get_logger(__name__)


class Driver:
    """The half of an endpoint that every transport shares."""

    def __init__(
        self, engine: Roles, *, handler: Handler, on_open: Notify | None = None, on_close: Notify | None = None
    ) -> None:
        self._engine = engine
        self._answer = engine.respond
        self._handler = handler
        self._on_open = on_open
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[Response]] = {}
        self._observing: dict[tuple[Link, bytes], OnNotification] = {}
        self._notifiers: dict[tuple[Link, bytes], Notifier] = {}
        self._answering: dict[Incoming, asyncio.Future[Response]] = {}
        self._serving: Incoming | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        """When it rings; uvloop's handle of a moment that has come cannot tell."""

    @property
    def counters(self) -> Counters:
        """What happened so far."""
        return self._engine.counters

    # --- what a transport supplies ---

    @property
    def associations(self) -> Collection[Association]:
        """The open ones."""
        raise NotImplementedError

    @property
    def local_address(self) -> Address:
        """Where the socket is bound."""
        raise NotImplementedError

    def drop(self, association: Association, reason: str) -> None:
        """Close one association, telling the peer if there is a way."""
        raise NotImplementedError

    def send_all(self) -> None:
        """Put what the engine wants to send on its way."""
        raise NotImplementedError

    def flush(self) -> None:
        """Carry everything that is waiting one layer further, until nothing is."""
        engine = self._engine
        while True:
            self.send_all()
            if not engine.events:
                break
            happened = engine.events[:]
            engine.events.clear()
            for event in happened:
                self._on_event(event)
        due = engine.next_timer()
        if due is not None and (self._timer is None or due < self._timer_due):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(due + TICK, self._on_timer)
            self._timer_due = due

    def _on_timer(self) -> None:
        self._timer = None
        self._engine.timer(self._loop.time())
        self.flush()

    # --- requests of peers ---

    def serve(self, incoming: Incoming, now: float) -> None:
        """Ask the application: at once where it answers at once, else when its future is done."""
        self._serving = incoming
        try:
            answer = self._handler(incoming.request, incoming.link)
        except Exception as error:
            answer = failed(error, incoming.request, incoming.link)
        if isinstance(answer, Response):
            try:
                self._answer(incoming, answer, now)
            except Exception:
                self._cannot_be_sent(incoming, answer, now)
            return
        self._engine.defer(incoming, now)
        future = self._answering[incoming] = self._future_of(answer)
        future.add_done_callback(partial(self._answered, incoming))

    def _future_of(self, answer: Awaitable[Response]) -> asyncio.Future[Response]:
        if isinstance(answer, asyncio.Future):
            return answer
        return self._loop.create_task(answer if isinstance(answer, Coroutine) else _awaited(answer))

    def _answered(self, incoming: Incoming, future: asyncio.Future[Response]) -> None:
        if self._answering.pop(incoming, None) is None:
            return  # the endpoint is closed
        response, now = finished(future, incoming.request, incoming.link), self._loop.time()
        try:
            self._answer(incoming, response, now)
        except Exception:
            self._cannot_be_sent(incoming, response, now)
        self.flush()

    def _cannot_be_sent(self, incoming: Incoming, response: Response, now: float) -> None:
        _log.exception("response_cannot_be_sent", code=response.code.dotted)
        self._answer(incoming, Response.of_error(InternalServerError()), now)

    # --- requests of ours ---

    def holds(self, association: Association) -> bool:
        """Whether the association is open here."""
        raise NotImplementedError

    def link_of(self, association: Association) -> Link:
        """The association as the engine knows it; raises `AssociationLost` when it is not open."""
        if not isinstance(association, LinkState) or not association.base:
            raise AssociationLost("the association is closed")
        return association

    async def request(
        self, association: Association, request: Request, seconds: float | None, token: bytes | None = None
    ) -> Response:
        """Send a request and wait for its response."""
        link = self.link_of(association)
        handle = self._engine.request(link, request, self._loop.time(), token)
        future: asyncio.Future[Response] = self._loop.create_future()
        self._waiting[handle] = future
        self.flush()
        try:
            if seconds is None:
                return await future
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            raise RequestTimeout(f"no response within {seconds} s") from None
        finally:
            if self._waiting.pop(handle, None) is not None:
                self._engine.cancel(link, handle, self._loop.time())
                self.flush()

    # --- what we observe ---

    async def observe(
        self, association: Association, request: Request, on_notification: OnNotification, token: bytes | None
    ) -> tuple[Response, Observation]:
        """Ask for a resource and for news of it."""
        link = self.link_of(association)
        token = token or self._engine.new_token(link, self._loop.time())
        key = link, token
        self._observing[key] = on_notification
        try:
            response = await self.request(association, replace(request, observe=0), None, token)
        finally:
            if not self._engine.observes(link, token):
                self._observing.pop(key, None)
        return response, Observation(self, association, token, request)

    def adopt(
        self, association: Association, token: bytes, request: Request, on_notification: OnNotification
    ) -> Observation:
        """Take up an observation begun earlier."""
        link = self.link_of(association)
        self._engine.adopt(link, token, request, self._loop.time())
        self._observing[link, token] = on_notification
        return Observation(self, association, token, request)

    def observes(self, association: Association, token: bytes) -> bool:
        """See `Observer`."""
        return isinstance(association, LinkState) and self._engine.observes(association, token)

    def forget(self, association: Association, token: bytes) -> None:
        """See `Observer`."""
        if isinstance(association, LinkState):
            self._observing.pop((association, token), None)
            self._engine.forget(association, token, self._loop.time())
            self.flush()

    async def cancel(self, association: Association, token: bytes, request: Request) -> Response:
        """See `Observer`."""
        self.forget(association, token)
        return await self.request(association, replace(request, observe=1), None, token)

    # --- what is observed of us ---

    def notifier(self, request: Request) -> Notifier | None:
        """The notifier of a request that is being answered; None when the peer does not ask, or asks for too much."""
        incoming = self._incoming_of(request)
        if not self._engine.observe(incoming, self._loop.time()):
            return None
        notifier = Notifier(self, incoming.link, incoming.token)
        self._notifiers[incoming.link, incoming.token] = notifier
        return notifier

    def _incoming_of(self, request: Request) -> Incoming:
        if self._serving is not None and self._serving.request is request:
            return self._serving
        for incoming in self._answering:
            if incoming.request is request:
                return incoming
        raise ValueError("a notifier belongs to a request that is being answered")

    def notify(self, link: Link, token: bytes, response: Response, *, confirmable: bool) -> None:
        """See `Notifier`."""
        self._engine.notify(link, token, response, self._loop.time(), confirmable=confirmable)
        self.flush()

    def is_observed(self, link: Link, token: bytes) -> bool:
        """See `Notifier`."""
        return self._engine.is_observed(link, token)

    # --- events ---

    def _on_event(self, event: Event) -> None:
        match event:
            case ResponseArrived(handle, response):
                future = self._waiting.pop(handle, None)
                if future is not None and not future.done():
                    future.set_result(response)
            case RequestFailed(handle, error):
                future = self._waiting.pop(handle, None)
                if future is not None and not future.done():
                    future.set_exception(error)
            case Notified():
                self._on_notification(event)
            case ObserverGone(link, token):
                self._notifiers.pop((link, token), None)

    def _on_notification(self, news: Notified) -> None:
        key = news.link, news.token
        on_notification = self._observing.pop(key, None) if news.ended else self._observing.get(key)
        if on_notification is None:
            return
        try:
            on_notification(news.outcome)
        except Exception:
            _log.exception("notification_handler_failed", remote=news.link.remote)

    # --- associations ---

    def opened(self, link: Link) -> bool:
        """An association began. False when the application does not take it."""
        self._engine.open(link)
        return notified(self._on_open, link)

    def closed(self, link: Link, reason: str) -> None:
        """An association ended."""
        self._engine.close(link, AssociationLost(reason))
        self.flush()
        notified(self._on_close, link)

    async def close(self) -> None:
        """Handlers in progress are cancelled, waiting requests have failed."""
        answering = list(self._answering.values())
        self._answering.clear()
        for future in answering:
            future.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()


async def _awaited(answer: Awaitable[Response]) -> Response:
    return await answer
