"""CoAP endpoints on asyncio UDP sockets: a server with many associations, a client with one."""

from __future__ import annotations

import asyncio
import random
from functools import partial

from secure_coap.association import Address, Association
from secure_coap.channels.dtls import DtlsClient, DtlsClientConfig, DtlsServer, DtlsServerConfig
from secure_coap.channels.oscore import OscoreClient, OscoreClientConfig, OscoreServer, OscoreServerConfig
from secure_coap.edge.datagrams import bind_udp, connect_udp
from secure_coap.edge.endpoints import Client, Server, nothing_here, opened_or_failed, require_loopback
from secure_coap.edge.oscore import OscoreDriver
from secure_coap.edge.plain import PlainDriver
from secure_coap.edge.protected import ProtectedDriver
from secure_coap.engine import AddressProof, Engine
from secure_coap.engine.client_role import BOUND_TOKEN_BYTES, TOKEN_BYTES
from secure_coap.handlers import Claim, Handler, Notify, offered
from secure_coap.limits import CLIENT_LIMITS, SERVER_LIMITS, Limits
from secure_coap.numbers.parameters import STANDARD, TransmissionParameters


class CoapServer(Server):
    """Many associations on one UDP socket."""

    _driver: PlainDriver | ProtectedDriver

    @classmethod
    async def bind(
        cls,
        host: str,
        port: int,
        *,
        dtls: DtlsServerConfig | None = None,
        oscore: OscoreServerConfig | None = None,
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
        unknown token is rejected, and may `adopt` its observation. Without `dtls` or `oscore` the host must be a
        loopback address (security rule 30) unless `nosec_anywhere` says that anyone may read and forge everything.
        Large answers to unproven addresses ask for an Echo first (RFC 9175) unless `prove_addresses` is off for peers
        that do not know it. Raises OSError, or ValueError for a bad configuration.
        """
        rng = random.SystemRandom()
        if dtls is not None and oscore is not None:
            raise ValueError("a socket has either DTLS or OSCORE")
        if dtls is None and oscore is None and not nosec_anywhere:
            require_loopback(host)
        proof = AddressProof(rng.randbytes(32)) if dtls is None and prove_addresses else None
        claim = partial(offered, on_stray) if on_stray is not None else None
        engine = Engine(
            rng=rng,
            parameters=parameters,
            limits=limits,
            proof=proof,
            claim=claim,
            token_bytes=TOKEN_BYTES if oscore is None else BOUND_TOKEN_BYTES,
        )
        channel = DtlsServer(dtls, rng, limits, engine.counters) if dtls is not None else None
        bound = await bind_udp(host, port)
        driver: PlainDriver | ProtectedDriver
        if channel is not None:
            driver = ProtectedDriver(
                bound, engine, channel, handler=handler, limits=limits, on_open=on_open, on_close=on_close
            )
        elif oscore is not None:
            driver = OscoreDriver(
                bound,
                engine,
                OscoreServer(oscore, rng, parameters, limits, engine.counters),
                handler=handler,
                limits=limits,
                on_open=on_open,
                on_close=on_close,
            )
        else:
            driver = PlainDriver(
                bound, engine, handler=handler, parameters=parameters, limits=limits, on_open=on_open, on_close=on_close
            )
        return cls(driver)

    def associate(self, remote: Address) -> Association:
        """The association with an address, without security: known from before a restart, or to be asked first.

        Raises ValueError over DTLS and OSCORE, where only the peer can begin, and `TransportError` when all places are
        taken.
        """
        if not isinstance(self._driver, PlainDriver):
            raise ValueError("only without security can an association begin with an address: wait for the peer")  # noqa: TRY004
        return self._driver.associate(remote)


class CoapClient(Client):
    """One association to one server over UDP."""

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        *,
        dtls: DtlsClientConfig | None = None,
        oscore: OscoreClientConfig | None = None,
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
        engine = Engine(
            rng=rng,
            parameters=parameters,
            limits=limits,
            token_bytes=TOKEN_BYTES if oscore is None else BOUND_TOKEN_BYTES,
        )
        handler = handler or nothing_here
        if dtls is None and oscore is None:
            plain = PlainDriver(
                bound, engine, handler=handler, parameters=parameters, limits=limits, on_close=on_close, remote=remote
            )
            return cls(plain, plain.associate(remote))
        opened: asyncio.Future[Association] = loop.create_future()
        driver: ProtectedDriver
        if oscore is not None:
            client = OscoreClient(oscore, rng, parameters, limits, engine.counters)
            driver = OscoreDriver(
                bound,
                engine,
                client,
                handler=handler,
                limits=limits,
                on_open=opened.set_result,
                on_close=on_close,
            )
            client.connect(remote, loop.time())
        elif dtls is not None:
            channel = DtlsClient(dtls, rng, limits)
            driver = ProtectedDriver(
                bound, engine, channel, handler=handler, limits=limits, on_open=opened.set_result, on_close=on_close
            )
            channel.connect(remote, loop.time())
        driver.flush()
        return cls(driver, await opened_or_failed(driver, opened, driver.closed_reason))

    async def renew_keys(self) -> None:
        """Agree on new keys by EDHOC; what is going on goes on. Raises `HandshakeFailed`, or ValueError without EDHOC.

        The server has them with the next request.
        """
        if not isinstance(self._driver, OscoreDriver):
            raise ValueError("only OSCORE renews keys within an association")  # noqa: TRY004
        await self._driver.renew_keys()
