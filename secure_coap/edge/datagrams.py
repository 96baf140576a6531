"""A UDP socket on the event loop: many datagrams per wake, none held back.

The loop's own datagram transport costs more per datagram than the kernel does; reading until nothing is left does not.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from secure_coap.association import Address
from secure_coap.counters import Counters

SOCKET_BUFFER: Final = 4 * 1024 * 1024
"""Bytes of socket buffer asked for, each way, so that a burst of devices is not lost before we read it."""
_AT_ONCE: Final = 64
"""Datagrams read before others on the loop get their turn."""
_LARGEST: Final = 0xFFFF
_WAITING: Final = 4_096
"""Datagrams that may wait for the socket; beyond that they are lost, as UDP may lose them anyway."""


class DatagramSocket:
    """`receive` is called for each datagram, `received` after the last of a wake. Errors of the network are lost
    datagrams: ICMP can be forged and says nothing certain; retransmission decides."""

    def __init__(
        self,
        bound: socket.socket,
        counters: Counters,
        receive: Callable[[bytes, Any, float], None],
        received: Callable[[], None],
    ) -> None:
        self._socket = bound
        self._counters = counters
        self._receive = receive
        self._received = received
        self._waiting: deque[tuple[bytes, Address]] = deque()
        self._send_now = _send_connected(bound) if _is_connected(bound) else bound.sendto
        self._loop = asyncio.get_running_loop()
        bound.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            bound.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
        self._loop.add_reader(bound, self._on_readable)

    @property
    def address(self) -> Address:
        """Where it is bound."""
        host, port, *_ = self._socket.getsockname()
        return host, port

    def _on_readable(self) -> None:
        read, receive, now = self._socket.recvfrom, self._receive, self._loop.time()
        try:
            for _ in range(_AT_ONCE):
                datagram, remote = read(_LARGEST)
                receive(datagram, remote, now)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._counters.send_failures += 1
        self._received()

    def send(self, datagram: bytes, remote: Address) -> None:
        """To `remote`; a connected socket knows only one."""
        if self._waiting:
            self._wait(datagram, remote)
            return
        try:
            self._send_now(datagram, remote)
        except (BlockingIOError, InterruptedError):
            self._loop.add_writer(self._socket, self._on_writable)
            self._wait(datagram, remote)
        except OSError:
            self._counters.send_failures += 1

    def _wait(self, datagram: bytes, remote: Address) -> None:
        if len(self._waiting) < _WAITING:
            self._waiting.append((datagram, remote))
        else:
            self._counters.send_failures += 1

    def _on_writable(self) -> None:
        try:
            while self._waiting:
                self._send_now(*self._waiting[0])
                self._waiting.popleft()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._counters.send_failures += 1
            self._waiting.popleft()
        if not self._waiting:
            self._loop.remove_writer(self._socket)

    def close(self) -> None:
        """No more in or out."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()


def _is_connected(opened: socket.socket) -> bool:
    try:
        opened.getpeername()
    except OSError:
        return False
    return True


def _send_connected(opened: socket.socket) -> Callable[[bytes, Address], int]:
    return lambda datagram, _remote: opened.send(datagram)


async def bind_udp(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises OSError."""
    return await _open(host, port, socket.socket.bind)


async def connect_udp(host: str, port: int) -> socket.socket:
    """A connected socket: the kernel drops what comes from elsewhere. Raises OSError."""
    return await _open(host, port, socket.socket.connect)


async def _open(host: str, port: int, attach: Callable[[socket.socket, Any], None]) -> socket.socket:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, kind, protocol, _, address = found[0]
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setblocking(False)
        attach(opened, address)
    except OSError:
        opened.close()
        raise
    return opened
