"""The reference page says what the definitions say, and its examples run."""

from __future__ import annotations

import doctest
from pathlib import Path as FilePath

import pytest

from objects import MODEL, Operations, arguments, path, values
from objects.formats import Format

PAGE = FilePath(__file__).parents[2] / "docs" / "reference" / "objects.md"
LETTERS = {Operations.READ: "R", Operations.WRITE: "W", Operations.EXECUTE: "E"}


@pytest.mark.parametrize("name", ["Trust Transfer", "Enrollment", "Fallback"])
def test_every_resource_is_described(name: str) -> None:
    text = PAGE.read_text()
    assert f"### {MODEL[name].id} {name} " in text
    for r in MODEL[name].resources.values():
        operations = "".join(letter for operation, letter in LETTERS.items() if operation in r.operations)
        kind = r.type.value + (", multiple" if r.multiple else "")
        assert f"| {r.id} | {r.name} | {operations} | {kind} | {r.range.text} | {r.description} |" in text


def test_every_format_is_listed() -> None:
    assert all(f"| {number.value} |" in PAGE.read_text() for number in Format)


def test_examples() -> None:
    assert doctest.testfile(str(PAGE), module_relative=False).failed == 0
    assert sum(doctest.testmod(module).failed for module in (path, values, arguments)) == 0
