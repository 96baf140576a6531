"""The reference page lists every reason, and its examples run."""

import doctest
from pathlib import Path

from suit import SuitError, SuitReason

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "suit.md"


def test_every_reason_is_explained() -> None:
    text = PAGE.read_text()
    for reason in SuitReason:
        assert f"| `{reason.name}` | {reason.value} | {SuitError(reason).report_reason.name} |" in text


def test_examples() -> None:
    assert doctest.testfile(str(PAGE), module_relative=False).failed == 0
