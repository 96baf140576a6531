"""A push with a manifest to an emulator process that is killed in the middle: the device ends in the new state."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import suit
from cose.keys import save_public_key
from device_client.emulator.storage.files import DeviceFiles
from device_client.emulator.storage.software import SoftwareStore
from lwm2m_server.settings import CoapSettings
from suit.templates import IMAGE, component_id
from tests.lwm2m_server.dm.test_manifests import FIRMWARE, KEY
from tests.lwm2m_server.dm.test_role import folder as folder
from tests.lwm2m_server.dm.test_role import running
from tests.lwm2m_server.sp.device import until

COMMAND = [sys.executable, "-c", "from device_client.emulator.cli import main; main()", "run"]
LARGE = random.Random(9).randbytes(200_000)
ZERO = "00" * 16


@asynccontextmanager
async def started(folder: Path, port: int) -> AsyncIterator[Process]:
    """A standard client that takes its time to install; it does not outlive the block."""
    words = ["--server", f"coap://127.0.0.1:{port}", "--endpoint", "sensor", "--data", str(folder / "clients")]
    words += ["--firmware-authority", str(folder / "ours.pem"), "--vendor-id", ZERO, "--class-id", ZERO]
    words += ["--objects", "firmware", "--install-seconds", "0.3", "--ack-timeout", "0.3", "--retry-min", "0.05"]
    process = await asyncio.create_subprocess_exec(*COMMAND, *words, stderr=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def heard(process: Process, event: bytes) -> None:
    """Read the log up to this event."""
    assert process.stderr is not None
    while b'"' + event + b'"' not in (line := await process.stderr.readline()):
        assert line, "the process has ended"


@pytest.mark.parametrize("moment", ["transferring", "package_kept", "manifest_processed"])
async def test_killed(folder: Path, moment: str) -> None:
    save_public_key(folder / "ours.pem", KEY.public_key())
    manifest = suit.Manifest.firmware_update(sequence_number=7, image=LARGE, vendor_id=bytes(16), class_id=bytes(16))
    envelope = suit.sign(manifest, KEY, payloads={suit.IMAGE_URI: LARGE})
    files = DeviceFiles(folder / "clients" / "sensor")

    def image() -> bytes | None:
        return SoftwareStore(files, "firmware/firmware/").read(component_id(IMAGE))

    patience = CoapSettings(ack_timeout=0.1, max_retransmit=2)
    async with running(folder, firmware_authorities=(folder / "ours.pem",), coap=patience) as (role, admin):
        assert role.nosec is not None
        async with started(folder, role.nosec[1]) as process:
            await until(lambda: role.server.sessions.is_online("sensor"))
            before = image()
            digest = (await admin.post(FIRMWARE, content=envelope)).json()["digest"]
            (number,) = (await admin.post(f"{FIRMWARE}/{digest}/pushes", json={"device": "sensor"})).json()["updates"]

            async def shown() -> dict[str, Any]:
                found: dict[str, Any] = (await admin.get(f"{FIRMWARE}/pushes/{number}")).json()
                return found

            async def under_way() -> bool:
                return bool((await shown())["transferred"])

            async def ended() -> bool:
                return (await shown())["state"] in {"installed", "failed"}

            if moment == "transferring":
                await until(under_way)
            else:
                await heard(process, moment.encode())
            process.send_signal(signal.SIGKILL)
            await process.wait()
        assert image() in {before, LARGE}
        async with started(folder, role.nosec[1]):
            await until(ended)
            assert ((await shown())["state"], image()) == ("installed", LARGE)
