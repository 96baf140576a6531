"""Small calls that come in thousands: carried out together, on a connection and a thread of their own.

What comes while one transaction is under way goes into the next, so a lone call waits for nothing and many share one
sync. A call is a plain function of a `sqlite3` connection: through SQLAlchemy and aiosqlite each statement costs about
a millisecond of processor time, here a hundredth of that.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final, TypeVar

from lwm2m_server.store.own_connection import OwnConnection

T = TypeVar("T")

Call = Callable[[sqlite3.Connection], Any]
MOST: Final = 256
"""Calls of one transaction."""


class Grouped:
    """Carries out calls; each succeeds or fails by itself, and what a failed one wrote is undone.

    `begin` is how a transaction begins; `turn` is held while one is under way, for those who write.
    """

    def __init__(self, path: Path, pragmas: Iterable[str], begin: str, turn: asyncio.Lock | None = None) -> None:
        self._own = OwnConnection(path, pragmas, "grouped")
        self._begin = begin
        self._turn = turn
        self._waiting: list[tuple[Call, asyncio.Future[Any]]] = []
        self._working: asyncio.Task[None] | None = None

    async def run(self, call: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `call` returns, once its transaction is on the disk; raise what it raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append((call, future))
        if self._working is None:
            self._working = loop.create_task(self._work(), name="grouped calls")
        return await future

    def close(self) -> None:
        """Give the connection back; once more is nothing."""
        self._own.close()

    async def _work(self) -> None:
        try:
            while self._waiting:
                async with self._turn or nullcontext():
                    group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                    outcomes = await self._outcomes([call for call, _ in group])
                for (_, future), (result, error) in zip(group, outcomes, strict=True):
                    if future.cancelled():
                        continue
                    if error is None:
                        future.set_result(result)
                    else:
                        future.set_exception(error)
        finally:
            self._working = None

    async def _outcomes(self, calls: list[Call]) -> list[tuple[Any, BaseException | None]]:
        try:
            return await self._own.run(self._carry_out, calls)
        except RuntimeError as error:  # closed
            return [(None, error)] * len(calls)

    def _carry_out(self, calls: list[Call]) -> list[tuple[Any, BaseException | None]]:
        """One transaction. When it cannot begin or end, no call has happened, and each is told why."""
        try:
            connection = self._own.get()
            connection.execute(self._begin)
        except sqlite3.Error as error:
            return [(None, error)] * len(calls)
        outcomes = [self._one(connection, call) for call in calls]
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            connection.execute("ROLLBACK")
            return [(None, error)] * len(calls)
        return outcomes

    @staticmethod
    def _one(connection: sqlite3.Connection, call: Call) -> tuple[Any, BaseException | None]:
        connection.execute("SAVEPOINT one")
        try:
            result = call(connection)
        except Exception as error:
            connection.execute("ROLLBACK TO one")
            connection.execute("RELEASE one")
            return None, error
        connection.execute("RELEASE one")
        return result, None
