"""What every party is: something that stores, sends, is cut off at any write, and starts again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.trust_transfer.simulator.network import Network, Time


class PowerCut(Exception):
    """Raised at a store write: everything volatile of the actor is gone."""


class Actor:
    """A party with durable state (attributes set inside `write`) and volatile state (set up in `boot`)."""

    def __init__(self, name: str, time: Time, network: Network) -> None:
        self.name = name
        self.time = time
        self.network = network
        self.up = True
        self._boots = 0

    @property
    def rng(self) -> random.Random:
        return self.network.rng

    @property
    def now(self) -> int:
        return int(self.time.now)

    def boot(self) -> None:
        """Begin with nothing but what is stored."""

    def write(self, change: Callable[[], None]) -> None:
        """One atomic store write; the power may be cut just before or just after it."""
        cut = self.rng.random() < self.network.faults.crash
        if cut and self.rng.random() < 0.5:
            raise PowerCut
        change()
        if cut:
            raise PowerCut

    def run(self, act: Callable[[], object]) -> None:
        """Let something happen to this actor, if it is up."""
        if not self.up:
            return
        try:
            act()
        except PowerCut:
            self.switch_off(self.rng.choice((1.0, 10.0, 120.0)))

    def switch_off(self, seconds: float) -> None:
        """Lose everything volatile and start again after a while."""
        if not self.up:
            return
        self.up = False
        self._boots += 1
        self.time.later(seconds, self._start)

    def _start(self) -> None:
        self.up = True
        self.run(self.boot)

    def later(self, delay: float, act: Callable[[], object]) -> None:
        """A volatile timer: it dies with the power."""
        boots = self._boots
        self.time.later(delay, lambda: self.run(act) if self._boots == boots else None)

    def send(self, to: Actor, call: str, *arguments: Any) -> None:
        """A message to another actor: its method `call` with these arguments, some time, perhaps."""
        self.network.send(lambda: to.run(lambda: getattr(to, call)(*arguments)))
