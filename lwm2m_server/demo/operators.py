"""The people of the story: they type commands, and look at what their own server says.

Every order is a real command. Looking is done through the admin API directly, because it is done often. A command that
fails because a server is being restarted is typed again, as a person would; all of them may be repeated.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from lwm2m_server.demo.layout import HOST, Layout
from lwm2m_server.demo.processes import CommandFailed, Supervisor, program, run
from lwm2m_server.demo.world import SERVER

DEVICE = program("lwm2m-device")
POLL_SECONDS = 0.15
TYPE_AGAIN_SECONDS = 0.3
PATIENCE_SECONDS = 240.0


class StoryFailed(Exception):
    """Something that should have come about did not; the message says what, and what was seen last."""


class Operator:
    """The operator of one service provider."""

    def __init__(self, name: str, layout: Layout) -> None:
        self.name = name
        self._layout = layout
        self._http = httpx.AsyncClient(
            base_url=f"http://{HOST}:{layout.ports.get(f'{name}/admin')}/api/v1", timeout=30, trust_env=False
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def order(self, *words: str) -> Any:
        """Type `lwm2m-server WORDS … -o json`; returns what it printed."""
        return json.loads(await insist(self.command(*words)))

    def command(self, *words: str) -> list[str]:
        return [SERVER, *words, "--config", str(self._layout.config(self.name)), "-o", "json"]

    async def look(self, path: str, **query: str) -> Any:
        """GET a page of the admin API; None while the server does not answer."""
        try:
            token = (self._layout.organisation(self.name) / "operator.token").read_text().strip()
            answer = await self._http.get(path, params=query, headers={"authorization": f"Bearer {token}"})
        except (httpx.TransportError, FileNotFoundError):
            return None
        return answer.json() if answer.status_code == httpx.codes.OK else None

    async def transfer(self, cti: str) -> dict[str, dict[str, Any]]:
        """The transfer's devices by endpoint name, as this provider's book has them; empty while it does not answer."""
        page = await self.look(f"/transfers/{cti}")
        return {} if page is None else {device["endpoint"]: device for device in page["devices"]}


async def insist(argv: list[str]) -> str:
    """Run a command until it succeeds; gives up after a while with what it said last."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return await run(argv)
        except CommandFailed as error:
            if time.monotonic() > deadline or error.code == 2:
                raise
            await asyncio.sleep(TYPE_AGAIN_SECONDS)


async def devices_say(directory: Path) -> dict[str, dict[str, Any]]:
    """What the devices' own files say, by endpoint name."""
    printed = await run([DEVICE, "status", "--data", str(directory), "-o", "json"])
    return {device["endpoint"]: device for device in json.loads(printed)}


async def until(
    what: str, condition: Callable[[], Awaitable[Any]], supervisor: Supervisor, patience: float = PATIENCE_SECONDS
) -> None:
    """Wait until `condition` answers True; other answers are told when patience (seconds) ends.

    Raises `StoryFailed`.
    """
    deadline = time.monotonic() + patience
    while (seen := await condition()) is not True:
        supervisor.check()
        if time.monotonic() > deadline:
            raise StoryFailed(f"{what}: not after {patience:.0f} s; seen last: {seen}")
        await asyncio.sleep(POLL_SECONDS)
