"""A UDP relay between devices and one server that loses, repeats and reorders datagrams, or falls silent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from tests.device_client.pki import HOST

Address = tuple[str, int]
HOLD = 0.02
"""Seconds a reordered datagram is held back."""


class Relay(asyncio.DatagramProtocol):
    """Listens for devices; each of them gets a socket of its own towards the server."""

    transport: asyncio.DatagramTransport

    def __init__(self, target: Address, share: float, seed: int) -> None:
        self._target = target
        self._share = share
        self._rng = random.Random(seed)
        self._outgoing: dict[Address, asyncio.DatagramTransport] = {}
        self._tasks: set[asyncio.Future[None]] = set()
        self.silent = False

    @property
    def port(self) -> int:
        port: int = self.transport.get_extra_info("sockname")[1]
        return port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        task = asyncio.ensure_future(self._forward(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, data: bytes, device: Address) -> None:
        if device not in self._outgoing:
            loop = asyncio.get_running_loop()
            self._outgoing[device], _ = await loop.create_datagram_endpoint(
                lambda: _Back(self, device), remote_addr=self._target
            )
        outgoing = self._outgoing[device]
        self.disturb(lambda: outgoing.sendto(data))

    def disturb(self, send: Callable[[], None]) -> None:
        """Send never, later, twice or now."""
        chance = self._rng.random()
        if self.silent or chance < self._share:
            return
        if chance < 2 * self._share:
            asyncio.get_running_loop().call_later(HOLD, send)
            return
        send()
        if chance < 3 * self._share:
            send()

    def close(self) -> None:
        self.transport.close()
        for outgoing in self._outgoing.values():
            outgoing.close()


class _Back(asyncio.DatagramProtocol):
    def __init__(self, relay: Relay, device: Address) -> None:
        self._relay = relay
        self._device = device

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._relay.disturb(lambda: self._relay.transport.sendto(data, self._device))

    def error_received(self, exc: Exception) -> None:
        """Nobody listens behind the relay: a device notices by its silence."""


@asynccontextmanager
async def relay_to(target: Address, share: float = 0.0, seed: int = 1) -> AsyncIterator[Relay]:
    """`share` of the datagrams are lost, as many held back and as many doubled."""
    loop = asyncio.get_running_loop()
    _, relay = await loop.create_datagram_endpoint(lambda: Relay(target, share, seed), local_addr=(HOST, 0))
    try:
        yield relay
    finally:
        relay.close()
