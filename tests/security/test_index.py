"""The page of the security tests names one for each number, and each it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", (ROOT / "docs/reference/security-tests.md").read_text(), re.MULTILINE)
NAMED = [name for _, where in ROWS for name in re.findall(r"`(tests/[^`]+)`", where)]


def test_every_number_has_a_row() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, 46))


@pytest.mark.parametrize(("number", "where"), ROWS)
def test_a_row_names_a_test_or_says_what_it_waits_for(number: str, where: str) -> None:
    assert "`tests/" in where or "*later*" in where


@pytest.mark.parametrize("name", NAMED)
def test_the_named_test_is_there(name: str) -> None:
    path, _, test = name.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    defined = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    assert test in defined
