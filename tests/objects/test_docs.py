"""The reference page says what the definitions say, and its examples run."""

from __future__ import annotations

import doctest
from dataclasses import fields
from pathlib import Path as FilePath

import pytest

from objects import MODEL, Operations, arguments, path, values
from objects.attributes import Attributes
from objects.formats import Format

PAGE = FilePath(__file__).parents[2] / "docs" / "reference" / "objects.md"
HOW_TO = PAGE.parents[1] / "how-to" / "add-object-definitions.md"
LETTERS = {Operations.READ: "R", Operations.WRITE: "W", Operations.EXECUTE: "E"}


@pytest.mark.parametrize("name", ["Trust Transfer", "Enrollment", "Fallback"])
def test_every_resource_is_described(name: str) -> None:
    text = PAGE.read_text()
    assert f"### {MODEL[name].id} {name} " in text
    for r in MODEL[name].resources.values():
        operations = "".join(letter for operation, letter in LETTERS.items() if operation in r.operations)
        kind = r.type.value + (", multiple" if r.multiple else "")
        assert f"| {r.id} | {r.name} | {operations} | {kind} | {r.range.text} | {r.description} |" in text


def test_every_attribute_is_listed() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    names = {field.name for field in fields(Attributes)} - {"removed"}
    assert all(any(f"`{name}`" in row.split("|")[1] for row in rows) for name in names)


def test_every_format_is_listed() -> None:
    assert all(f"| {number.value} |" in PAGE.read_text() for number in Format)


def test_examples() -> None:
    assert sum(doctest.testfile(str(page), module_relative=False).failed for page in (PAGE, HOW_TO)) == 0
    assert sum(doctest.testmod(module).failed for module in (path, values, arguments)) == 0
