"""`lwm2m-server credentials` and the API behind it, with devices that log in by what they store."""

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
from secure_coap.channels.dtls import DtlsClientConfig
from secure_coap.endpoint import CoapClient
from secure_coap.errors import AssociationLost, HandshakeFailed, RequestTimeout
from secure_coap.exchange import Request
from secure_coap.limits import Limits
from secure_coap.numbers import Code
from tests.secure_coap.pki import HOST

KEY = "000102030405060708090a0b0c0d0e0f"
PATIENCE = Limits(handshake_time=1.0)


@dataclass(frozen=True)
class Running:
    dm: RunningDm
    config: Path

    async def command(self, *words: object, exit_code: int = 0) -> Any:
        """What it printed, as JSON when it is."""
        arguments = ["credentials", *map(str, words), "--config", str(self.config)]
        if exit_code == 0:
            arguments += ["-o", "json"]
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert result.exit_code == exit_code, result.output
        return json.loads(result.output) if exit_code == 0 else result.output

    async def log_in(self, identity: str, key: str) -> CoapClient:
        assert self.dm.dtls is not None
        config = DtlsClientConfig(psk=(identity, bytes.fromhex(key)))
        return await CoapClient.connect(*self.dm.dtls, dtls=config, limits=PATIENCE)

    async def register(self, identity: str, key: str, name: str) -> Code:
        client = await self.log_in(identity, key)
        query = (f"ep={name}", "lt=60", "lwm2m=1.1", "b=U")
        answer = await client.request(Request(Code.POST, ("rd",), query, b"</3/0>", content_format=40))
        await client.close()
        return answer.code


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    config = tmp_path / "server.toml"
    template = 'roles = ["dm"]\n[dm]\ndata = "data"\ndtls_bind = "{host}:0"\nadmin_bind = "{host}:{port}"\n'
    config.write_text(template.format(host=HOST, port=0))
    settings = load_settings(config).dm
    assert settings is not None
    async with running_dm(settings) as dm:
        config.write_text(template.format(host=HOST, port=dm.admin[1]))
        yield Running(dm, config)


async def test_a_key_made_by_the_server_is_shown_once(running: Running) -> None:
    made = await running.command("add", "device-1")
    assert len(made["key"]) == 64
    assert await running.register("device-1", made["key"], "device-1") is Code.CREATED
    (listed,) = await running.command("list")
    assert (listed["identity"], listed["endpoint"]) == ("device-1", "device-1")
    assert "key" not in listed


async def test_a_key_made_into_a_file(running: Running, tmp_path: Path) -> None:
    file = tmp_path / "device-1.psk"
    stored = await running.command("add", "id/1 é", "--endpoint", "device-1", "--new-key-file", file)
    assert "key" not in stored
    assert file.stat().st_mode & 0o777 == 0o600
    assert await running.register("id/1 é", file.read_text().strip(), "device-1") is Code.CREATED
    refused = await running.command("add", "device-2", "--new-key-file", file, exit_code=Exit.USAGE)
    assert "File exists" in refused
    assert await running.command("list", "--endpoint", "device-2") == []


async def test_a_key_from_a_file(running: Running, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY.upper() + "\n")
    stored = await running.command("add", "identity-1", "--endpoint", "device-1", "--key-file", file)
    assert KEY not in json.dumps(stored).lower()
    assert await running.register("identity-1", KEY, "device-1") is Code.CREATED
    assert await running.register("identity-1", KEY, "device-2") is Code.FORBIDDEN


@pytest.mark.parametrize("content", ["00" * 15, "00" * 65, "0x00", "no hex", "", "\xff"])
async def test_a_useless_key_is_refused_and_not_repeated(running: Running, tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(content.encode("latin-1"))
    result = await asyncio.to_thread(
        CliRunner().invoke,
        app,
        ["credentials", "add", "device-1", "--key-file", str(file), "--config", str(running.config)],
    )
    assert result.exit_code in (Exit.REFUSED, Exit.USAGE)
    assert not content or content not in result.output
    assert await running.command("list") == []


async def test_an_identity_is_not_given_to_a_second_device(running: Running) -> None:
    await running.command("add", "identity-1", "--endpoint", "device-1")
    refused = await running.command("add", "identity-1", "--endpoint", "device-2", exit_code=Exit.CONFLICT)
    assert "belongs to another device" in refused


async def test_a_removed_key_ends_its_sessions_and_opens_no_more(running: Running, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    await running.command("add", "device-1", "--key-file", file)
    client = await running.log_in("device-1", KEY)
    await running.command("remove", "device-1")
    with pytest.raises((AssociationLost, RequestTimeout)):
        await client.request(Request(Code.GET, ("rd",)), timeout=1)
    await client.close()
    with pytest.raises(HandshakeFailed):
        await running.log_in("device-1", KEY)
    assert await running.command("list") == []
    await running.command("remove", "device-1", exit_code=Exit.NOT_FOUND)
