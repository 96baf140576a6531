"""`lwm2m-server serve` as a process: `--dev`, and what is left of registrations after kill -9."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lwm2m_server.cli.common import Exit
from lwm2m_server.roles import dev
from secure_coap.endpoint import CoapClient
from secure_coap.errors import TransportError
from secure_coap.numbers.codes import Code
from tests.lwm2m_server.server.test_registering import Location, device, register, update

SERVER = str(Path(sys.executable).parent / "lwm2m-server")
DEVICES = 40


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def serving(folder: Path, *arguments: str, until: bytes) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process, once it has printed a line that contains `until`; killed in the end if it still runs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LWM2M_")}
    process = await asyncio.create_subprocess_exec(
        SERVER, "serve", *arguments, cwd=folder, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        while until not in (line := await process.stdout.readline()):
            assert line, "the server has ended"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def command(folder: Path, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        SERVER, *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


def settings(folder: Path) -> tuple[str, int]:
    """A settings file for `folder`, and where devices reach the server."""
    lwm2m = free_port(socket.SOCK_DGRAM)
    (folder / "server.toml").write_text(
        f'roles = ["dm"]\n[dm]\ndata = "data"\nnosec_bind = "127.0.0.1:{lwm2m}"\n'
        f'dtls_bind = "127.0.0.1:0"\nadmin_bind = "127.0.0.1:{free_port(socket.SOCK_STREAM)}"\n'
    )
    return "127.0.0.1", lwm2m


async def register_until_silence(address: tuple[str, int]) -> dict[str, Location]:
    """Register devices side by side until the server is gone; what it has confirmed."""
    confirmed: dict[str, Location] = {}

    async def one(client: CoapClient, name: str) -> None:
        with_links = b"</1/0>,</3/0>,</5/0>"
        response = await register(client, f"ep={name}", "lt=600", links=with_links)
        assert response.code is Code.CREATED
        confirmed[name] = response.location_path

    async def many(group: int) -> None:
        async with device(address) as client:
            for number in range(DEVICES):
                try:
                    await one(client, f"dev-{group}-{number}")
                except TransportError:
                    return

    await asyncio.gather(*(many(group) for group in range(8)))
    return confirmed


async def test_what_was_confirmed_is_there_after_kill_9(tmp_path: Path) -> None:
    address = settings(tmp_path)
    async with serving(tmp_path, "--config", "server.toml", until=b"dm_ready") as process:
        registering = asyncio.create_task(register_until_silence(address))
        code, output = 0, "[]"
        while output.count("dev-") < 20:
            code, output = await command(tmp_path, "devices", "list", "--config", "server.toml", "-o", "json")
            assert code == 0, output
        process.send_signal(signal.SIGKILL)
        await process.wait()
        confirmed = await registering
    assert len(confirmed) >= 20
    async with serving(tmp_path, "--config", "server.toml", until=b"dm_ready"), device(address) as client:
        for location in confirmed.values():
            assert await update(client, location) is Code.CHANGED


async def test_development_in_one_command(tmp_path: Path) -> None:
    """Everything is made, the settings file counts as it is, and names of devices are shown literally (test 39)."""
    lwm2m = free_port(socket.SOCK_DGRAM)
    made = dev.prepare(tmp_path / "data")
    text = made.read_text().replace('nosec_bind = "127.0.0.1:5683"', f'nosec_bind = "127.0.0.1:{lwm2m}"')
    text = text.replace("127.0.0.1:5683", "127.0.0.1:0").replace("127.0.0.1:5684", "127.0.0.1:0")
    made.write_text(text.replace("127.0.0.1:8080", f"127.0.0.1:{free_port(socket.SOCK_STREAM)}"))
    names = ["<img onerror>", "[/]", "=cmd()", "../x"]
    async with serving(tmp_path, "--dev", until=b"then") as process, device(("127.0.0.1", lwm2m)) as client:
        for name in names:
            assert (await register(client, f"ep={name}", "lt=60")).code is Code.CREATED
        for name in ("\N{ESCAPE}[31mred", "two\nlines"):
            assert (await register(client, f"ep={name}")).code is Code.BAD_REQUEST
        code, output = await command(tmp_path, "devices", "list", "--config", "data/server.toml")
        assert (code, len(output.splitlines())) == (0, 1 + len(names)), output
        assert all(name in output for name in names)
        code, output = await command(tmp_path, "devices", "show", "../x", "--config", "data/server.toml")
        assert (code, "../x" in output) == (0, True), output
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


@pytest.mark.parametrize("arguments", [("serve",), ("serve", "--dev", "--config", "x.toml")])
async def test_settings_or_development(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, output = await command(tmp_path, *arguments)
    assert code == Exit.USAGE
    assert "--dev" in output
    assert "LWM2M_SERVER_CONFIG" in output, "it may be set where nobody looks"
