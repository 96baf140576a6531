"""Many rows at once, on a connection and a thread of their own, beside SQLAlchemy's.

One statement carries many rows: SQLite then works on all of them in one step, during which the event loop's thread
runs. With a step for each row the two threads would hand the interpreter back and forth as often.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

_CHUNK: Final = 64
"""Rows of one statement; what remains goes into statements of 32, 16, … rows, so that few texts are ever prepared."""

Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class ManyRows:
    """A statement that takes any number of rows: `head (?, ?), (?, ?) tail`."""

    head: str
    columns: int
    tail: str = ""

    def text(self, rows: int) -> str:
        """The statement for so many rows."""
        row = f"({', '.join('?' * self.columns)})"
        return f"{self.head} {', '.join([row] * rows)} {self.tail}"


class Batches:
    """Runs batches one after the other; `pragmas` are the connection's settings."""

    def __init__(self, path: Path, pragmas: Iterable[str]) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._path = path
        self._pragmas = tuple(pragmas)
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Sequence[tuple[ManyRows, Sequence[Row]]]) -> None:
        """Carry out everything in one transaction, on the disk when this returns. Raises `sqlite3.Error`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    def close(self) -> None:
        """Give the connection back."""
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _run(self, work: Sequence[tuple[ManyRows, Sequence[Row]]]) -> None:
        connection = self._connection or self._connect()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement, rows in work:
                _execute(connection, statement, rows)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None)
        for pragma in self._pragmas:
            connection.execute(f"PRAGMA {pragma}")
        self._connection = connection
        return connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _execute(connection: sqlite3.Connection, statement: ManyRows, rows: Sequence[Row]) -> None:
    done, size = 0, _CHUNK
    while done < len(rows):
        while size > len(rows) - done:
            size //= 2
        part = rows[done : done + size]
        connection.execute(statement.text(size), tuple(chain.from_iterable(part)))
        done += size
