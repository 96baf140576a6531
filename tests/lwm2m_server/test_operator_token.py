"""The operator's token: hashed in the store, private in its file, twelve hours long, guessed ten times at most."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import select

from lwm2m_server import problem
from lwm2m_server.api.operator_token import LIFETIME, MAX_FAILURES, RENEW_AFTER, TOKEN_FILE, TokenCheck, renew
from lwm2m_server.store.database import Database
from lwm2m_server.store.tables import operator_tokens


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path / "server.db")
    yield opened
    await opened.close()


def client(database: Database) -> httpx.AsyncClient:
    app = FastAPI(dependencies=[Depends(TokenCheck(database))])
    problem.install(app)

    @app.get("/")
    async def root() -> str:
        return "in"

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


def token(folder: Path) -> str:
    return (folder / TOKEN_FILE).read_text().strip()


async def status(http: httpx.AsyncClient, authorization: str | None) -> int:
    headers = {} if authorization is None else {"authorization": authorization}
    return (await http.get("/", headers=headers)).status_code


async def test_only_the_token_lets_in(database: Database, tmp_path: Path) -> None:
    await renew(database, tmp_path, int(time.time()))
    good = token(tmp_path)
    assert (tmp_path / TOKEN_FILE).stat().st_mode & 0o777 == 0o600
    async with client(database) as http:
        assert await status(http, f"Bearer {good}") == 200
        for wrong in (None, "", "Bearer", f"Basic {good}", f"Bearer {good}x", f"Bearer {good[:-1]}"):
            assert await status(http, wrong) == 401
        assert await status(http, f"bearer {good}") == 200


async def test_the_store_holds_only_a_hash(database: Database, tmp_path: Path) -> None:
    await renew(database, tmp_path, int(time.time()))
    async with database.reading() as connection:
        (row,) = (await connection.execute(select(operator_tokens))).all()
    assert token(tmp_path).encode() not in row.sha256
    await database.close()
    assert token(tmp_path).encode() not in (tmp_path / "server.db").read_bytes()


async def test_a_token_ends_and_is_replaced_before(database: Database, tmp_path: Path) -> None:
    now = int(time.time())
    await renew(database, tmp_path, now - RENEW_AFTER - 60)
    first = token(tmp_path)
    await renew(database, tmp_path, now)
    second = token(tmp_path)
    await renew(database, tmp_path, now)
    assert first != second == token(tmp_path)
    async with client(database) as http:
        assert await status(http, f"Bearer {first}") == 200  # whoever has just read it is not cut off
    await renew(database, tmp_path, now - LIFETIME - 60, at_start=True)
    async with client(database) as http:
        assert await status(http, f"Bearer {token(tmp_path)}") == 401


async def test_guessing_is_stopped(database: Database, tmp_path: Path) -> None:
    await renew(database, tmp_path, int(time.time()))
    async with client(database) as http:
        for _ in range(MAX_FAILURES):
            assert await status(http, "Bearer wrong") == 401
        answer = await http.get("/", headers={"authorization": "Bearer another"})
        assert answer.status_code == 429
        assert answer.headers["content-type"] == "application/problem+json"
        assert await status(http, f"Bearer {token(tmp_path)}") == 200
