"""DTLS handshakes with an LwM2M server, as a process of its own: JSON orders on standard input, counts on the output.

Each handshake comes from an address of its own, so that its session stays open at the server.
"""

from __future__ import annotations

import json
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from benchmarks.load.socket import FIRST_ADDRESS, IP_PKTINFO, open_socket, source
from device_pki.identity import PeerIdentity
from secure_coap.channels.base import Opened
from secure_coap.channels.dtls import DtlsClient, DtlsClientConfig
from secure_coap.limits import CLIENT_LIMITS

PATIENCE: Final = 20.0
"""Seconds after which a handshake is lost."""
_LOOK: Final = 0.05
"""Seconds between looks at the clients' timers."""


@dataclass(slots=True)
class _Handshake:
    """One in progress, and from where."""

    client: DtlsClient
    device: int
    begun: float


class Clients:
    """At most `places` handshakes at a time, each with the next configuration."""

    def __init__(self, port: int, places: int, configs: Iterator[DtlsClientConfig]) -> None:
        self._server = ("127.0.0.1", port)
        self._socket = open_socket()
        self._socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._rng = random.SystemRandom()
        self._places = places
        self._configs = configs
        self._busy: dict[int, _Handshake] = {}
        self._device = 0

    def run(self, handshakes: int) -> dict[str, int]:
        """That many, begun as places become free."""
        finished = begun = lost = 0
        looked_at = time.monotonic()
        while begun < handshakes or self._busy:
            while len(self._busy) < self._places and begun < handshakes:
                self._begin()
                begun += 1
            finished += self._receive()
            if time.monotonic() > looked_at + _LOOK:
                looked_at = time.monotonic()
                lost += self._look(looked_at)
            self._poll.poll(_LOOK * 1000)
        return {"finished": finished, "lost": lost}

    def _begin(self) -> None:
        client = DtlsClient(next(self._configs), self._rng, CLIENT_LIMITS)
        begun = self._busy[self._device] = _Handshake(client, self._device, time.monotonic())
        self._device += 1
        client.connect(self._server, begun.begun)
        self._send(begun)

    def _send(self, handshake: _Handshake) -> None:
        for _, datagram in handshake.client.datagrams():
            self._socket.sendmsg((datagram,), source(handshake.device), 0, self._server)

    def _receive(self) -> int:
        """Take what has come; how many handshakes that finishes."""
        finished = 0
        try:
            while True:
                datagram, ancillary, _, _ = self._socket.recvmsg(4096, 64)
                (_, address) = struct.unpack_from("@i4x4s", ancillary[0][2])
                handshake = self._busy.get(int.from_bytes(address) - FIRST_ADDRESS - 1)
                if handshake is None:
                    continue
                handshake.client.receive(datagram, self._server, time.monotonic())
                self._send(handshake)
                if any(isinstance(event, Opened) for event in handshake.client.events()):
                    del self._busy[handshake.device]
                    finished += 1
        except BlockingIOError:
            return finished

    def _look(self, now: float) -> int:
        """Repeat lost flights; how many handshakes are lost."""
        late = [device for device, handshake in self._busy.items() if now - handshake.begun > PATIENCE]
        for device in late:
            del self._busy[device]
        for handshake in self._busy.values():
            handshake.client.timer(now)
            self._send(handshake)
        return len(late)


def _configs(order: dict[str, Any]) -> Iterator[DtlsClientConfig]:
    """One for each handshake. The server's certificate is taken as it is: its check is not what is measured."""
    if "keys" in order:
        return (DtlsClientConfig(psk=(name, bytes.fromhex(key))) for name, key in order["keys"].items())
    chain = x509.load_pem_x509_certificates(order["certificate"].encode())
    key = load_pem_private_key(order["private_key"].encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    server = PeerIdentity(chain[0], (chain[0],), b"", None)
    return repeat(DtlsClientConfig(chain, key, lambda _: server))


def main() -> None:
    """The clients, then one run per line."""
    order = json.loads(sys.stdin.readline())
    clients = Clients(order["port"], order["places"], _configs(order))
    for line in sys.stdin:
        print(json.dumps(clients.run(json.loads(line)["handshakes"])), flush=True)


if __name__ == "__main__":
    main()
