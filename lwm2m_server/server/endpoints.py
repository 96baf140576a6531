"""The CoAP endpoints of one LwM2M server, whatever carries the messages: UDP, DTLS, OSCORE, TCP, TLS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import asdict

from secure_coap.association import Address, Association
from secure_coap.channels.dtls import DtlsServerConfig
from secure_coap.channels.oscore import OscoreServerConfig
from secure_coap.edge.endpoints import Server
from secure_coap.endpoint import CoapServer
from secure_coap.handlers import Claim, Handler, Notify
from secure_coap.numbers.parameters import TransmissionParameters
from secure_coap.tcp_endpoint import CoapTcpServer


class CoapEndpoints:
    """Endpoints with one handler. `on_close` and `on_stray`: see `CoapServer.bind`."""

    def __init__(
        self, handler: Handler, parameters: TransmissionParameters, *, on_close: Notify, on_stray: Claim
    ) -> None:
        self._handler = handler
        self._parameters = parameters
        self._on_close = on_close
        self._on_stray = on_stray
        self._all: list[Server] = []
        self._plain: list[CoapServer] = []

    async def bind(
        self,
        host: str,
        port: int,
        dtls: DtlsServerConfig | None,
        oscore: OscoreServerConfig | None,
        *,
        nosec_anywhere: bool,
    ) -> Server:
        """Listen on a UDP address. Raises OSError, or ValueError for a bad configuration."""
        coap = await CoapServer.bind(
            host,
            port,
            dtls=dtls,
            oscore=oscore,
            handler=self._handler,
            parameters=self._parameters,
            on_close=self._on_close,
            on_stray=self._on_stray,
            nosec_anywhere=nosec_anywhere,
        )
        self._all.append(coap)
        if dtls is None and oscore is None:
            self._plain.append(coap)
        return coap

    async def bind_tcp(self, host: str, port: int, tls: DtlsServerConfig | None, *, nosec_anywhere: bool) -> Server:
        """Listen on a TCP address. Raises like `bind`."""
        coap = await CoapTcpServer.bind(
            host,
            port,
            tls=tls,
            handler=self._handler,
            on_close=self._on_close,
            on_stray=self._on_stray,
            nosec_anywhere=nosec_anywhere,
        )
        self._all.append(coap)
        return coap

    @property
    def associations(self) -> Collection[Association]:
        """Every open association."""
        return [association for coap in self._all for association in coap.associations]

    def drop(self, association: Association) -> None:
        """Close an association."""
        for coap in self._all:
            if coap.holds(association):
                coap.drop(association)

    def associate(self, remote: Address) -> Association | None:
        """The association with an address without security, over the first endpoint of its address family."""
        for coap in self._plain:
            if (":" in coap.address[0]) == (":" in remote[0]):
                return coap.associate(remote)
        return None

    def counters(self) -> Counter[str]:
        """What all of them have counted together."""
        counted: Counter[str] = Counter()
        for coap in self._all:
            counted.update(asdict(coap.counters))
        return counted

    async def close(self) -> None:
        """Close all of them."""
        for coap in self._all:
            await coap.close()
