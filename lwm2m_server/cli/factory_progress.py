"""How far a production run is: a bar on a terminal, else a line now and then, on the error output."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

_PAUSE = 5.0
"""Seconds between two lines."""


@contextmanager
def showing(done: int, total: int) -> Iterator[Callable[[int], None]]:
    """Give a function that is told how many certificates are there; `done` of them are from an earlier run."""
    if sys.stderr.isatty():
        yield from _bar(done, total)
    else:
        yield _lines(done, total)


def _bar(done: int, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    started = time.monotonic()
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]:.0f}/s"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", completed=done, total=total, rate=0.0)

        def tell(count: int) -> None:
            rate = (count - done) / max(time.monotonic() - started, 0.001)
            progress.update(task, completed=count, rate=rate)

        yield tell


def _lines(done: int, total: int) -> Callable[[int], None]:
    started = written = time.monotonic()

    def tell(count: int) -> None:
        nonlocal written
        now = time.monotonic()
        if now - written >= _PAUSE or count == total:
            written = now
            rate = (count - done) / max(now - started, 0.001)
            typer.echo(f"{count} of {total} certified, {rate:.0f}/s", err=True)

    return tell
