"""The whole life cycle in each CA hierarchy of the paper's Fig. 1, and what a run leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.demo_run import assert_everybody_is_where_it_should_be, run_demo
from tests.e2e.kept_messages import check_messages

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480)]


@pytest.mark.parametrize("hierarchy", ["a", "b", "c", "d"])
def test_every_hierarchy(hierarchy: str, tmp_path: Path) -> None:
    run = run_demo(tmp_path / "run", "--hierarchy", hierarchy)
    assert_everybody_is_where_it_should_be(run, 6)
    check_messages(run.messages, devices=6)


def test_update_before_enrollment(tmp_path: Path) -> None:
    run = run_demo(tmp_path / "run", "--update-first", devices=4)
    assert_everybody_is_where_it_should_be(run, 4)


def test_plain_form(tmp_path: Path) -> None:
    run = run_demo(tmp_path / "run", "--form", "plain", devices=4)
    assert_everybody_is_where_it_should_be(run, 4)
    check_messages(run.messages, devices=4)
