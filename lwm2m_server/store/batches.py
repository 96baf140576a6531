"""Many rows at once, on a connection and a thread of their own, beside SQLAlchemy's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lwm2m_server.store.own_connection import OwnConnection

Row = Sequence[Any]
Work = Sequence[tuple[str, Sequence[Row]]]
"""Statements, each with the rows of parameters it is carried out for."""


class Batches:
    """Carries out batches one after the other; `pragmas` are the connection's settings."""

    def __init__(self, path: Path, pragmas: Iterable[str]) -> None:
        self._own = OwnConnection(path, pragmas, "batches")

    async def run(self, work: Work) -> None:
        """Do everything in one transaction, which is on the disk when this returns. Raises `sqlite3.Error`."""
        await self._own.run(self._run, work)

    def close(self) -> None:
        """Give the connection back; once more is nothing."""
        self._own.close()

    def _run(self, work: Work) -> None:
        connection = self._own.get()
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement, rows in work:
                connection.executemany(statement, rows)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
