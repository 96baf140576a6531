"""A datagram network in virtual time that loses, repeats, delays and reorders; equal seeds give equal runs."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from lwm2m_server.testing.clock import VirtualClock

Receive = Callable[[bytes, Hashable], object]
"""Called with a datagram and its sender's address."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Shares between 0 and 1, times in seconds. A reordered datagram is delayed by up to `reorder_delay` more."""

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    latency: float = 0.05
    jitter: float = 0.01
    reorder_delay: float = 1.0


@dataclass(slots=True)
class Counts:
    """What the network did."""

    sent: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0


class LossyNetwork:
    """Addresses are any hashable values. `conditions` may be changed while it runs."""

    def __init__(self, clock: VirtualClock, *, seed: int, conditions: Conditions) -> None:
        self._clock = clock
        self._rng = random.Random(seed)  # noqa: S311 - a simulation must be repeatable
        self._receivers: dict[Hashable, Receive] = {}
        self.conditions = conditions
        self.counts = Counts()

    def attach(self, address: Hashable, receive: Receive) -> None:
        """Deliver what is sent to `address` to `receive`, from now on."""
        self._receivers[address] = receive

    def detach(self, address: Hashable) -> None:
        """What is sent to `address`, or is on its way to it, vanishes."""
        self._receivers.pop(address, None)

    def send(self, datagram: bytes, source: Hashable, destination: Hashable) -> None:
        """Put a datagram on its way."""
        self.counts.sent += 1
        if self._rng.random() < self.conditions.loss:
            self.counts.lost += 1
            return
        self._deliver_later(datagram, source, destination)
        if self._rng.random() < self.conditions.duplicate:
            self.counts.duplicated += 1
            self._deliver_later(datagram, source, destination)

    def _deliver_later(self, datagram: bytes, source: Hashable, destination: Hashable) -> None:
        delay = self.conditions.latency + self._rng.random() * self.conditions.jitter
        if self._rng.random() < self.conditions.reorder:
            self.counts.reordered += 1
            delay += self._rng.random() * self.conditions.reorder_delay
        self._clock.call_later(delay, lambda: self._deliver(datagram, source, destination))

    def _deliver(self, datagram: bytes, source: Hashable, destination: Hashable) -> None:
        receive = self._receivers.get(destination)
        if receive is not None:
            receive(datagram, source)
