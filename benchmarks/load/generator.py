"""The load on an LwM2M server, as a process of its own: JSON orders on standard input, JSON counts on the output.

A fleet of devices registers and updates, one request per device at a time, in the mix of 1 registration to 3 updates.
No asyncio: the load has to outrun the server it measures. Every answer's code, token and location are checked; a
request without answer within `PATIENCE` is lost, nothing is sent twice.
"""

from __future__ import annotations

import json
import select
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from benchmarks.load.datagrams import (
    EMPTY_ACKNOWLEDGEMENT,
    MESSAGE_ID,
    PIGGYBACKED,
    SEPARATE,
    TOKEN,
    handle,
    registration,
    update,
)
from benchmarks.load.socket import open_socket, source
from secure_coap.numbers import Code

UPDATES_PER_REGISTRATION: Final = 3
PATIENCE: Final = 20.0
"""Seconds after which a request is lost."""
LIFETIME: Final = 86400


class Kind(StrEnum):
    """What the devices do."""

    MIX = "mix"
    REGISTER = "register"
    UPDATE = "update"
    """Those that are registered."""


@dataclass(slots=True)
class Counts:
    """What one order came to."""

    registered: int = 0
    updated: int = 0
    wrong: int = 0
    """Answers of another code or without location."""
    lost: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def answered(self) -> int:
        return self.registered + self.updated


class Fleet:
    """The devices, their sockets' ancillary data and their next datagrams."""

    def __init__(self, size: int) -> None:
        self.server = ("127.0.0.1", 0)
        self._socket = open_socket()
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._sources = [source(device) for device in range(size)]
        self._registrations = [registration(device, LIFETIME) for device in range(size)]
        self._updates: list[bytearray | None] = [None] * size
        self._left = [0] * size
        """Updates to send before the device registers anew."""
        self._message_ids = [0] * size
        self._sent_at = [0.0] * size
        """When the outstanding request went; 0 without one."""
        self._ready = deque(range(size))

    def run(self, requests: int, window: int, rate: float | None = None, kind: Kind = Kind.MIX) -> Counts:
        """Send that many requests, at most `window` at a time and at most `rate` per second; wait for all answers."""
        counts = Counts()
        begun = time.perf_counter()
        sent = outstanding = 0
        looked_at = begun
        while sent < requests or outstanding:
            allowed = min(requests - sent, window - outstanding)
            if rate is not None:
                allowed = min(allowed, int((time.perf_counter() - begun) * rate) + 1 - sent)
            for _ in range(min(allowed, len(self._ready))):
                self._send(self._ready.popleft(), kind)
                sent += 1
                outstanding += 1
            received = self._receive(counts)
            outstanding -= received
            if not received:
                self._poll.poll(1)
                if time.perf_counter() > looked_at + 1:
                    looked_at = time.perf_counter()
                    outstanding -= self._give_up(counts)
        counts.seconds = time.perf_counter() - begun
        return counts

    def _send(self, device: int, kind: Kind) -> None:
        update = self._updates[device]
        if update is None or kind is Kind.REGISTER or (kind is Kind.MIX and not self._left[device]):
            datagram, self._left[device] = self._registrations[device], 0
        else:
            datagram, self._left[device] = update, self._left[device] or 1
        message_id = self._message_ids[device] = (self._message_ids[device] + 1) & 0xFFFF
        datagram[MESSAGE_ID] = message_id.to_bytes(2)
        self._sent_at[device] = time.perf_counter()
        while True:
            try:
                self._socket.sendmsg((datagram,), self._sources[device], 0, self.server)
            except BlockingIOError:
                continue
            return

    def _receive(self, counts: Counts) -> int:
        """Take what has come; how many requests that ends."""
        ended = 0
        receive = self._socket.recv
        sent_at = self._sent_at
        try:
            while True:
                datagram = receive(2048)
                now = time.perf_counter()
                device = int.from_bytes(datagram[TOKEN])
                if datagram[0] != PIGGYBACKED and not self._separate(datagram, device):
                    counts.wrong += datagram[:2] != EMPTY_ACKNOWLEDGEMENT
                    continue
                if device >= len(sent_at) or not sent_at[device]:
                    continue  # the repetition of a separate response
                counts.latencies.append(now - sent_at[device])
                sent_at[device] = 0.0
                self._ready.append(device)
                ended += 1
                self._take(device, datagram, counts)
        except BlockingIOError:
            return ended

    def _separate(self, datagram: bytes, device: int) -> bool:
        """Acknowledge a response that comes by itself; whether this is one."""
        if datagram[0] != SEPARATE or device >= len(self._sources):
            return False
        acknowledgement = EMPTY_ACKNOWLEDGEMENT + datagram[MESSAGE_ID]
        self._socket.sendmsg((acknowledgement,), self._sources[device], 0, self.server)
        return True

    def _take(self, device: int, datagram: bytes, counts: Counts) -> None:
        if self._left[device]:
            if datagram[1] == Code.CHANGED:
                counts.updated += 1
                self._left[device] -= 1
            else:
                counts.wrong += 1
                self._left[device] = 0
        elif (location := handle(datagram)) is not None:
            counts.registered += 1
            first = self._updates[device] is None
            self._updates[device] = update(device, location)
            # The first round is of different lengths, so that the fleet does not register in waves.
            self._left[device] = device % (UPDATES_PER_REGISTRATION + 1) if first else UPDATES_PER_REGISTRATION
        else:
            counts.wrong += 1

    def _give_up(self, counts: Counts) -> int:
        """Count requests that wait too long as lost."""
        before = time.perf_counter() - PATIENCE
        late = [device for device, sent in enumerate(self._sent_at) if 0 < sent < before]
        for device in late:
            self._sent_at[device] = 0.0
            self._left[device] = 0
            self._ready.append(device)
        counts.lost += len(late)
        return len(late)


def percentile(sorted_values: list[float], share: float) -> float:
    """The value that `share` of all do not exceed; 0.0 without values."""
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))] if sorted_values else 0.0


def main() -> None:
    """One fleet of as many devices as the argument says, then one run per line."""
    fleet = Fleet(int(sys.argv[1]))
    for line in sys.stdin:
        order = json.loads(line)
        fleet.server = ("127.0.0.1", order["port"])
        counts = fleet.run(order["requests"], order["window"], order.get("rate"), Kind(order.get("kind", Kind.MIX)))
        latencies = sorted(counts.latencies)
        result = {name: getattr(counts, name) for name in ("registered", "updated", "wrong", "lost", "seconds")}
        result |= {f"p{share}": percentile(latencies, share / 100) for share in (50, 99, 99.9)}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
