"""`lwm2m-device run` as a process: many devices, killed, started again, ended orderly."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path

from device_client.emulator import factory
from tests.device_client.peers import PATIENCE
from tests.device_client.pki import Pki
from tests.device_client.world import FIRMWARE_IMAGE, World, factory_certificate, installed, world
from trust_transfer.messages.numbers import Form

COMMAND = [sys.executable, "-c", "from device_client.emulator.cli import main; main()", "run"]
QUICK = ["--ack-timeout", "0.3", "--retry-min", "0.05", "--retry-max", "0.4", "--lifetime", "20"]


async def start(scene: World, *words: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND, "--data", str(scene.data), *QUICK, *words, stderr=asyncio.subprocess.PIPE
    )


async def add_devices(scene: World, pki: Pki, count: int) -> None:
    for csr in factory.make(scene.data, count):
        certificate = factory_certificate(pki, csr)
        uri = await scene.ca1.label([certificate])
        factory.install(scene.data, installed(pki, certificate, uri, scene.sp1.uri, Form.ENDORSED), FIRMWARE_IMAGE)


async def test_many_devices_live_in_one_process_and_survive_its_death(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        await add_devices(scene, pki, 4)
        names = list(factory.endpoints(scene.data))
        process = await start(scene)
        await scene.sp1.all_registered(names)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        before = len(scene.sp1.registrations)
        process = await start(scene, "--first", "1", "--count", "3", "--uvloop")
        await scene.sp1.all_registered(names[1:4], since=before)
        await scene.sp1.settled(names[1:4])
        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 0
        assert scene.sp1.departures == 3
        events = [json.loads(line) for line in log.splitlines()]
        again = {event["endpoint"] for event in events if event["event"] == "registered"}
        assert again == set(names[1:4])
        assert {"handshake", "registration"} <= {event["kind"] for event in events if event["event"] == "wire"}


async def test_a_damaged_device_does_not_take_the_others_down(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        await add_devices(scene, pki, 1)
        damaged, sound = factory.endpoints(scene.data)
        factory.device_files(scene.data, damaged).write("record.cbor", b"\xff")
        process = await start(scene)
        assert (await scene.sp1.registered()).endpoint == sound
        await scene.sp1.settled([sound])
        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.wait_for(process.communicate(), PATIENCE)
        events = [json.loads(line) for line in log.splitlines()]
        [unusable] = [event for event in events if event["event"] == "device_unusable"]
        assert unusable["endpoint"] == damaged and "record.cbor" in unusable["problem"]
        assert process.returncode == 0 and scene.sp1.departures == 1


async def test_a_process_without_a_usable_device_ends_with_the_reason(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        scene.files().write("record.cbor", b"\xff")
        process = await start(scene)
        _, log = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 1 and b"lwm2m-device: record.cbor" in log


async def test_a_copied_directory_is_that_device(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        original = scene.switch_on()
        first = await scene.sp1.registered()
        await original.cut_power()
        copy = tmp_path / "copy"
        scene.data.rename(copy)
        scene.data = copy
        scene.switch_on()
        assert (await scene.sp1.registered(2)).key == first.key
