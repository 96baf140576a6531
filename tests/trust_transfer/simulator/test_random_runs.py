"""Thousands of seeded runs; a failing seed reproduces its run exactly."""

from __future__ import annotations

import os

import pytest

from tests.trust_transfer.simulator import runs
from tests.trust_transfer.simulator.notary import Real

BLOCK = 100
BLOCKS = {"mixed": 10, "dead_receiver": 4, "closed_fallback": 4, "there_and_back": 4, "retries": 4, "torn": 4}
SOAK_RUNS = int(os.environ.get("SOAK_RUNS", "20000"))

CASES = [(name, block * BLOCK) for name, blocks in BLOCKS.items() for block in range(blocks)]


@pytest.mark.parametrize(("name", "first"), CASES)
def test_symbolic_signatures(name: str, first: int) -> None:
    for seed in range(first, first + BLOCK):
        runs.ALL[name](seed)


@pytest.mark.parametrize("name", runs.ALL)
def test_real_signatures(name: str) -> None:
    for seed in range(8):
        runs.ALL[name](seed, Real())


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", runs.ALL)
def test_many_more(name: str) -> None:
    for seed in range(1_000_000, 1_000_000 + SOAK_RUNS):
        runs.ALL[name](seed)


def test_a_seed_is_a_run() -> None:
    """The same seed ends in the same record and the same books."""
    one, two = runs.mixed(7), runs.mixed(7)
    assert one.device.record == two.device.record
    assert [p.entry for p in one.providers.values()] == [p.entry for p in two.providers.values()]


def test_every_outcome_occurs() -> None:
    """The runs are worth something: devices end on both sides, after commits, fallbacks, cancels and missed windows."""
    owners, results, decisions = set(), set(), set()
    for seed in range(150):
        world = runs.mixed(seed)
        owners.add(world.device.record.account.server_uri)
        results.add(world.device.record.result.name)
        decisions |= set(world.monitor.decisions.values())
    assert len(owners) == 2
    assert len(decisions) == 2
    assert {"NONE", "CANCELLED", "WINDOW_MISSED", "FALL_BACK"} <= results
