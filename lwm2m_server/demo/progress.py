"""What a person watching the run sees: one line a step, what it is doing now, how long it took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text


@dataclass(slots=True)
class _Line:
    title: str
    started: float | None = None
    seconds: float | None = None
    detail: str = ""
    failed: bool = False


@dataclass(slots=True)
class Progress:
    """Live on a terminal; plain lines elsewhere, so that a log stays readable."""

    console: Console
    titles: dict[str, str]
    _lines: dict[str, _Line] = field(default_factory=dict)
    _current: str | None = None
    _live: Live | None = None

    @property
    def seconds(self) -> dict[str, float]:
        return {key: round(line.seconds, 2) for key, line in self._lines.items() if line.seconds is not None}

    @contextlib.contextmanager
    def showing(self) -> Iterator[None]:
        self._lines = {key: _Line(title) for key, title in self.titles.items()}
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, get_renderable=self._render, refresh_per_second=8) as live:
            self._live = live
            yield
            live.refresh()
        self._live = None

    @contextlib.contextmanager
    def step(self, key: str) -> Iterator[None]:
        line = self._lines[key]
        line.started = time.monotonic()
        self._current = key
        if self._live is None:
            self.console.print(f"… {line.title}", highlight=False)
        try:
            yield
        except BaseException:
            line.failed = True
            raise
        finally:
            line.seconds = time.monotonic() - line.started
            if self._live is None:
                mark = "✗" if line.failed else "✓"
                self.console.print(Text(f"{mark} {line.title}  {line.seconds:.1f} s  {line.detail}"))

    def detail(self, text: str) -> None:
        """What the running step is doing now; replaces what was said before."""
        if self._current is not None:
            self._lines[self._current].detail = text

    def _render(self) -> Table:
        table = Table(box=None, show_header=False, padding=(0, 1))
        table.add_column(width=2)
        table.add_column()
        table.add_column(justify="right")
        table.add_column(style="dim")
        for line in self._lines.values():
            table.add_row(*self._cells(line))
        return table

    @staticmethod
    def _cells(line: _Line) -> tuple[Text | Spinner, Text, Text, Text]:
        if line.started is None:
            return Text("·", style="dim"), Text(line.title, style="dim"), Text(""), Text("")
        if line.seconds is None:
            elapsed = time.monotonic() - line.started
            return Spinner("dots"), Text(line.title, style="bold"), Text(f"{elapsed:.1f} s"), Text(line.detail)
        mark = Text("✗", style="red") if line.failed else Text("✓", style="green")
        return mark, Text(line.title), Text(f"{line.seconds:.1f} s"), Text(line.detail)
