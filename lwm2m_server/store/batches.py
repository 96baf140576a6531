"""Many rows at once, on a connection and a thread of their own, beside SQLAlchemy's."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

Row = Sequence[Any]
Work = Sequence[tuple[str, Sequence[Row]]]
"""Statements, each with the rows of parameters it is carried out for."""


class Batches:
    """Carries out batches one after the other; `pragmas` are the connection's settings."""

    def __init__(self, path: Path, pragmas: Iterable[str]) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._path = path
        self._pragmas = tuple(pragmas)
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Work) -> None:
        """Do everything in one transaction, which is on the disk when this returns. Raises `sqlite3.Error`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    def close(self) -> None:
        """Give the connection back; once more is nothing."""
        if self._connection is not None:
            self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _run(self, work: Work) -> None:
        connection = self._connection or self._connect()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement, rows in work:
                connection.executemany(statement, rows)
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
