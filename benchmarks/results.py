"""One schema for every result, its JSON file and its table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks import machine

RESULTS: Final = Path(__file__).with_name("results")


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing measured on both sides: all its samples, and their medians."""

    name: str
    unit: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    """Empty where the peer has nothing like it."""
    more_is_better: bool
    goal: str = ""
    """What the figure is to reach, in words."""

    @property
    def our_median(self) -> float:
        """The middle one of our samples."""
        return median(self.ours)

    @property
    def their_median(self) -> float | None:
        """The middle one of the peer's."""
        return median(self.theirs) if self.theirs else None

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer: above 1 is better."""
        if not self.their_median or not self.our_median:
            return None
        quotient = self.our_median / self.their_median
        return quotient if self.more_is_better else 1 / quotient


@dataclass(frozen=True, slots=True)
class Result:
    """One benchmark's figures, with whom they compare us and how they came about."""

    benchmark: str
    title: str
    peer: str
    configuration: dict[str, str]
    figures: tuple[Figure, ...]
    machine: dict[str, str] = field(default_factory=machine.description)

    def save(self, folder: Path = RESULTS) -> Path:
        """Write `<benchmark>.json`."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.benchmark}.json"
        content = asdict(self)
        for figure, written in zip(self.figures, content["figures"], strict=True):
            written |= {"our_median": figure.our_median, "their_median": figure.their_median, "ratio": figure.ratio}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        return path


def load(folder: Path = RESULTS) -> list[Result]:
    """The saved results, by name."""
    return [_result(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(folder.glob("*.json"))]


def _result(content: dict[str, Any]) -> Result:
    figures = tuple(
        Figure(one["name"], one["unit"], tuple(one["ours"]), tuple(one["theirs"]), one["more_is_better"], one["goal"])
        for one in content["figures"]
    )
    return Result(**content | {"figures": figures})


def print_table(result: Result) -> None:
    """Both columns and the ratio."""
    console = Console()
    table = Table(title=result.title, title_justify="left", caption_justify="left")
    for column in ("", "unit", "ours", result.peer, "ratio", "goal"):
        table.add_column(column, justify="left" if column in {"", "unit", "goal"} else "right")
    for figure in result.figures:
        theirs, ratio = figure.their_median, figure.ratio
        table.add_row(
            figure.name,
            figure.unit,
            number(figure.our_median),
            "" if theirs is None else number(theirs),
            "" if ratio is None else f"{ratio:.2f} x",
            figure.goal,
        )
    console.print(table)
    for name, value in result.configuration.items():
        console.print(f"  {name}: {value}", highlight=False, soft_wrap=True)


def number(value: float) -> str:
    """Three digits that count, or all of a whole number."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def samples(values: Sequence[float]) -> tuple[float, ...]:
    """Rounded for the file."""
    return tuple(float(f"{value:.6g}") for value in values)
