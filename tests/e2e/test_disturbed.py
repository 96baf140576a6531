"""The end is the same when processes are killed at random moments and when datagrams are lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.demo_run import assert_everybody_is_where_it_should_be, run_demo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_processes_are_killed(seed: int, tmp_path: Path) -> None:
    assert_everybody_is_where_it_should_be(run_demo(tmp_path / "run", "--chaos", str(seed)), 6)


def test_a_tenth_of_the_datagrams_is_lost_repeated_and_reordered(tmp_path: Path) -> None:
    assert_everybody_is_where_it_should_be(run_demo(tmp_path / "run", "--loss", "0.1"), 6)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10, 22))
def test_processes_are_killed_while_datagrams_are_lost(seed: int, tmp_path: Path) -> None:
    run = run_demo(
        tmp_path / "run", "--chaos", str(seed), "--loss", "0.05", "--hierarchy", "abcd"[seed % 4], devices=12
    )
    assert_everybody_is_where_it_should_be(run, 6)
