"""CoAP endpoints on asyncio UDP sockets: a server with many associations, a client with one."""

from __future__ import annotations

import asyncio
import ipaddress
import random
from collections.abc import Collection
from functools import partial

from secure_coap.association import Address, Association
from secure_coap.channels.dtls import DtlsClient, DtlsClientConfig, DtlsServer, DtlsServerConfig
from secure_coap.counters import Counters
from secure_coap.edge.datagrams import bind_udp, connect_udp
from secure_coap.edge.plain import PlainDriver
from secure_coap.edge.protected import ProtectedDriver
from secure_coap.engine import AddressProof, Engine
from secure_coap.errors import HandshakeFailed, NotFound
from secure_coap.exchange import Request, Response
from secure_coap.handlers import Claim, Handler, Notify, offered
from secure_coap.limits import CLIENT_LIMITS, SERVER_LIMITS, Limits
from secure_coap.notifier import Notifier
from secure_coap.numbers.parameters import STANDARD, TransmissionParameters
from secure_coap.observation import Observation, OnNotification

AnyDriver = PlainDriver | ProtectedDriver


class CoapServer:
    """Many associations on one UDP socket."""

    def __init__(self, driver: AnyDriver) -> None:
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
        on_stray: Claim | None = None,
        prove_addresses: bool = True,
        nosec_anywhere: bool = False,
    ) -> CoapServer:
        """Open the socket; port 0 takes a free one.

        `handler` answers requests; it may raise `CoapError`. `on_open` and `on_close` are called for every verified
        association, before its first and after its last request; `on_stray` is called before a notification of an
        unknown token is rejected, and may `adopt` its observation. Without `dtls` the host must be a loopback address
        (security rule 30) unless `nosec_anywhere` says that anyone may read and forge everything, and large answers to
        unproven addresses ask for an Echo first (RFC 9175) unless `prove_addresses` is off for peers that do not know
        it. Raises OSError, or ValueError for a bad configuration.
        """
        rng = random.SystemRandom()
        if dtls is None and not nosec_anywhere:
            _require_loopback(host)
        proof = AddressProof(rng.randbytes(32)) if dtls is None and prove_addresses else None
        claim = partial(offered, on_stray) if on_stray is not None else None
        engine = Engine(rng=rng, parameters=parameters, limits=limits, proof=proof, claim=claim)
        channel = DtlsServer(dtls, rng, limits, engine.counters) if dtls is not None else None
        bound = await bind_udp(host, port)
        driver: AnyDriver
        if channel is not None:
            driver = ProtectedDriver(
                bound, engine, channel, handler=handler, limits=limits, on_open=on_open, on_close=on_close
            )
        else:
            driver = PlainDriver(
                bound, engine, handler=handler, parameters=parameters, limits=limits, on_open=on_open, on_close=on_close
            )
        return cls(driver)

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

    def associate(self, remote: Address) -> Association:
        """The association with an address, without security: known from before a restart, or to be asked first.

        Raises ValueError over DTLS, where only the peer can begin, and `TransportError` when all places are taken.
        """
        if not isinstance(self._driver, PlainDriver):
            raise ValueError("only without security can an association begin with an address: wait for the peer")  # noqa: TRY004
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


class CoapClient:
    """One association to one server."""

    def __init__(self, driver: AnyDriver, association: Association) -> None:
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
        bound = await connect_udp(host, port)
        remote = (bound.getpeername()[0], bound.getpeername()[1])
        engine = Engine(rng=rng, parameters=parameters, limits=limits)
        handler = handler or _nothing_here
        if dtls is None:
            plain = PlainDriver(
                bound, engine, handler=handler, parameters=parameters, limits=limits, on_close=on_close, remote=remote
            )
            return cls(plain, plain.associate(remote))
        channel = DtlsClient(dtls, rng, limits)
        opened: asyncio.Future[Association] = loop.create_future()
        driver = ProtectedDriver(
            bound, engine, channel, handler=handler, limits=limits, on_open=opened.set_result, on_close=on_close
        )
        channel.connect(remote, loop.time())
        driver.flush()
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


async def _opened_or_failed(driver: ProtectedDriver, opened: asyncio.Future[Association]) -> Association:
    """Wait for the handshake; however it fails, the socket is closed."""
    try:
        await asyncio.wait((opened, driver.closed_reason), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not opened.done():
            await driver.close()
    if not opened.done():
        raise HandshakeFailed(driver.closed_reason.result())
    return opened.result()


def _nothing_here(request: Request, association: Association) -> Response:
    raise NotFound


def _require_loopback(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(f"CoAP without DTLS is for loopback only, not for {host!r}: configure dtls, or bind 127.0.0.1")
