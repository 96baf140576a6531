"""Counts UDP payload both ways as a device sees it: a relay between it and a server that changes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from lwm2m_server.testing.relay import Address, Relay

_SETTLED: Final = 0.005
"""Seconds without a datagram after which an operation that has ended sends nothing any more."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """One UDP payload."""

    sent: bool
    """By the device."""
    data: bytes


class Tap(Relay):
    """Keeps the datagrams that passed since the last `take`."""

    _seen: list[Datagram]

    @classmethod
    async def between(cls, server: Address) -> Tap:
        """A tap in front of a server on loopback; devices connect to its `address`."""
        tap = await cls.start(("127.0.0.1", 0), server, loss=0.0, seed=0)
        assert isinstance(tap, Tap)
        tap._seen = []
        return tap

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """From a device."""
        self._seen.append(Datagram(sent=True, data=data))
        super().datagram_received(data, addr)

    def to_client(self, data: bytes, client: Address) -> None:
        """From the server."""
        self._seen.append(Datagram(sent=False, data=data))
        super().to_client(data, client)

    async def take(self) -> list[Datagram]:
        """What passed since the last call, once nothing passes any more."""
        known = -1
        while known != len(self._seen):
            known = len(self._seen)
            await asyncio.sleep(_SETTLED)
        taken, self._seen = self._seen, []
        return taken
