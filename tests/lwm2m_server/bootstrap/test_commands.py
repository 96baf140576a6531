"""`lwm2m-server bootstrap` and the API behind it, with a device that comes for what they store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lwm2m_server.cli.common import Exit
from lwm2m_server.cli.main import app
from lwm2m_server.roles.dm import RunningDm, running_dm
from lwm2m_server.settings import load_settings
from secure_coap.association import Association
from secure_coap.endpoint import CoapClient
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from tests.lwm2m_server.bootstrap.samples import KEY, Device, account

SETTINGS = """roles = ["dm"]
[dm]
data = "data"
dtls_bind = "127.0.0.1:0"
nosec_bind = "127.0.0.1:0"
admin_bind = "127.0.0.1:{port}"
"""


@dataclass(frozen=True)
class Running:
    dm: RunningDm
    config: Path

    async def command(self, *words: object, exit_code: int = 0) -> Any:
        """What it printed, as JSON when it is."""
        arguments = [*map(str, words), "--config", str(self.config)]
        if exit_code == 0:
            arguments += ["-o", "json"]
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert result.exit_code == exit_code, result.output
        return json.loads(result.output) if exit_code == 0 else result.output


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    config = tmp_path / "server.toml"
    config.write_text(SETTINGS.format(port=0))
    settings = load_settings(config).dm
    assert settings is not None
    async with running_dm(settings) as dm:
        config.write_text(SETTINGS.format(port=dm.admin[1]))
        yield Running(dm, config)


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    file = tmp_path / "profile.json"
    file.write_text(json.dumps({"accounts": [account()]}))
    return file


async def test_from_a_file_to_a_device_and_its_outcome(running: Running, profile: Path) -> None:
    await running.command("bootstrap", "add", "standard", profile)
    await running.command("groups", "join", "meters", "dev-1", "dev-2")
    await running.command("bootstrap", "assign", "standard", "--group", "meters")
    (listed,) = await running.command("bootstrap", "list")
    assert listed == {"profile": "standard", "servers": ["coaps://dm.example:5681"], "for": ["group meters"]}
    device = Device()

    async def handle(request: Request, association: Association) -> Response:
        return device.handle(request)

    assert running.dm.nosec is not None
    client = await CoapClient.connect(*running.dm.nosec, dtls=None, handler=handle)
    try:
        assert (await client.request(Request(Code.POST, ("bs",), ("ep=dev-2",)))).code is Code.CHANGED
        async with asyncio.timeout(20):
            while not (outcomes := await running.command("bootstrap", "outcomes")):
                await asyncio.sleep(0.05)
        assert (await client.request(Request(Code.POST, ("bs",), ("ep=dev-3",)))).code is Code.FORBIDDEN
    finally:
        await client.close()
    assert device.finished
    assert outcomes[0] | {"at": 0} == {
        "endpoint": "dev-2",
        "profile": "standard",
        "at": 0,
        "success": True,
        "detail": "",
    }
    await running.command("groups", "leave", "meters", "dev-2")
    assert await running.command("groups", "list") == [{"group": "meters", "devices": 1}]


async def test_keys_never_come_out_again(running: Running, profile: Path) -> None:
    await running.command("bootstrap", "add", "standard", profile)
    shown = json.dumps(await running.command("bootstrap", "show", "standard"))
    assert KEY.hex() not in shown
    assert "hidden" in shown


async def test_what_is_refused_says_why(running: Running, profile: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"accounts": [account(mode="psk", identity="a", key="0011")]}))
    told = await running.command("bootstrap", "add", "wrong", wrong, exit_code=Exit.REFUSED)
    assert "accounts.0.security" in told
    assert "0011" not in told
    await running.command("bootstrap", "assign", "none", "--everyone", exit_code=Exit.NOT_FOUND)
    await running.command("bootstrap", "remove", "none", exit_code=Exit.NOT_FOUND)
    await running.command("bootstrap", "show", "none", exit_code=Exit.NOT_FOUND)
    await running.command("groups", "leave", "meters", "dev-9", exit_code=Exit.NOT_FOUND)
    assert "--everyone" in await running.command("bootstrap", "assign", "standard", exit_code=Exit.USAGE)
    await running.command("bootstrap", "add", "standard", profile)
    assert "assign" in await running.command("bootstrap", "trigger", "dev-1", exit_code=Exit.CONFLICT)
    await running.command("bootstrap", "assign", "standard", "--everyone")
    await running.command("bootstrap", "trigger", "dev-1", exit_code=Exit.DEVICE)
    await running.command("bootstrap", "unassign", "--everyone")
    await running.command("bootstrap", "remove", "standard")
    assert await running.command("bootstrap", "list") == []
