"""The examples do what they say, with an emulated device; and the documentation shows nothing else."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from examples import mistakes, observe, talk_to_a_device
from lwm2m_server.roles.dm import running_dm
from lwm2m_server.settings import load_settings
from tests.device_client.plain_world import Client, quick

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PAGES = ("how-to/talk-to-a-device.md", "how-to/observe.md", "reference/python-api.md")


@asynccontextmanager
async def sensor(port: int) -> AsyncIterator[None]:
    """A device that comes on by itself and whose thermometers never stand still."""
    client = Client.start(quick(server=f"coap://127.0.0.1:{port}", endpoint="sensor", period=0.05))
    try:
        yield
    finally:
        await client.cut_power()


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the example printed, without the log."""
    return [line for line in capsys.readouterr().out.splitlines() if not re.match(r"\d{4}-", line)]


async def test_talking_to_a_device(tmp_path: Path, unused_udp_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    async with asyncio.timeout(30), sensor(unused_udp_port):
        await talk_to_a_device.main(tmp_path, unused_udp_port)
    said = printed(capsys)
    assert said[0].startswith("made by ")
    assert sum(line.startswith("thermometer ") and line.endswith(" Cel") for line in said) == 2
    assert "lifetime 120 s" in said
    assert any(line.startswith("created /3442/") and line.endswith("{0: 1, 7: 49}") for line in said)
    assert "there is /3303/0/5700" in said
    assert said[-1] == "{'/3303/0/5701': 'Cel', '/3442/0/110': 'hello'}"


async def test_observing(tmp_path: Path, unused_udp_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    async with asyncio.timeout(30), sensor(unused_udp_port):
        await observe.main(tmp_path, unused_udp_port)
    said = printed(capsys)
    assert sum(line.startswith("sensor: ") and line.endswith(" °C") for line in said) == 3
    assert said[-2:] == [f"{word}: ['/3303/0/5700', '/3303/1/5700']" for word in ("both", "kept")]


async def test_mistakes(tmp_path: Path, unused_udp_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    async with asyncio.timeout(30), sensor(unused_udp_port):
        await mistakes.main(tmp_path, unused_udp_port)
    value, refusal, offline = printed(capsys)
    assert value.startswith("LwM2M Server/Lifetime (/1/*/1): must be Integer")
    assert refusal.startswith("4.04: 4.04 NOT_FOUND")
    assert offline.startswith("somebody else is not connected")


SETTINGS = """
roles = ["dm"]
[dm]
data = "data"
nosec_bind = "127.0.0.1:0"
dtls_bind = "127.0.0.1:0"
admin_bind = "127.0.0.1:0"
"""


async def test_curl(tmp_path: Path) -> None:
    assert shutil.which("curl"), "install curl"
    (tmp_path / "server.toml").write_text(SETTINGS)
    settings = load_settings(tmp_path / "server.toml").dm
    assert settings is not None
    async with asyncio.timeout(60), running_dm(settings) as dm:
        assert dm.nosec is not None
        variables = {"DATA": str(settings.data), "API": f"http://127.0.0.1:{dm.admin[1]}/api/v1", "LISTEN": "1"}
        async with sensor(dm.nosec[1]):
            while not dm.server.devices():
                await asyncio.sleep(0.01)
            process = await asyncio.create_subprocess_exec(
                "sh",
                str(EXAMPLES / "rest.sh"),
                env={**os.environ, **variables},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    said = out.decode()
    for expected in ('"Device/Manufacturer"', '"created":"/3442/9"', '"pmax":"60"', '"new":true', '"cancelled":1'):
        assert expected in said
    assert said.count('"observation": 1, "values"') >= 2


def test_every_example_is_run_here() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    assert all(
        path.stem in here for path in EXAMPLES.iterdir() if path.suffix in {".py", ".sh"} and path.stem[0] != "_"
    )


@pytest.mark.parametrize("page", PAGES)
def test_pages_show_parts_of_the_examples(page: str) -> None:
    lines = {
        line.strip()
        for path in EXAMPLES.iterdir()
        if path.is_file()
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    blocks = re.findall(r"```(?:python|sh)\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        for line in filter(None, map(str.strip, textwrap.dedent(block).splitlines())):
            assert line in lines, f"{page}: {line}"
