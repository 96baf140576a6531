"""What every endpoint offers the application, whatever carries its messages."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection

from secure_coap.association import Address, Association
from secure_coap.counters import Counters
from secure_coap.edge.driver import Driver
from secure_coap.errors import HandshakeFailed, NotFound
from secure_coap.exchange import Request, Response
from secure_coap.notifier import Notifier
from secure_coap.observation import Observation, OnNotification


class Server:
    """Many associations."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    @property
    def address(self) -> Address:
        """Where the socket is bound."""
        return self._driver.local_address

    @property
    def counters(self) -> Counters:
        """What happened since the socket was opened."""
        return self._driver.counters

    @property
    def associations(self) -> Collection[Association]:
        """The open ones."""
        return self._driver.associations

    def holds(self, association: Association) -> bool:
        """Whether the association is one of this endpoint's, and open."""
        return self._driver.holds(association)

    async def request(
        self,
        association: Association,
        request: Request,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the outcome is RequestTimeout, like that of the protocol
    ) -> Response:
        """Send a request to the peer over its own association. Raises `TransportError`; `timeout` in seconds."""
        return await self._driver.request(association, request, timeout)

    async def observe(
        self,
        association: Association,
        request: Request,
        on_notification: OnNotification,
        *,
        token: bytes | None = None,
    ) -> tuple[Response, Observation]:
        """Ask for a resource and for news of it (RFC 7641); `token` (1 to 8 bytes) is random unless given.

        `on_notification` hears of each newer state, assembled, in order. The observation is `active` when the peer
        agreed: its response is a success and has `observe`. Raises `TransportError`.
        """
        return await self._driver.observe(association, request, on_notification, token)

    def adopt(
        self, association: Association, token: bytes, request: Request, on_notification: OnNotification
    ) -> Observation:
        """Take up an observation begun before a restart, or over another association. Raises `TransportError`."""
        return self._driver.adopt(association, token, request, on_notification)

    def notifier(self, request: Request) -> Notifier | None:
        """For a handler that is asked with Observe 0 and lets the peer observe: call it before answering.

        None when the peer does not ask to observe, or observes too much already. The response is the first
        notification if it is a success.
        """
        return self._driver.notifier(request)

    def drop(self, association: Association) -> None:
        """Close one association with an alert; its outstanding requests fail with `AssociationLost`."""
        self._driver.drop(association, "dropped by the application")

    async def close(self) -> None:
        """Close all associations and the socket."""
        await self._driver.close()


class Client:
    """One association to one server."""

    def __init__(self, driver: Driver, association: Association) -> None:
        self._driver = driver
        self._association = association

    @property
    def association(self) -> Association:
        """The one association."""
        return self._association

    @property
    def address(self) -> Address:
        """Where the socket is bound."""
        return self._driver.local_address

    async def request(
        self,
        request: Request,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the outcome is RequestTimeout, like that of the protocol
    ) -> Response:
        """Send a request. Raises `TransportError`; `timeout` in seconds."""
        return await self._driver.request(self._association, request, timeout)

    async def observe(self, request: Request, on_notification: OnNotification) -> tuple[Response, Observation]:
        """Ask for a resource and for news of it, like `CoapServer.observe`. Raises `TransportError`."""
        return await self._driver.observe(self._association, request, on_notification, None)

    def notifier(self, request: Request) -> Notifier | None:
        """See `Server.notifier`."""
        return self._driver.notifier(request)

    async def close(self) -> None:
        """Say goodbye and close the socket."""
        await self._driver.close()


async def opened_or_failed(
    driver: Driver, opened: asyncio.Future[Association], closed_reason: asyncio.Future[str]
) -> Association:
    """Wait for the handshake; however it fails, the socket is closed."""
    try:
        await asyncio.wait((opened, closed_reason), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not opened.done():
            await driver.close()
    if not opened.done():
        raise HandshakeFailed(closed_reason.result())
    return opened.result()


def nothing_here(request: Request, association: Association) -> Response:
    raise NotFound


def require_loopback(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(f"CoAP without DTLS is for loopback only, not for {host!r}: configure dtls, or bind 127.0.0.1")
