"""A plain `sqlite3` connection on a thread of its own, beside SQLAlchemy's."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Argument = TypeVar("Argument")


class OwnConnection:
    """Opened by the first work; `pragmas` are its settings, `name` is the thread's."""

    def __init__(self, path: Path, pragmas: Iterable[str], name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._path = path
        self._pragmas = tuple(pragmas)
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Callable[[Argument], T], argument: Argument) -> T:
        """Have `work` done on the thread. Raises what it raises, and RuntimeError once this is closed."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, argument)

    def get(self) -> sqlite3.Connection:
        """The connection, for work on the thread. Raises `sqlite3.Error`."""
        if self._connection is None:
            connection = sqlite3.connect(self._path, isolation_level=None)
            for pragma in self._pragmas:
                connection.execute(f"PRAGMA {pragma}")
            self._connection = connection
        return self._connection

    def close(self) -> None:
        """Give the connection back; once more is nothing."""
        if self._connection is not None:
            self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
