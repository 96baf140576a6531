"""A UDP relay that loses, repeats and reorders datagrams between clients and a server.

`python -m lwm2m_server.testing.relay --listen 127.0.0.1:5690 --to 127.0.0.1:5684 --loss 0.1 --seed 7`

Clients talk to the relay's address; each gets an upstream socket of its own, so the server sees one address per
client. Every datagram, in either direction, is lost, repeated or held back with probability `loss` each.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
from typing import Any, Final, Self

Address = tuple[str, int]

MAX_CLIENTS: Final = 10_000
IDLE: Final = 600.0
"""Seconds after which a silent client's upstream socket is closed."""


class Disturbance:
    """Decides what happens to a datagram; equal seeds give equal decisions."""

    def __init__(self, *, loss: float, seed: int, hold: float = 0.05) -> None:
        if not 0 <= loss < 1:
            raise ValueError("loss is a share: at least 0, below 1")
        self._loss = loss
        self._hold = hold
        self._rng = random.Random(seed)  # noqa: S311 - a test must be repeatable

    def delays(self) -> list[float]:
        """After how many seconds each copy of the next datagram is passed on; an empty list loses it."""
        if self._rng.random() < self._loss:
            return []
        copies = 2 if self._rng.random() < self._loss else 1
        return [self._rng.random() * self._hold if self._rng.random() < self._loss else 0.0 for _ in range(copies)]


class Relay(asyncio.DatagramProtocol):
    """The clients' side; start it with `Relay.start`."""

    def __init__(self, target: Address, disturbance: Disturbance) -> None:
        self._target = target
        self.disturbance = disturbance
        self._loop = asyncio.get_running_loop()
        self._upstreams: dict[Address, _Upstream] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._transport: Any = None

    @classmethod
    async def start(cls, listen: Address, target: Address, *, loss: float, seed: int) -> Self:
        """Listen; port 0 takes a free one. Raises OSError."""
        relay = cls(target, Disturbance(loss=loss, seed=seed))
        await relay._loop.create_datagram_endpoint(lambda: relay, local_addr=listen)
        return relay

    @property
    def address(self) -> Address:
        """What clients connect to."""
        host, port = self._transport.get_extra_info("sockname")[:2]
        return host, port

    def connection_made(self, transport: Any) -> None:
        """The public socket is ready."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """From a client towards the server."""
        client = (addr[0], addr[1])
        upstream = self._upstreams.get(client)
        if upstream is not None:
            upstream.forward(data)
        elif len(self._upstreams) < MAX_CLIENTS:
            self._upstreams[client] = upstream = _Upstream(self, client)
            upstream.forward(data)
            task = self._loop.create_task(upstream.open(self._target))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def to_client(self, data: bytes, client: Address) -> None:
        """From the server towards a client."""
        self.pass_on(self._transport, data, client)

    def pass_on(self, transport: Any, data: bytes, destination: Address | None) -> None:
        """Send now, later, twice or never."""
        for delay in self.disturbance.delays():
            self._loop.call_later(delay, _send, transport, data, destination)

    def forget(self, client: Address) -> None:
        """The client was silent for long."""
        upstream = self._upstreams.pop(client, None)
        if upstream is not None:
            upstream.close()

    async def close(self) -> None:
        """Close all sockets."""
        self._transport.close()
        for task in list(self._opening):
            task.cancel()
        for client in list(self._upstreams):
            self.forget(client)


class _Upstream(asyncio.DatagramProtocol):
    """One client's socket towards the server."""

    def __init__(self, relay: Relay, client: Address) -> None:
        self._relay = relay
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._waiting: list[bytes] = []
        self._active_at = self._loop.time()
        self._idle_timer = self._loop.call_later(IDLE, self._check_idle)

    async def open(self, target: Address) -> None:
        """Open the socket and send what came before."""
        await self._loop.create_datagram_endpoint(lambda: self, remote_addr=target)
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self.forward(data)

    def forward(self, data: bytes) -> None:
        """Pass a client's datagram on."""
        self._active_at = self._loop.time()
        if self._transport is None:
            self._waiting = [*self._waiting[-15:], data]
        else:
            self._relay.pass_on(self._transport, data, None)

    def connection_made(self, transport: Any) -> None:
        """The upstream socket is ready."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """From the server."""
        self._active_at = self._loop.time()
        self._relay.to_client(data, self._client)

    def error_received(self, exc: Exception) -> None:
        """The server is not there at the moment: lost, like any other datagram."""

    def _check_idle(self) -> None:
        remaining = self._active_at + IDLE - self._loop.time()
        if remaining <= 0:
            self._relay.forget(self._client)
        else:
            self._idle_timer = self._loop.call_later(remaining, self._check_idle)

    def close(self) -> None:
        """Close the socket."""
        self._idle_timer.cancel()
        if self._transport is not None:
            self._transport.close()


def _send(transport: Any, data: bytes, destination: Address | None) -> None:
    if not transport.is_closing():
        transport.sendto(data, destination)


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 0xFFFF:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


async def _run(listen: Address, target: Address, loss: float, seed: int) -> None:
    relay = await Relay.start(listen, target, loss=loss, seed=seed)
    print(f"relaying {relay.address[0]}:{relay.address[1]} to {target[0]}:{target[1]}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await relay.close()


def main() -> None:
    """Run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="A UDP relay that loses, repeats and reorders datagrams.")
    parser.add_argument("--listen", type=_address, required=True, metavar="HOST:PORT", help="where clients connect")
    parser.add_argument("--to", type=_address, required=True, metavar="HOST:PORT", help="the server behind")
    parser.add_argument("--loss", type=float, default=0.1, help="share lost, repeated and held back (0.1)")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal decisions (0)")
    arguments = parser.parse_args()
    asyncio.run(_run(arguments.listen, arguments.to, arguments.loss, arguments.seed))


if __name__ == "__main__":
    main()
