"""`lwm2m-server images`, `firmware` and `devices queue`, and what their routes refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from lwm2m_server.cli.common import Exit
from lwm2m_server.cli.main import app
from lwm2m_server.roles.dm import RunningDm, running_dm
from lwm2m_server.settings import SettingsError, load_settings
from tests.lwm2m_server.server.firmware.world import client

SETTINGS = """
roles = ["dm"]
[dm]
data = "data"
nosec_bind = "127.0.0.1:0"
dtls_bind = "127.0.0.1:0"
admin_bind = "127.0.0.1:{port}"
[dm.firmware]
max_image = 100_000
http_bind = "127.0.0.1:{http}"
http_uri = "http://127.0.0.1:{http}"
"""


@dataclass(frozen=True)
class Desk:
    dm: RunningDm
    config: Path
    api: httpx.AsyncClient

    async def command(self, *words: str, exit_code: int = 0) -> Any:
        arguments = [*words, "--config", str(self.config), "-o", "json"]
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout.splitlines()[-1]) if exit_code == 0 else result.output  # after the server's log


@asynccontextmanager
async def desk(folder: Path, ports: Any) -> AsyncIterator[Desk]:
    config = folder / "server.toml"
    config.write_text(SETTINGS.format(port=ports(), http=ports()))
    settings = load_settings(config).dm
    assert settings is not None
    async with running_dm(settings) as dm:
        token = (settings.data / "operator.token").read_text().strip()
        base, headers = f"http://127.0.0.1:{dm.admin[1]}/api/v1", {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as api:
            yield Desk(dm, config, api)


async def test_an_update_by_commands(tmp_path: Path, unused_tcp_port_factory: Any) -> None:
    async with desk(tmp_path, unused_tcp_port_factory) as one:
        (tmp_path / "modem.bin").write_bytes(b"modem" * 5000)
        image = await one.command("images", "add", str(tmp_path / "modem.bin"), "--name", "modem 2")
        assert await one.command("images", "list") == [image]
        assert await one.command("images", "show", image["digest"]) == image
        await one.command("firmware", "push", image["digest"], "--device", "sensor", "--severity", "0")
        await one.command("images", "remove", image["digest"], exit_code=Exit.CONFLICT)
        assert one.dm.nosec is not None
        async with client(one.dm.nosec[1]):
            (update,) = await one.command("firmware", "status", "--follow")
            assert (update["state"], update["percent"], update["meaning"]) == ("installed", 100, "success")
            parts = [f"/33629/{number}={image['digest']}" for number in (0, 1)]
            words = [word for part in parts for word in ("--component", part)]
            await one.command("firmware", "push", *words, "--device", "sensor", "--method", "pull")
            ended = await one.command("firmware", "status", "--follow", "--device", "sensor")
            assert [row["state"] for row in ended] == ["installed"] * 3
            assert await one.command("firmware", "show", str(update["id"])) == update
            assert (await one.command("firmware", "cancel", str(update["id"])))[0]["state"] == "installed"
        await one.command("images", "remove", image["digest"])
        await one.command("images", "show", image["digest"], exit_code=Exit.NOT_FOUND)


async def test_a_device_fetches_over_http(tmp_path: Path, unused_tcp_port_factory: Any) -> None:
    async with desk(tmp_path, unused_tcp_port_factory) as one:
        image = (await one.api.post("/images", content=b"image" * 10_000)).json()
        for protocol in [known for known in one.dm.firmware.pulls.bases if not known.scheme.startswith("http")]:
            del one.dm.firmware.pulls.bases[protocol]
        assert one.dm.nosec is not None
        async with client(one.dm.nosec[1]):
            order = {"devices": ["sensor"], "method": "pull"}
            await one.api.post(f"/firmware/{image['digest']}/pushes", json=order)
            (update,) = await one.command("firmware", "status", "--follow")
            assert (update["state"], update["way"]) == ("installed", "pull http")


async def test_a_queue_by_commands(tmp_path: Path, unused_tcp_port_factory: Any) -> None:
    async with desk(tmp_path, unused_tcp_port_factory) as one:
        words = ("devices", "queue", "add", "sensor")
        added = await one.command(*words, "update", "/1/0", "--value", '{"3": 80}', "--priority", "3")
        assert (added["state"], added["priority"]) == ("waiting", 3)
        executed = await one.command(*words, "execute", "/3/0/4", "--expires-in", "60")
        number = str(executed["id"])
        assert (await one.command("devices", "queue", "cancel", "sensor", number))["state"] == "cancelled"
        assert (await one.command("devices", "queue", "show", "sensor", number))["state"] == "cancelled"
        assert [row["id"] for row in await one.command("devices", "queue", "list", "sensor")] == [2, 1]
        assert "cannot be written" in await one.command(
            *words, "write", "/3/0/0", "--value", "x", exit_code=Exit.REFUSED
        )
        await one.command(*words, "write", "/1/0", "--value", "{", exit_code=Exit.USAGE)
        await one.command("devices", "queue", "show", "sensor", "99", exit_code=Exit.NOT_FOUND)


async def test_refusals(tmp_path: Path, unused_tcp_port_factory: Any) -> None:
    async with desk(tmp_path, unused_tcp_port_factory) as one:
        large = await one.api.post("/images", content=bytes(100_001))
        assert (large.status_code, large.json()["code"]) == (413, "too_large")
        unknown = "00" * 32
        pushes = f"/firmware/{unknown}/pushes"
        image = (await one.api.post("/images", content=b"x")).json()["digest"]
        refused = [
            (await one.api.post(pushes, json={"device": "sensor"}), 404),
            (await one.api.post(pushes, json={}), 422),
            (await one.api.post(pushes, json={"device": "a", "group": "b"}), 422),
            (await one.api.post(pushes, json={"group": "nobody"}), 404),
            (await one.api.post(f"/firmware/{image}/pushes", json={"device": "a", "component": "/3/0"}), 422),
            (await one.api.get("/firmware/pushes/9"), 404),
            (await one.api.delete("/firmware/pushes/9"), 404),
            (await one.api.get("/images/xyz"), 422),
            (await one.api.post("/devices/a/queue", json={"operation": "dance", "paths": ["/3"]}), 422),
            (await one.api.post("/devices/a/queue", json={"operation": "read", "paths": []}), 422),
            (await one.api.post("/devices/a/queue", json={"operation": "read", "paths": ["/3/0/0"], "value": 1}), 422),
        ]
        assert [answer.status_code for answer, _ in refused] == [expected for _, expected in refused]
        again = await one.api.post(f"/firmware/{image}/pushes", json={"device": "a", "install": False})
        assert again.json()["updates"] == [1]
        cancelled = await one.api.delete("/firmware/pushes/1")
        assert (cancelled.status_code, cancelled.json()[0]["state"]) == (202, "cancelled")
        for path in ("/images", "/firmware/pushes", "/devices/a/queue"):
            assert (await one.api.get(path, headers={"authorization": "Bearer wrong"})).status_code == 401


@pytest.mark.parametrize(
    "text",
    [
        'http_bind = "127.0.0.1:1"',
        'http_uri = "http://a"',
        'coap_uri = "http://a"',
        'coaps_tcp_uri = "coaps://a"',
        'http_key = "x"',
    ],
)
def test_firmware_settings_that_do_not_fit(tmp_path: Path, text: str) -> None:
    (tmp_path / "server.toml").write_text(f'roles = ["dm"]\n[dm]\ndata = "d"\n[dm.firmware]\n{text}\n')
    with pytest.raises(SettingsError, match=r"go together|begins with"):
        load_settings(tmp_path / "server.toml")
