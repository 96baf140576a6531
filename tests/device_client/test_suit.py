"""Manifests on a whole device: payloads it fetches itself, and the signed report on what became of them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cose.numbers import Algorithm
from cose.recipients import SealedFor
from cose.shared_keys import SharedKey
from device_client.emulator.storage.agreement_keys import AgreementKeys
from device_pki.keys import public_key
from objects.firmware import UpdateResult, UpdateState
from objects.model import MODEL
from secure_coap.numbers.codes import Code
from suit.builder import Builder
from suit.encryption import encrypt
from suit.envelope import parse_envelope, sign
from suit.manifest import Manifest
from suit.numbers import ReportReason
from suit.report import Report, verify_report
from suit.templates import IMAGE_URI
from tests.device_client.peers import PATIENCE
from tests.device_client.pki import Pki
from tests.device_client.world import CLASS, FIRMWARE, TRANSFER, VENDOR, World, execute, read, world, write
from trust_transfer.messages.values import EnrollmentProfile

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


async def test_a_payload_encrypted_for_the_device_is_installed(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        [own] = AgreementKeys(scene.files()).public_keys()
        info, ciphertext = encrypt(IMAGE, [SealedFor(own)], Algorithm.A128GCM)
        build = Builder(1)
        build.for_devices(VENDOR, CLASS)
        build.install(build.component("image"), IMAGE, uri=IMAGE_URI, encryption_info=info)
        scene.switch_on()
        await scene.sp1.registered()
        response = await scene.ok(scene.sp1, read(REPORT["Agreement Keys"]))
        public = own.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert public in response.payload
        await order(scene, sign(build.manifest(), scene.pki.sp1.firmware_key, {IMAGE_URI: ciphertext}))
        await scene.sp1.registered(2)
        assert await scene.value(scene.sp1, FIRMWARE["Update Result"]) == UpdateResult.SUCCESS
        assert (await report_of(scene)).failure is None


@pytest.mark.parametrize("profile", [EnrollmentProfile(0, 0, 0), EnrollmentProfile(1, 1, 0)], ids=["dtls", "compact"])
async def test_a_package_is_pulled_from_the_providers_server(
    tmp_path: Path, pki: Pki, profile: EnrollmentProfile
) -> None:
    async with world(tmp_path, pki, profile=profile) as scene:
        scene.sp1.payloads["package"] = scene.update_manifest(IMAGE)
        scene.switch_on()
        await scene.sp1.registered()
        await scene.ok(scene.sp1, write(FIRMWARE["Package URI"], f"{scene.sp1.uri}/fw/package"))
        async with asyncio.timeout(PATIENCE):
            while await scene.value(scene.sp1, FIRMWARE["State"]) != UpdateState.DOWNLOADED:
                await asyncio.sleep(0.05)
        await scene.ok(scene.sp1, execute(FIRMWARE["Update"]))
        await scene.sp1.registered(2)
        assert await scene.value(scene.sp1, FIRMWARE["Update Result"]) == UpdateResult.SUCCESS


async def test_a_reset_erases_a_providers_shared_keys_and_not_the_devices_own(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        keys, shared = AgreementKeys(scene.files()), SharedKey.generate()
        [own] = keys.public_keys()
        scene.switch_on()
        await scene.sp1.registered()
        await scene.ok(scene.sp1, write(REPORT["Group Key"], shared.encode()))
        assert len(keys.openers()) == 2
        await scene.prepare()
        scene.acknowledge_reports(scene.sp2)
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message()))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        await scene.until(lambda status: status["epoch"] == 1)
        assert [opener.key for opener in keys.openers() if isinstance(opener.key, bytes)] == []
        assert keys.public_keys() == [own]
