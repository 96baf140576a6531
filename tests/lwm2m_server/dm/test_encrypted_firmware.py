"""Firmware encrypted for a device or its group: from the keys to what is installed, and when keys change."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cose.keys import save_public_key
from cose.numbers import Algorithm
from device_client.emulator.storage.files import DeviceFiles
from device_client.emulator.storage.software import SoftwareStore
from lwm2m_server import group_keys
from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.cli import firmware_keys
from lwm2m_server.cli.common import Exit
from lwm2m_server.cli.main import app
from lwm2m_server.fleet.inventory import Build, build_envelope
from lwm2m_server.roles import dev
from lwm2m_server.roles.dm import RunningDm, running_dm
from lwm2m_server.settings import load_settings
from lwm2m_server.store import groups
from suit.errors import SuitReason
from suit.report import Report
from suit.templates import IMAGE, component_id
from tests.lwm2m_server.dm.test_manifests import KEY, SUIT, device_credentials
from tests.lwm2m_server.server.firmware.world import client
from tests.lwm2m_server.sp.device import until

SETTINGS = """
roles = ["dm"]
[dm]
data = "data"
nosec_bind = "127.0.0.1:0"
dtls_bind = "127.0.0.1:0"
admin_bind = "127.0.0.1:{port}"
device_anchors = ["data/ca/ca.pem"]
firmware_authorities = ["ours.pem"]
"""
DEVICE, GROUP = ("--device", "sensor"), ("--group", "meters")


@dataclass
class Scene:
    role: RunningDm
    config: Path
    files: DeviceFiles
    sequence: int = 0

    async def command(self, *words: str, exit_code: int = 0) -> Any:
        arguments = ["firmware", *words, "--config", str(self.config), "-o", "json"]
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert result.exit_code == exit_code, result.output
        return json.loads(result.stdout.splitlines()[-1]) if exit_code in {0, Exit.DEVICE} else result.output

    async def join(self) -> None:
        async with self.role.server.database.transaction() as connection:
            await groups.join(connection, "sensor", "meters")

    async def sealed(self, *, device: str | None = None, group: str | None = None) -> list[Any]:
        return await asyncio.to_thread(firmware_keys.recipients, self.config, device, group)

    async def push(self, sealed: list[Any], cipher: Algorithm = Algorithm.A128CTR) -> tuple[bytes, dict[str, Any]]:
        """A new image, encrypted, added and pushed; returns it with how that ended."""
        self.sequence += 1
        image = random.Random(self.sequence).randbytes(3000)
        build = Build(image, self.sequence, bytes(16), bytes(16), None, tuple(sealed), cipher)
        (self.config.parent / "update.suit").write_bytes(build_envelope(build, KEY))
        digest = (await self.command("add", str(self.config.parent / "update.suit")))["digest"]
        (number,) = (await self.command("push", digest, *DEVICE))["updates"]
        shown: dict[str, Any] = {}

        async def ended() -> bool:
            nonlocal shown
            shown = await self.command("show", str(number))
            return shown["state"] in {"installed", "failed"} and shown["report"] is not None

        await until(ended)
        return image, shown

    @property
    def installed(self) -> bytes | None:
        return SoftwareStore(self.files, "firmware/firmware/").read(component_id(IMAGE))

    @property
    def reported(self) -> SuitReason | None:
        encoded = SoftwareStore(self.files, "firmware/firmware/").report()
        failure = None if encoded is None else Report.decode(encoded).failure
        return None if failure is None else list(SuitReason)[failure.code]


@asynccontextmanager
async def scene(folder: Path, port: int, *, secured: bool = True) -> AsyncIterator[Scene]:
    dev.prepare(folder / "data")
    save_public_key(folder / "ours.pem", KEY.public_key())
    config = folder / "server.toml"
    config.write_text(SETTINGS.format(port=port))
    settings = load_settings(config).dm
    assert settings is not None
    files = DeviceFiles(folder / "sensor")
    async with running_dm(settings) as role:
        assert role.dtls is not None and role.nosec is not None
        members: dict[str, Any] = {}
        if secured:
            credentials = device_credentials(CaDirectory(folder / "data" / "ca"), "sensor")
            members = {"server": f"coaps://127.0.0.1:{role.dtls[1]}", "credentials": credentials}
        async with client(role.nosec[1], files=files, **SUIT, **members):
            await until(lambda: role.server.sessions.is_online("sensor"))
            yield Scene(role, config, files)


@pytest.fixture
async def stage(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[Scene]:
    async with scene(tmp_path, unused_tcp_port) as made:
        yield made


@pytest.mark.parametrize("cipher", [Algorithm.A128CTR, Algorithm.A128GCM])
async def test_for_one_device(stage: Scene, cipher: Algorithm) -> None:
    await stage.command("keys", "fetch", *DEVICE)
    image, shown = await stage.push(await stage.sealed(device="sensor"), cipher)
    assert (shown["state"], shown["report"], stage.installed) == ("installed", "success", image)


@pytest.mark.parametrize("cipher", [Algorithm.A128CTR, Algorithm.A128GCM])
async def test_for_a_group_that_shares_a_key(stage: Scene, cipher: Algorithm) -> None:
    await stage.join()
    await stage.command("keys", "give-shared", *GROUP, exit_code=Exit.NOT_FOUND)
    made = await stage.command("keys", "make-shared", *GROUP)
    before, failed = await stage.push(await stage.sealed(group="meters"), cipher)
    assert (failed["state"], failed["report"], stage.reported) == (
        "failed", "cose_unsupported", SuitReason.NOT_A_RECIPIENT
    )  # fmt: skip
    assert stage.installed != before
    (given,) = await stage.command("keys", "give-shared", *GROUP)
    assert (given["kids"], given["problem"]) == ([made["kid"]], None)
    image, shown = await stage.push(await stage.sealed(group="meters"), cipher)
    assert (shown["state"], stage.installed) == ("installed", image)
    mode = next((stage.config.parent / "data" / "keys" / "groups").iterdir()).stat().st_mode
    assert mode & 0o777 == 0o600


async def test_a_new_key_of_a_device_and_the_old_one_removed(stage: Scene) -> None:
    (first,) = await stage.command("keys", "fetch", *DEVICE)
    old = await stage.sealed(device="sensor")
    (second,) = await stage.command("keys", "fetch", *DEVICE, "--renew")
    assert first["kids"][0] == second["kids"][0] and len(second["kids"]) == 2
    image, shown = await stage.push(old)
    assert (shown["state"], stage.installed) == ("installed", image)
    (third,) = await stage.command("keys", "fetch", *DEVICE, "--renew")
    assert first["kids"][0] not in third["kids"]
    assert [one["kid"] for one in await stage.command("keys", "list")] == third["kids"]
    _, failed = await stage.push(old)
    assert (failed["state"], stage.reported, stage.installed) == ("failed", SuitReason.NOT_A_RECIPIENT, image)
    image, shown = await stage.push(await stage.sealed(device="sensor"))
    assert (shown["state"], stage.installed) == ("installed", image)


async def test_a_new_key_of_a_group_and_the_old_one_removed(stage: Scene) -> None:
    await stage.join()
    kids = []
    for _ in range(3):
        kids.append((await stage.command("keys", "make-shared", *GROUP))["kid"])
        await stage.command("keys", "give-shared", *GROUP)
    assert [one["kid"] for one in await stage.command("keys", "list-shared")] == kids
    await stage.command("keys", "remove-shared", kids[2])
    image, shown = await stage.push(await stage.sealed(group="meters"))
    assert (shown["state"], stage.installed) == ("installed", image), "the device has the second key too"
    await stage.command("keys", "remove-shared", kids[1])
    _, failed = await stage.push(await stage.sealed(group="meters"))
    assert (failed["state"], stage.reported, stage.installed) == ("failed", SuitReason.NOT_A_RECIPIENT, image)
    await stage.command("keys", "remove-shared", kids[1], exit_code=Exit.NOT_FOUND)


async def test_over_an_open_channel_no_key_is_read_or_given(tmp_path: Path, unused_tcp_port: int) -> None:
    async with scene(tmp_path, unused_tcp_port, secured=False) as stage:
        (refused,) = await stage.command("keys", "fetch", *DEVICE, exit_code=Exit.DEVICE)
        assert (refused["kids"], "DTLS" in refused["problem"]) == ([], True)
        await stage.command("keys", "make-shared", *GROUP)
        words = ("keys", "give-shared", *GROUP, *DEVICE)
        (refused,) = await stage.command(*words, exit_code=Exit.DEVICE)
        assert "DTLS" in refused["problem"]


def test_a_key_others_can_read_is_not_used(tmp_path: Path) -> None:
    from cose.keys import UnusableKey

    made = group_keys.make(tmp_path, "meters", 1)
    path = tmp_path / "keys" / "groups" / f"{made.key.kid.hex()}.cbor"
    path.chmod(0o640)
    with pytest.raises(UnusableKey, match="chmod"):
        group_keys.load(tmp_path)
    path.chmod(0o600)
    path.write_bytes(b"\x80")
    with pytest.raises(UnusableKey, match="no key of a group"):
        group_keys.load(tmp_path)
