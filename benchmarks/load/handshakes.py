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
from dataclasses import dataclass
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
class _Place:
    """A client that makes one handshake after the other, and from where."""

    client: DtlsClient
    device: int = -1
    begun: float = 0.0


class Clients:
    """As many handshakes at a time as there are places."""

    def __init__(self, port: int, configs: list[DtlsClientConfig]) -> None:
        self._server = ("127.0.0.1", port)
        self._socket = open_socket()
        self._socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        rng = random.SystemRandom()
        self._idle = [_Place(DtlsClient(config, rng, CLIENT_LIMITS)) for config in configs]
        self._busy: dict[int, _Place] = {}
        self._device = 0

    def run(self, handshakes: int) -> dict[str, int]:
        """That many, begun as places become free."""
        finished = begun = lost = 0
        looked_at = time.monotonic()
        while begun < handshakes or self._busy:
            while self._idle and begun < handshakes:
                self._begin(self._idle.pop())
                begun += 1
            finished += self._receive()
            if time.monotonic() > looked_at + _LOOK:
                looked_at = time.monotonic()
                lost += self._look(looked_at)
            self._poll.poll(_LOOK * 1000)
        return {"finished": finished, "lost": lost}

    def _begin(self, place: _Place) -> None:
        place.device, place.begun = self._device, time.monotonic()
        self._device += 1
        self._busy[place.device] = place
        place.client.connect(self._server, place.begun)
        self._send(place)

    def _send(self, place: _Place) -> None:
        for _, datagram in place.client.datagrams():
            self._socket.sendmsg((datagram,), source(place.device), 0, self._server)

    def _receive(self) -> int:
        """Take what has come; how many handshakes that finishes."""
        finished = 0
        try:
            while True:
                datagram, ancillary, _, _ = self._socket.recvmsg(4096, 64)
                (_, address) = struct.unpack_from("@i4x4s", ancillary[0][2])
                place = self._busy.get(int.from_bytes(address) - FIRST_ADDRESS - 1)
                if place is None:
                    continue
                place.client.receive(datagram, self._server, time.monotonic())
                self._send(place)
                if any(isinstance(event, Opened) for event in place.client.events()):
                    self._free(place)
                    finished += 1
        except BlockingIOError:
            return finished

    def _free(self, place: _Place) -> None:
        del self._busy[place.device]
        self._idle.append(place)

    def _look(self, now: float) -> int:
        """Repeat lost flights; how many handshakes are lost."""
        late = [place for place in self._busy.values() if now - place.begun > PATIENCE]
        for place in late:
            self._free(place)
        for place in self._busy.values():
            place.client.timer(now)
            self._send(place)
        return len(late)


def _configs(order: dict[str, Any]) -> list[DtlsClientConfig]:
    """One for each place. The server's certificate is taken as it is: its check is not what is measured."""
    if "keys" in order:
        return [DtlsClientConfig(psk=(name, bytes.fromhex(key))) for name, key in order["keys"].items()]
    chain = x509.load_pem_x509_certificates(order["certificate"].encode())
    key = load_pem_private_key(order["private_key"].encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    server = PeerIdentity(chain[0], (chain[0],), b"", None)
    return [DtlsClientConfig(chain, key, lambda _: server) for _ in range(order["places"])]


def main() -> None:
    """The clients, then one run per line."""
    order = json.loads(sys.stdin.readline())
    clients = Clients(order["port"], _configs(order))
    for line in sys.stdin:
        print(json.dumps(clients.run(json.loads(line)["handshakes"])), flush=True)


if __name__ == "__main__":
    main()
