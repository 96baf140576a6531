"""Thousands of seeded runs; a failing seed reproduces its run exactly."""

from __future__ import annotations

import pytest

from tests.trust_transfer.simulator import runs

BLOCK = 100


@pytest.mark.parametrize("first", range(0, 1500, BLOCK))
def test_anything_at_any_time(first: int) -> None:
    for seed in range(first, first + BLOCK):
        runs.mixed(seed)
