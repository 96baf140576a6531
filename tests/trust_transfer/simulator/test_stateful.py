"""Hypothesis drives the same world step by step, and shrinks what it finds."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.trust_transfer.simulator.network import Faults
from tests.trust_transfer.simulator.world import Terms, World

TERMS = st.builds(
    Terms,
    delay=st.sampled_from((-50, 5, 50)),
    length=st.sampled_from((60, 400)),
    update_first=st.booleans(),
    beneath=st.booleans(),
    attempts=st.sampled_from((1, 2, 6)),
)
ACTORS = st.sampled_from(("device", "SP1", "SP2", "CA1", "CA2"))
SHARES = st.sampled_from((0.0, 0.2, 0.5))


class DeviceBetweenProviders(RuleBasedStateMachine):
    """Operations, faults and time in any order; the invariants are watched by the world's monitor."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.world = World(seed)
        self.world.run(40)

    @rule(seconds=st.sampled_from((1, 5, 30, 120, 400)))
    def wait(self, seconds: int) -> None:
        self.world.run(seconds)

    @rule(terms=TERMS)
    def transfer(self, terms: Terms) -> None:
        self.world.transfer(terms)

    @rule(terms=TERMS)
    def offer_again(self, terms: Terms) -> None:
        self.world.offer_again(terms)

    @precondition(lambda self: self.world.owner() is not None)
    @rule()
    def withdraw(self) -> None:
        self.world.withdraw()

    @rule()
    def refuse(self) -> None:
        self.world.refuse()

    @rule()
    def fall_back(self) -> None:
        self.world.fall_back()

    @rule(name=ACTORS, seconds=st.sampled_from((1.0, 60.0, 500.0)))
    def switch_off(self, name: str, seconds: float) -> None:
        self.world.actor(name).switch_off(seconds)

    @rule(loss=SHARES, repeat=SHARES, linger=SHARES, crash=st.sampled_from((0.0, 0.1)))
    def disturb(self, loss: float, repeat: float, linger: float, crash: float) -> None:
        self.world.disturb(Faults(loss=loss, repeat=repeat, linger=linger, crash=crash))

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.settle()


TestDeviceBetweenProviders = DeviceBetweenProviders.TestCase
TestDeviceBetweenProviders.settings = settings(
    max_examples=150, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
