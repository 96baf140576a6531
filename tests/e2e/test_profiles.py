"""The whole life cycle over EDHOC and OSCORE with C509, and of a fleet in which both profiles meet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.demo_run import assert_everybody_is_where_it_should_be, run_demo
from tests.e2e.kept_messages import check_messages

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480)]


def test_compact_while_datagrams_are_lost_repeated_and_reordered(tmp_path: Path) -> None:
    run = run_demo(tmp_path / "run", "--profile", "compact", "--loss", "0.05", devices=4)
    assert_everybody_is_where_it_should_be(run, 4)


def test_devices_with_dtls_and_compact_ones_move_together_to_a_pinned_key(tmp_path: Path) -> None:
    run = run_demo(tmp_path / "run", "--profile", "mixed", devices=6)
    assert_everybody_is_where_it_should_be(run, 6)
    check_messages(run.messages, devices=6)
