"""CoAP endpoints over TCP and TLS (RFC 8323): a server with many connections, a client with one."""

from __future__ import annotations

import asyncio
import random
from functools import partial

from secure_coap.association import Association
from secure_coap.channels.dtls import DtlsClientConfig, DtlsServerConfig
from secure_coap.edge.endpoints import Client, Server, nothing_here, opened_or_failed, require_loopback
from secure_coap.edge.streams import StreamDriver
from secure_coap.engine import StreamEngine
from secure_coap.handlers import Claim, Handler, Notify, offered
from secure_coap.limits import CLIENT_LIMITS, SERVER_LIMITS, Limits
from secure_coap.numbers.parameters import STANDARD


class CoapTcpServer(Server):
    """Many connections."""

    @classmethod
    async def bind(
        cls,
        host: str,
        port: int,
        *,
        tls: DtlsServerConfig | None,
        handler: Handler,
        limits: Limits = SERVER_LIMITS,
        on_open: Notify | None = None,
        on_close: Notify | None = None,
        on_stray: Claim | None = None,
        nosec_anywhere: bool = False,
    ) -> CoapTcpServer:
        """Listen; port 0 takes a free one. As `CoapServer.bind`; `tls` needs certificates and knows no shared keys.

        Raises OSError, or ValueError for a bad configuration.
        """
        if tls is None and not nosec_anywhere:
            require_loopback(host)
        claim = partial(offered, on_stray) if on_stray is not None else None
        engine = StreamEngine(rng=random.SystemRandom(), parameters=STANDARD, limits=limits, claim=claim)
        driver = StreamDriver(engine, tls=tls, handler=handler, limits=limits, on_open=on_open, on_close=on_close)
        await driver.listen(host, port)
        return cls(driver)


class CoapTcpClient(Client):
    """One connection to one server."""

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        *,
        tls: DtlsClientConfig | None,
        handler: Handler | None = None,
        limits: Limits = CLIENT_LIMITS,
        on_close: Notify | None = None,
    ) -> CoapTcpClient:
        """Connect and finish the handshake. Raises `HandshakeFailed` or OSError.

        `handler` answers the server's requests; without one they get 4.04.
        """
        opened: asyncio.Future[Association] = asyncio.get_running_loop().create_future()
        engine = StreamEngine(rng=random.SystemRandom(), parameters=STANDARD, limits=limits)
        driver = StreamDriver(
            engine,
            tls=tls,
            handler=handler or nothing_here,
            limits=limits,
            on_open=opened.set_result,
            on_close=on_close,
        )
        await driver.connect(host, port)
        return cls(driver, await opened_or_failed(driver, opened, driver.closed_reason))
