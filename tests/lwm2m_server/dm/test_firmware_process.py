"""Firmware and queues of a server process: kill -9 in the middle loses nothing."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.lwm2m_server.dm.test_process import serving, settings
from tests.lwm2m_server.server.firmware.test_disturbed import LARGE
from tests.lwm2m_server.server.firmware.world import client

CONFIG = ("--config", "server.toml")
IMAGE = LARGE[:400_000]


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, httpx.AsyncClient]]:
    """The process, and its admin API."""
    async with serving(folder, *CONFIG, until=b"dm_ready") as process:
        (port,) = re.findall(r'admin_bind = "127.0.0.1:(\d+)"', (folder / "server.toml").read_text())
        token = (folder / "data" / "operator.token").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        base = f"http://127.0.0.1:{port}/api/v1"
        async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False, timeout=30) as api:
            yield process, api


async def kill(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGKILL)
    await process.wait()


@pytest.mark.parametrize("method", ["push", "pull"])
async def test_in_the_middle_of_a_transfer(tmp_path: Path, method: str) -> None:
    _, port = settings(tmp_path)
    async with client(port, lifetime=3):
        async with running(tmp_path) as (process, api):
            image = (await api.post("/images", content=IMAGE, params={"name": "meter 2"})).json()
            assert (image["bytes"], image["name"], image["kind"]) == (len(IMAGE), "meter 2", "binary")
            order = {"device": "sensor", "method": method}
            assert (await api.post(f"/firmware/{image['digest']}/pushes", json=order)).json()["devices"] == ["sensor"]
            update: dict[str, Any] = {"transferred": 0}
            while not update["transferred"]:
                (update,) = (await api.get("/firmware/pushes")).json()
            await kill(process)
        assert update["state"] == "transferring"
        async with running(tmp_path) as (_, api):
            while update["state"] not in {"installed", "failed"}:
                update = (await api.get(f"/firmware/pushes/{update['id']}")).json()
                await asyncio.sleep(0.02)
            assert (update["state"], update["percent"], update["failure"]) == ("installed", 100, None)


async def test_what_waits_for_a_device(tmp_path: Path) -> None:
    _, port = settings(tmp_path)
    queue = "/devices/sensor/queue"
    async with running(tmp_path) as (process, api):
        read = (await api.post(queue, json={"operation": "read", "paths": ["/3/0/0"]})).json()
        written = {"operation": "write-composite", "value": {"/1/0/2": 2, "/1/0/3": "70"}, "priority": 3}
        write = (await api.post(queue, json=written)).json()
        assert [one["state"] for one in (read, write)] == ["waiting"] * 2
        await kill(process)
    async with running(tmp_path) as (_, api), client(port):
        entries = [read, write]
        while any(one["state"] in {"waiting", "in flight"} for one in entries):
            entries = (await api.get(queue)).json()
        assert [(one["id"], one["state"]) for one in entries] == [(write["id"], "done"), (read["id"], "done")]
        shown = (await api.get(f"{queue}/{read['id']}")).json()
        assert isinstance(shown["answer"], str)
        assert (shown["code"], shown["paths"]) == ("2.05", ["/3/0/0"])
