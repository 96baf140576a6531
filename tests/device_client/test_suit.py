"""Manifests on a whole device: payloads it fetches itself, and the signed report on what became of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from device_pki.keys import public_key
from objects.firmware import UpdateResult
from objects.model import MODEL
from secure_coap.numbers.codes import Code
from suit.envelope import parse_envelope, sign
from suit.manifest import Manifest
from suit.numbers import ReportReason
from suit.report import Report, verify_report
from tests.device_client.peers import PATIENCE
from tests.device_client.pki import Pki
from tests.device_client.world import CLASS, FIRMWARE, VENDOR, World, execute, read, world, write

REPORT = MODEL["SUIT Report"]
NONCE = b"fresh nonce"
IMAGE = b"fetched image" * 1000


def fetching(scene: World, uri: str, sequence: int = 1) -> bytes:
    manifest = Manifest.firmware_update(
        sequence_number=sequence, image=IMAGE, vendor_id=VENDOR, class_id=CLASS, uri=uri
    )
    return sign(manifest, scene.pki.sp1.firmware_key)


async def report_of(scene: World) -> Report:
    await scene.ok(scene.sp1, write(REPORT["Nonce"], NONCE))
    value = await scene.value(scene.sp1, REPORT["Report"])
    assert isinstance(value, bytes)
    return verify_report(value, public_key(scene.factory_certificate))


async def order(scene: World, package: bytes) -> None:
    await scene.ok(scene.sp1, write(FIRMWARE["Package"], package))
    await scene.ok(scene.sp1, execute(FIRMWARE["Update"]))


async def test_a_payload_is_fetched_and_the_report_says_so(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        scene.sp1.payloads["image"] = IMAGE
        scene.switch_on()
        await scene.sp1.registered()
        assert (await scene.sp1.ask(read(REPORT["Report"]))).code is Code.NOT_FOUND
        package = fetching(scene, f"{scene.sp1.uri}/fw/image")
        await order(scene, package)
        await scene.sp1.registered(2)
        assert await scene.value(scene.sp1, FIRMWARE["Update Result"]) == UpdateResult.SUCCESS
        report = await report_of(scene)
        assert (report.digest, report.failure, report.nonce) == (parse_envelope(package).digest, None, NONCE)


@pytest.mark.parametrize(
    ("uri", "result"),
    [
        ("{sp1}/fw/missing", UpdateResult.INVALID_URI),
        ("coap://127.0.0.1/fw/image", UpdateResult.UNSUPPORTED_PROTOCOL),
        ("{sp1}/fw/other", UpdateResult.UPDATE_FAILED),
    ],
)
async def test_what_cannot_be_fetched_is_reported(tmp_path: Path, pki: Pki, uri: str, result: UpdateResult) -> None:
    async with world(tmp_path, pki) as scene:
        scene.sp1.payloads["other"] = b"something else"
        scene.switch_on()
        await scene.sp1.registered()
        running = scene.status()["running"]
        package = fetching(scene, uri.format(sp1=scene.sp1.uri))
        await order(scene, package)
        async with asyncio.timeout(PATIENCE):
            while await scene.value(scene.sp1, FIRMWARE["Update Result"]) != result:
                await asyncio.sleep(0.05)
        assert scene.status()["running"] == running
        report = await report_of(scene)
        assert report.digest == parse_envelope(package).digest
        assert report.failure is not None
        assert report.failure.reason is ReportReason.OPERATION_FAILED
