"""Which device is reachable over which session, and requests to it.

Registrations survive a restart; sessions do not, except that without security an address is all there is to one. After
a restart, or while a device sleeps, it has no session: a request waits for it as long as its caller allows, then fails
with `DeviceOffline`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from lwm2m_server.protocol.errors import AnswerUnusable
from secure_coap.association import Association
from secure_coap.errors import AssociationLost, RequestTimeout, ResponseRejected, ResponseTooLarge, TransportError
from secure_coap.exchange import Request, Response
from secure_coap.observation import Observation, OnNotification


class DeviceOffline(Exception):
    """The device has no live session, or did not answer. Whether it acted on the request is not known."""


class NotConnected(DeviceOffline):
    """The device has no live session, or sleeps: nothing was sent."""


class CoapEndpoint(Protocol):
    """The part of `secure_coap.endpoint.CoapServer` that is needed here."""

    def holds(self, association: Association) -> bool:
        """Whether an association is one of this endpoint's, and open."""

    async def request(
        self,
        association: Association,
        request: Request,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Response:
        """Send a request over an association."""

    async def observe(
        self,
        association: Association,
        request: Request,
        on_notification: OnNotification,
        *,
        token: bytes | None = None,
    ) -> tuple[Response, Observation]:
        """Observe over an association."""

    def adopt(
        self, association: Association, token: bytes, request: Request, on_notification: OnNotification
    ) -> Observation:
        """Take up an observation begun earlier."""

    def drop(self, association: Association) -> None:
        """Close an association."""


class Sessions:
    """Sessions by endpoint name, over all CoAP endpoints; one per device, the one it was last heard over.

    Without security there is nothing to close: an anonymous association may stand for several devices. `asleep`:
    whether a device is known not to listen now; `on_answer` hears of every device that has answered; `recall` opens the
    session of one that has none, where its registration is enough to reach it.
    """

    def __init__(
        self,
        asleep: Callable[[str], bool] = lambda _: False,
        on_answer: Callable[[str], None] = lambda _: None,
        recall: Callable[[str], Association | None] = lambda _: None,
    ) -> None:
        self._asleep = asleep
        self._on_answer = on_answer
        self._recall = recall
        self._silent: set[str] = set()
        self._coap: list[CoapEndpoint] = []
        self._sessions: dict[str, Association] = {}
        self._endpoints: dict[Association, str] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def add(self, coap: CoapEndpoint) -> None:
        """Devices may come over this CoAP endpoint, too."""
        self._coap.append(coap)

    def attach(self, endpoint: str, association: Association) -> None:
        """The device has just been heard over this session; an earlier one of its ends."""
        previous = self._sessions.get(endpoint)
        if previous is association:
            self._arrived(endpoint)
            return
        self._sessions[endpoint] = association
        self._endpoints[association] = endpoint
        self._silent.discard(endpoint)
        if previous is not None and previous.peer is not None and (coap := self._holder(previous)) is not None:
            coap.drop(previous)
        self._arrived(endpoint)

    def _arrived(self, endpoint: str) -> None:
        if self._waiting:
            for arrival in self._waiting.pop(endpoint, ()):
                if not arrival.done():
                    arrival.set_result(None)

    def detach(self, association: Association) -> None:
        """A session ended; a newer one of the same device stays."""
        endpoint = self._endpoints.pop(association, None)
        if endpoint is not None and self._sessions.get(endpoint) is association:
            del self._sessions[endpoint]

    def is_online(self, endpoint: str) -> bool:
        """Whether there is a session that has not failed."""
        return endpoint in self._sessions

    def session(self, endpoint: str) -> Association | None:
        """The device's session."""
        return self._sessions.get(endpoint)

    def endpoint_of(self, association: Association) -> str | None:
        """The device last heard over an association."""
        endpoint = self._endpoints.get(association)
        return endpoint if endpoint is not None and self._sessions.get(endpoint) is association else None

    def forget(self, endpoint: str) -> None:
        """The device's registration has ended; its session may stay open, but nothing is sent over it any more."""
        association = self._sessions.pop(endpoint, None)
        self._silent.discard(endpoint)
        if association is not None and self._endpoints.get(association) == endpoint:
            del self._endpoints[association]

    async def request(
        self,
        endpoint: str,
        request: Request,
        *,
        wait: float = 0,
        timeout: float | None = None,  # noqa: ASYNC109 - the outcome is DeviceOffline, like that of the protocol
    ) -> Response:
        """Send a request, waiting up to `wait` seconds for the device to appear and `timeout` for its answer.

        Raises `DeviceOffline`, or `AnswerUnusable` when the answer breaks the protocol.
        """
        async with self._used(endpoint, wait, patient=timeout is None) as association:
            return await self._holding(association).request(association, request, timeout=timeout)

    async def observe(
        self,
        endpoint: str,
        request: Request,
        on_notification: OnNotification,
        *,
        token: bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> tuple[Response, Observation]:
        """Begin or refresh an observation over the device's session. Raises like `request`."""
        async with self._used(endpoint, 0, patient=timeout is None) as association:
            holder = self._holding(association)
            try:
                async with asyncio.timeout(timeout):
                    return await holder.observe(association, request, on_notification, token=token)
            except TimeoutError:
                raise RequestTimeout("no answer in time") from None

    def adopt(self, endpoint: str, token: bytes, request: Request, on_notification: OnNotification) -> Observation:
        """Take notifications with this token over the device's session. Raises `DeviceOffline`."""
        association = self._sessions.get(endpoint)
        try:
            if association is None:
                raise AssociationLost("not connected")
            return self._holding(association).adopt(association, token, request, on_notification)
        except TransportError as error:
            raise DeviceOffline(f"{endpoint}: {error}") from error

    @contextlib.asynccontextmanager
    async def _used(self, endpoint: str, wait: float, *, patient: bool) -> AsyncIterator[Association]:
        """The device's session; what fails over it becomes an error of the device.

        `patient`: the protocol's own patience counts, so that a timeout says that the device is not there.
        """
        association = await self.appear(endpoint, wait)
        try:
            yield association
        except (ResponseRejected, ResponseTooLarge) as error:
            raise AnswerUnusable(f"{endpoint}: {error}") from error
        except TransportError as error:
            gone = isinstance(error, AssociationLost) or (patient and isinstance(error, RequestTimeout))
            # Not dropped: the device may still use the session, and is attached again when it does.
            if gone and self._sessions.get(endpoint) is association:
                del self._sessions[endpoint]
                self._silent.add(endpoint)
            raise DeviceOffline(f"{endpoint} did not answer: {error}") from error
        self._on_answer(endpoint)

    async def request_over(self, association: Association, request: Request) -> Response:
        """Send a request to whoever is behind an association, registered or not; raises `TransportError`."""
        return await self._holding(association).request(association, request)

    async def _arrival(self, endpoint: str, wait: float) -> None:
        """Return when the device is heard, or after `wait` seconds."""
        arrival: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(endpoint, []).append(arrival)
        try:
            await asyncio.wait([arrival], timeout=wait)
        finally:
            others = self._waiting.get(endpoint, [])
            if arrival in others:
                others.remove(arrival)
                if not others:
                    del self._waiting[endpoint]

    async def appear(self, endpoint: str, wait: float) -> Association:
        """The device's session, waiting up to `wait` seconds for one, or for it to wake; raises `NotConnected`."""
        if endpoint not in self._sessions and endpoint not in self._silent:
            with contextlib.suppress(TransportError):  # no room for one more: it comes by itself
                if (recalled := self._recall(endpoint)) is not None:
                    self.attach(endpoint, recalled)
        if wait > 0 and (endpoint not in self._sessions or self._asleep(endpoint)):
            await self._arrival(endpoint, wait)
        association = self._sessions.get(endpoint)
        if association is None:
            raise NotConnected(f"{endpoint} is not connected; it is reached when it registers or updates")
        if self._asleep(endpoint):
            raise NotConnected(f"{endpoint} sleeps; wait for it to wake, or enqueue the operation")
        return association

    def _holder(self, association: Association) -> CoapEndpoint | None:
        return next((coap for coap in self._coap if coap.holds(association)), None)

    def _holding(self, association: Association) -> CoapEndpoint:
        """Raises `AssociationLost` when the association has been closed."""
        coap = self._holder(association)
        if coap is None:
            raise AssociationLost("the association is closed")
        return coap
