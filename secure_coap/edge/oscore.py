"""CoAP protected by OSCORE: as over every channel, and sequence numbers are stored before they are used."""

from __future__ import annotations

import asyncio
import socket

import structlog

from secure_coap.channels.oscore import OscoreClient, OscoreServer
from secure_coap.channels.oscore.stored import Reservation
from secure_coap.edge.protected import ProtectedDriver
from secure_coap.engine import Engine
from secure_coap.errors import HandshakeFailed
from secure_coap.handlers import Handler, Notify
from secure_coap.limits import Limits

_log = structlog.get_logger(__name__)


class OscoreDriver(ProtectedDriver):
    """The store of the channel keeps the numbers of contexts that were given beforehand."""

    def __init__(
        self,
        bound: socket.socket,
        engine: Engine,
        channel: OscoreServer | OscoreClient,
        *,
        handler: Handler,
        limits: Limits,
        on_open: Notify | None = None,
        on_close: Notify | None = None,
    ) -> None:
        self._oscore = channel
        self._reserving: set[asyncio.Task[None]] = set()
        super().__init__(bound, engine, channel, handler=handler, limits=limits, on_open=on_open, on_close=on_close)

    def send_all(self) -> None:
        """See `Driver`."""
        super().send_all()
        for reservation in self._oscore.reservations():
            task = self._loop.create_task(self._reserve(reservation))
            self._reserving.add(task)
            task.add_done_callback(self._reserving.discard)
        self._pump(self._loop.time())  # a context may have ended with its last number

    async def _reserve(self, reservation: Reservation) -> None:
        store, stored = self._oscore.store, False
        assert store is not None
        try:
            await store.reserve(reservation.name, reservation.below)
            stored = True
        except Exception:
            _log.exception("oscore_numbers_not_reserved", context=reservation.name)
        now = self._loop.time()
        self._oscore.reserved(reservation, now, stored=stored)
        self._pump(now)
        self.flush()

    async def renew_keys(self) -> None:
        """Run EDHOC once more within the association of a client. Raises `HandshakeFailed` or ValueError."""
        if not isinstance(self._oscore, OscoreClient):
            raise ValueError("the peer that began an association renews its keys")  # noqa: TRY004
        outcome: asyncio.Future[str | None] = self._loop.create_future()

        def renewed(reason: str | None) -> None:
            if not outcome.done():
                outcome.set_result(reason)

        self._oscore.renew(renewed, self._loop.time())
        self.flush()
        reason = await outcome
        if reason is not None:
            raise HandshakeFailed(reason)

    async def close(self) -> None:
        """Close everything; numbers that are being stored stay unused."""
        await super().close()
        for task in list(self._reserving):
            task.cancel()
        await asyncio.gather(*self._reserving, return_exceptions=True)
