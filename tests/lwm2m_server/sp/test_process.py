"""The server as a process, its operator's commands, and kill -9 in between."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.ca.providers import add_provider
from lwm2m_server.cli.common import Exit
from lwm2m_server.provider_keys import KeyRole, certificate_path, read_chain
from lwm2m_server.roles.ca import running_ca
from lwm2m_server.settings import CaSettings
from secure_coap.numbers.codes import Code
from tests.lwm2m_server.ca.world import make_ca
from tests.lwm2m_server.sp.device import DeviceIdentity, FakeDevice, until
from tests.lwm2m_server.sp.world import ANY, bag_of, factory_identity, make_provider_folder, operational_identity

SERVER = str(Path(sys.executable).parent / "lwm2m-server")
VENDOR = "7c1d6a6a-93b1-4a4e-8d0c-5d1c9e0a4f10"


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Installation:
    """A provider that runs as a process of its own."""

    config: Path
    permanent: CaDirectory
    ca: CaDirectory
    lwm2m: tuple[str, int]
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            SERVER, "serve", "--config", str(self.config), stderr=asyncio.subprocess.DEVNULL
        )
        await until(self._answers, seconds=30)

    async def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, "the server ended by itself"
        return (await self.run("groups", "list"))[0] == 0

    async def end(self, how: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(how)
        return await asyncio.wait_for(self.process.wait(), 20)

    async def run(self, *words: str) -> tuple[int, str, str]:
        argv: Sequence[str] = (SERVER, *words, "--config", str(self.config))
        process = await asyncio.create_subprocess_exec(
            *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    async def order(self, *words: str) -> Any:
        code, out, err = await self.run(*words, "-o", "json")
        assert code == 0, err
        return json.loads(out)

    def device(self, endpoint: str, factory: DeviceIdentity) -> FakeDevice:
        return FakeDevice(endpoint, factory, self.lwm2m, read_chain(self.ca.certificate)[0])


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    permanent, ca = make_ca(tmp_path / "permanent", "permanent"), make_ca(tmp_path / "ca", "ca")
    make_provider_folder(tmp_path / "sp1", "sp1", ca, permanent)
    add_provider(ca, "sp1", certificate_path(tmp_path / "sp1", KeyRole.HTTPS))
    port = free_port(socket.SOCK_DGRAM)
    ca_settings = CaSettings(
        name="ca",
        data=ca.root,
        bind=ANY,
        public_uri="coaps://127.0.0.1:7001",
        api_bind=ANY,
        permanent_anchors=(permanent.certificate,),
    )
    async with running_ca(ca_settings) as running:
        config = tmp_path / "sp1.toml"
        config.write_text(
            f'roles = ["sp"]\n[sp]\nname = "sp1"\ndata = "sp1"\nbind = "127.0.0.1:{port}"\n'
            f'partner_bind = "127.0.0.1:{free_port(socket.SOCK_STREAM)}"\n'
            f'admin_bind = "127.0.0.1:{free_port(socket.SOCK_STREAM)}"\n'
            'public_uri = "coaps://127.0.0.1:6001"\noperational_anchors = ["ca/ca.pem"]\n'
            'permanent_anchors = ["permanent/ca.pem"]\nlab = true\ncrl_refresh = 1\n'
            f'[sp.ca]\napi = "https://127.0.0.1:{running.api[1]}"\ncertificate = "ca/https.pem"\n'
            f'public_uri = "coaps://127.0.0.1:7001"\nlabel = "{uuid4()}"\n'
            "[sp.coap]\nack_timeout = 0.2\nmax_retransmit = 3\n"
        )
        made = Installation(config, permanent, ca, ("127.0.0.1", port))
        try:
            yield made
        finally:
            if made.process is not None and made.process.returncode is None:
                await made.end(signal.SIGKILL)


async def test_nothing_is_lost_by_a_kill(installation: Installation, tmp_path: Path) -> None:
    code, _, err = await installation.run("devices", "list")
    assert code == Exit.UNAVAILABLE
    assert "operator.token" in err
    await installation.start()

    factory = factory_identity(installation.permanent, "dev-1")
    bag, image = tmp_path / "factory.x5bag", tmp_path / "image.bin"
    bag.write_bytes(bag_of(factory))
    image.write_bytes(bytes(3000))
    added = await installation.order("devices", "add", "--bag", str(bag), "--group", "meters")
    assert added["devices"] == ["dev-1"]
    assert added["ca_uri"].startswith("coaps://127.0.0.1:7001/est/")
    assert (await installation.order("devices", "add", "--bag", str(bag), "--group", "meters")) == added
    words = ("--version", "1", "--vendor", VENDOR, "--class", VENDOR)
    digest = (await installation.order("firmware", "build", str(image), *words))["digest"]
    await installation.order("firmware", "build", str(image), "--version", "2", *words[2:], "--fetched")
    assert [one["bytes"] for one in await installation.order("images", "list") if one["kind"] == "binary"] == [3000]
    await until(lambda: (tmp_path / "sp1" / "crls.cbor").exists())

    device = installation.device("dev-1", factory)
    identity = operational_identity(installation.ca, "dev-1")
    await device.connect(identity)
    assert (await device.register()).code is Code.CREATED
    assert (await installation.order("devices", "read", "dev-1", "/3/0/0")) == {"/3/0/0": "Example Ltd"}
    await device.close()
    pushed = await installation.order("firmware", "push", digest, "--group", "meters")
    assert pushed["devices"] == ["dev-1"]

    await installation.end(signal.SIGKILL)
    code, _, err = await installation.run("devices", "list")
    assert code == Exit.UNAVAILABLE
    assert "lwm2m-server serve" in err
    await installation.start()

    (shown,) = await installation.order("devices", "list")
    assert (shown["registered"], shown["online"]) == (True, False)
    await device.connect(identity)
    assert (await device.update()).code is Code.CHANGED  # the handle from before the kill
    await until(lambda: device.payloads("/5/0/2"))
    await until(lambda: _state(installation, "installed"))
    await device.close()
    assert await installation.end(signal.SIGTERM) == 0


async def _state(installation: Installation, wanted: str) -> bool:
    (push,) = await installation.order("firmware", "status")
    return bool(push["state"] == wanted)


async def test_exit_codes_tell_what_kind_of_failure(installation: Installation, tmp_path: Path) -> None:
    await installation.start()
    assert (await installation.run("groups", "add", "meters"))[0] == 0
    assert (await installation.order("groups", "list")) == [{"group": "meters", "devices": 0}]
    code, _, err = await installation.run("devices", "show", "dev-9")
    assert (code, "dev-9" in err) == (Exit.NOT_FOUND, True)
    assert (await installation.run("transfer", "status", "00" * 16))[0] == Exit.NOT_FOUND
    assert (await installation.run("transfer", "status", "xyz"))[0] == Exit.REFUSED
    bad = tmp_path / "bad.toml"
    bad.write_text('name = "sp9"\n')
    code, _, err = await installation.run("partners", "add", str(bad))
    assert (code, "uri" in err) == (Exit.REFUSED, True)
    assert (await installation.run("partners", "add", str(tmp_path / "absent")))[0] == Exit.USAGE
    words = ("--group", "meters", "--partner", "sp9", "--agreed-state", "00" * 32, "--latest", "soon")
    assert (await installation.run("transfer", "prepare", *words))[0] == Exit.USAGE
    assert (await installation.run("transfer", "prepare", *words[:-1], "+1h"))[0] == Exit.NOT_FOUND
    bag = tmp_path / "factory.x5bag"
    bag.write_bytes(bag_of(factory_identity(installation.permanent, "dev-1")))
    assert (await installation.run("devices", "add", "--bag", str(bag), "--group", "meters"))[0] == 0
    code, _, err = await installation.run("devices", "read", "dev-1", "/3/0/0")
    assert (code, "registers or updates" in err) == (Exit.DEVICE, True)
    bag.write_bytes(bag_of(factory_identity(installation.permanent, "dev-1")))
    assert (await installation.run("devices", "add", "--bag", str(bag), "--group", "meters"))[0] in {
        Exit.REFUSED,
        Exit.CONFLICT,
    }
    (tmp_path / "sp1" / "operator.token").write_text("wrong\n")
    code, _, err = await installation.run("groups", "list")
    assert (code, "operator.token" in err) == (Exit.REFUSED, True)
    (tmp_path / "empty.toml").write_text("roles = []\n")
    installation.config = tmp_path / "empty.toml"
    assert (await installation.run("groups", "list"))[0] == Exit.SETTINGS
