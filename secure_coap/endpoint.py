"""CoAP endpoints on asyncio UDP sockets: a server with many associations, a client with one."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections.abc import Collection
from typing import Final

from secure_coap.association import Address, Association
from secure_coap.channels.dtls import DtlsClient, DtlsClientConfig, DtlsServer, DtlsServerConfig
from secure_coap.channels.plain import PlainChannel
from secure_coap.driver import Driver
from secure_coap.errors import HandshakeFailed, NotFound
from secure_coap.exchange import Request, Response
from secure_coap.handlers import Handler, Notify
from secure_coap.limits import CLIENT_LIMITS, SERVER_LIMITS, Limits
from secure_coap.numbers.parameters import STANDARD, TransmissionParameters
from secure_coap.observation import Observation, OnNotification

RECEIVE_BUFFER: Final = 4 * 1024 * 1024
"""Bytes of socket buffer asked for, so that a burst of devices is not lost before we read it."""


class CoapServer:
    """Many associations on one UDP socket."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    @classmethod
    async def bind(
        cls,
        host: str,
        port: int,
        *,
        dtls: DtlsServerConfig | None,
        handler: Handler,
        parameters: TransmissionParameters = STANDARD,
        limits: Limits = SERVER_LIMITS,
        on_open: Notify | None = None,
        on_close: Notify | None = None,
        prove_addresses: bool = True,
        nosec_anywhere: bool = False,
    ) -> CoapServer:
        """Open the socket; port 0 takes a free one.

        `handler` answers requests; it may raise `CoapError`. `on_open` and `on_close` are called for every verified
        association, before its first and after its last request. Without `dtls` the host must be a loopback address
        (security rule 30) unless `nosec_anywhere` is set, and large answers to unproven addresses ask for an Echo
        first (RFC 9175) unless `prove_addresses` is off for peers that do not know it. Raises OSError, or ValueError
        for a bad configuration.
        """
        rng = random.SystemRandom()
        if dtls is None and not nosec_anywhere:
            _require_loopback(host)
        driver = Driver(
            DtlsServer(dtls, rng, limits)
            if dtls is not None
            else PlainChannel(rng, associations=limits.associations, accepts=True),
            handler=handler,
            parameters=parameters,
            limits=limits,
            on_open=on_open,
            on_close=on_close,
            proof_secret=rng.randbytes(32) if dtls is None and prove_addresses else None,
        )
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: driver, local_addr=(host, port)
        )
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        return cls(driver)

    @property
    def address(self) -> Address:
        """Where the socket is bound."""
        return self._driver.local_address

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

    def associate(self, remote: Address) -> Association:
        """The association with an address, without security: known from before a restart, or to be asked first.

        Raises ValueError over DTLS, where only the peer can begin, and `TransportError` when all places are taken.
        """
        return self._driver.associate(remote)

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

    def drop(self, association: Association) -> None:
        """Close one association with an alert; its outstanding requests fail with `AssociationLost`."""
        self._driver.drop(association, "dropped by the application")

    async def close(self) -> None:
        """Close all associations and the socket."""
        await self._driver.close()


class CoapClient:
    """One association to one server."""

    def __init__(self, driver: Driver, association: Association) -> None:
        self._driver = driver
        self._association = association

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        *,
        dtls: DtlsClientConfig | None,
        handler: Handler | None = None,
        parameters: TransmissionParameters = STANDARD,
        limits: Limits = CLIENT_LIMITS,
        on_close: Notify | None = None,
    ) -> CoapClient:
        """Resolve, open a socket and finish the handshake. Raises `HandshakeFailed` or OSError.

        `handler` answers the server's requests; without one they get 4.04.
        """
        loop = asyncio.get_running_loop()
        rng = random.SystemRandom()
        channel = DtlsClient(dtls, rng, limits) if dtls else PlainChannel(rng, associations=1, accepts=False)
        opened: asyncio.Future[Association] = loop.create_future()
        driver = Driver(
            channel,
            handler=handler or _nothing_here,
            parameters=parameters,
            limits=limits,
            on_open=opened.set_result,
            on_close=on_close,
        )
        addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        remote = (str(addresses[0][4][0]), port)
        await loop.create_datagram_endpoint(lambda: driver, remote_addr=remote)
        channel.connect(remote, loop.time())
        driver.pump()
        return cls(driver, await _opened_or_failed(driver, opened))

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

    async def close(self) -> None:
        """Say goodbye and close the socket."""
        await self._driver.close()


async def _opened_or_failed(driver: Driver, opened: asyncio.Future[Association]) -> Association:
    """Wait for the handshake; however it fails, the socket is closed."""
    try:
        await asyncio.wait((opened, driver.closed_reason), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not opened.done():
            await driver.close()
    if not opened.done():
        raise HandshakeFailed(driver.closed_reason.result())
    return opened.result()


async def _nothing_here(request: Request, association: Association) -> Response:
    raise NotFound


def _require_loopback(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(f"CoAP without DTLS is for loopback only, not for {host!r}: configure dtls, or bind 127.0.0.1")
