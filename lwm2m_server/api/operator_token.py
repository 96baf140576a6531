"""The operator's bearer token: 32 random bytes in `<data>/operator.token` (0600), only its hash in the store.

A token is good for twelve hours; a new one is made in time while the server runs, and at each start. Wrong tokens are
counted: after ten within 15 minutes whoever brings another wrong one waits.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from http import HTTPStatus
from pathlib import Path
from typing import Final

from fastapi import Request
from sqlalchemy import delete, insert, select

from lwm2m_server.problem import Problem
from lwm2m_server.store.database import Database
from lwm2m_server.store.tables import operator_tokens

LIFETIME: Final = 12 * 3600
"""Seconds a token is good for."""
RENEW_AFTER: Final = LIFETIME - 3600
MAX_FAILURES: Final = 10
FAILURE_WINDOW: Final = 15 * 60.0
TOKEN_FILE: Final = "operator.token"  # noqa: S105 - a file's name


async def renew(database: Database, data: Path, now: int, *, at_start: bool = False) -> None:
    """Make a new token when there is none, at a start, or when the newest is about to end."""
    async with database.transaction() as connection:
        await connection.execute(delete(operator_tokens).where(operator_tokens.c.created_at < now - LIFETIME))
        fresh = select(operator_tokens.c.sha256).where(operator_tokens.c.created_at > now - RENEW_AFTER)
        if (await connection.execute(fresh)).first() is not None and not at_start:
            return
        token = secrets.token_urlsafe(32)
        await connection.execute(insert(operator_tokens).values(sha256=_hash(token), created_at=now))
    _write(data / TOKEN_FILE, token)


def _write(path: Path, token: str) -> None:
    """Replace the file whole; it is never readable by others, not even for a moment."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    temporary.replace(path)


class TokenCheck:
    """The FastAPI dependency every route of the admin API has."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._failures: list[float] = []

    async def __call__(self, request: Request) -> None:
        """Raise a 401 or 429 `Problem` unless the request carries a good token.

        Who guesses is stopped; who has the token is not: nobody else may lock the operator out.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and await self._good(token):
            return
        now = time.monotonic()
        self._failures = [at for at in self._failures if now - at < FAILURE_WINDOW]
        if len(self._failures) >= MAX_FAILURES:
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "too many wrong tokens; wait 15 minutes", code="locked")
        self._failures.append(now)
        raise Problem(HTTPStatus.UNAUTHORIZED, f"send the token of <data>/{TOKEN_FILE} as bearer token", code="token")

    async def _good(self, token: str) -> bool:
        known = select(operator_tokens.c.sha256).where(
            operator_tokens.c.sha256 == _hash(token), operator_tokens.c.created_at > int(time.time()) - LIFETIME
        )
        async with self._database.reading() as connection:
            return (await connection.execute(known)).first() is not None


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
