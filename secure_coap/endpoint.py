"""CoAP endpoints on asyncio UDP sockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from secure_coap.association import Address, Association
from secure_coap.channels.config import DtlsClientConfig, DtlsServerConfig
from secure_coap.exchange import Request, Response
from secure_coap.limits import CLIENT_LIMITS, Limits
from secure_coap.numbers.parameters import TransmissionParameters

Handler = Callable[[Request, Association], Awaitable[Response]]
Notify = Callable[[Association], None]


class CoapServer:
    """Many associations on one UDP socket."""

    @classmethod
    async def bind(
        cls,
        host: str,
        port: int,
        *,
        dtls: DtlsServerConfig | None,
        handler: Handler,
        parameters: TransmissionParameters = TransmissionParameters(),
        limits: Limits = Limits(),
        on_open: Notify | None = None,
        on_close: Notify | None = None,
    ) -> CoapServer:
        """Open the socket. Without `dtls` the host must be a loopback address (security rule 30)."""
        raise NotImplementedError

    @property
    def address(self) -> Address:
        """Where the socket is bound."""
        raise NotImplementedError

    @property
    def associations(self) -> Collection[Association]:
        """The open ones."""
        raise NotImplementedError

    async def request(self, association: Association, request: Request, *, timeout: float | None = None) -> Response:
        """Send a request to the peer over its own association. Raises `TransportError`; `timeout` in seconds."""
        raise NotImplementedError

    def drop(self, association: Association) -> None:
        """Close one association with an alert; its outstanding requests fail with `AssociationLost`."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close all associations and the socket."""
        raise NotImplementedError


class CoapClient:
    """One association to one server."""

    @classmethod
    async def connect(
        cls,
        host: str,
        port: int,
        *,
        dtls: DtlsClientConfig | None,
        handler: Handler | None = None,
        parameters: TransmissionParameters = TransmissionParameters(),
        limits: Limits = CLIENT_LIMITS,
        on_close: Notify | None = None,
    ) -> CoapClient:
        """Resolve, open a socket and finish the handshake. Raises `HandshakeFailed` or OSError."""
        raise NotImplementedError

    @property
    def association(self) -> Association:
        """The one association."""
        raise NotImplementedError

    async def request(self, request: Request, *, timeout: float | None = None) -> Response:
        """Send a request. Raises `TransportError`; `timeout` in seconds."""
        raise NotImplementedError

    async def close(self) -> None:
        """Say goodbye and close the socket."""
        raise NotImplementedError
