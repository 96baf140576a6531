"""The registry's page and the enums have the same numbers."""

from __future__ import annotations

import re
from pathlib import Path

from trust_transfer.messages.numbers import Result, State, Typ

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "registry.md").read_text(encoding="utf-8")


def _section(title: str) -> str:
    return PAGE.partition(f"## {title}")[2].partition("\n## ")[0].partition("\n")[2]


def test_states() -> None:
    listed = re.findall(r"(\d+) ([a-z ]+)", _section("State (33001/1)"))
    assert [(int(number), name.strip().upper().replace(" ", "_")) for number, name in listed] == [
        (state.value, state.name) for state in State
    ]


def test_results() -> None:
    """A code in brackets is CoAP's; every other whole number is a Result."""
    listed, _, _ = _section("Result (33001/2").partition("\nA rejection's")
    numbers = re.findall(r"\b\d+\b", re.sub(r"\([^)]*\)", "", listed))
    assert [int(number) for number in numbers] == sorted(result.value for result in Result)


def test_typ_values() -> None:
    rows = re.findall(r"^\| (Transfer\w+) \| (\d+) \|", PAGE, re.MULTILINE)
    assert {int(number) for _, number in rows} == {typ.value for typ in Typ}
