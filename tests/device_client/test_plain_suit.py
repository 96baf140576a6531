"""Manifests on a standard client: processed, reported, refused, and cut off in the middle."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path as FilePath
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cose.keys import PrivateKey, authority_key, generate_private_key
from cose.numbers import Algorithm
from cose.recipients import SealedFor
from cose.shared_keys import SharedKey
from device_client.emulator.storage.agreement_keys import AgreementKeys
from device_client.emulator.storage.files import DeviceFiles
from device_client.emulator.storage.software import SoftwareStore
from objects.firmware import UpdateResult, UpdateState
from objects.formats import Format
from objects.nodes import MultipleResource, Resource
from secure_coap.numbers.codes import Code
from suit.builder import Builder
from suit.encryption import encrypt
from suit.envelope import assemble, parse_envelope, sign
from suit.errors import SuitReason
from suit.manifest import Manifest
from suit.numbers import CommandCode, ManifestKey
from suit.report import Report, verify_report
from suit.templates import IMAGE_URI, command, component_id
from tests.device_client.plain_world import Client, Peer, registered
from tests.device_client.test_firmware import Depot, depot, until

KEY = generate_private_key()
VENDOR, CLASS = bytes(range(16)), bytes(range(16, 32))
OLD, NEW = b"old image" * 200, b"new image" * 300
SUIT: dict[str, Any] = {
    "firmware_authority": authority_key(KEY.public_key()),
    "vendor_id": VENDOR,
    "class_id": CLASS,
    "install_seconds": 0.0,
}
NONCE = b"fresh nonce"


def update(
    image: bytes, sequence: int = 1, uri: str = IMAGE_URI, vendor_id: bytes = VENDOR, class_id: bytes = CLASS
) -> Manifest:
    return Manifest.firmware_update(
        sequence_number=sequence, image=image, uri=uri, vendor_id=vendor_id, class_id=class_id
    )


def signed(
    image: bytes, sequence: int = 1, key: PrivateKey = KEY, *, vendor_id: bytes = VENDOR, class_id: bytes = CLASS
) -> bytes:
    manifest = update(image, sequence, vendor_id=vendor_id, class_id=class_id)
    return sign(manifest, key, {IMAGE_URI: image})


async def write(server: Peer, package: bytes, path: str = "/5/0/0") -> Code:
    return (await server.ask(Code.PUT, path, payload=package, content_format=Format.OPAQUE)).code


async def order(server: Peer, package: bytes, path: str) -> None:
    assert await write(server, package, f"{path}/0") is Code.CHANGED
    assert (await server.ask(Code.POST, f"{path}/2")).code is Code.CHANGED


async def install(server: Peer, package: bytes, path: str = "/5/0") -> None:
    """Write and update; the client comes back with it."""
    count = len(server.contacts)
    await order(server, package, path)
    await server.contact(count + 1)
    assert await server.read(f"{path}/5") == Resource(5, UpdateResult.SUCCESS)


async def fail(server: Peer, package: bytes, path: str = "/5/0") -> UpdateResult:
    """Write and update; the client stays as it was and says why."""
    await order(server, package, path)
    await until(server, f"{path}/3", UpdateState.IDLE)
    found = await server.read(f"{path}/5")
    assert isinstance(found, Resource) and isinstance(found.value, int)
    return UpdateResult(found.value)


async def report_of(server: Peer, files: DeviceFiles) -> Report:
    """The report, signed with a fresh nonce by the key the client keeps."""
    from device_client.emulator.plain.signing import SigningKey

    await write(server, NONCE, "/33004/0/1")
    answer = (await server.ask(Code.GET, "/33004/0/0", accept=Format.OPAQUE)).raise_for_code()
    report = verify_report(answer.payload, SigningKey(files, lambda: None).get().public_key())
    assert report.nonce == NONCE
    return report


@asynccontextmanager
async def suit_client(folder: FilePath, **members: Any) -> AsyncIterator[tuple[Peer, DeviceFiles, Client]]:
    files = DeviceFiles(folder / "sensor")
    async with registered(files, **{**SUIT, **members}) as (server, client):
        yield server, files, client


def image(files: DeviceFiles, component: str = "firmware") -> bytes | None:
    return SoftwareStore(files, f"firmware/{component}/").read(component_id(("image",)))


async def test_a_manifest_is_processed_and_reported(tmp_path: FilePath) -> None:
    async with suit_client(tmp_path) as (server, files, _):
        assert (await server.ask(Code.GET, "/33004/0/0")).code is Code.NOT_FOUND
        await install(server, signed(NEW))
        assert await server.read("/5/0/7") == Resource(7, "1")
        assert image(files) == NEW
        report = await report_of(server, files)
        assert (report.digest, report.failure) == (update(NEW).digest, None)


async def test_a_payload_is_fetched_from_a_coap_server(tmp_path: FilePath) -> None:
    from tests.device_client.test_firmware import PACKAGE

    async with suit_client(tmp_path) as (server, files, _), depot(Depot()) as there:
        uri = f"coap://127.0.0.1:{there.address[1]}/fw/image"
        package = sign(update(PACKAGE, uri=uri), KEY)
        await install(server, package)
        assert image(files) == PACKAGE
        missing = sign(update(NEW, 2, f"coap://127.0.0.1:{there.address[1]}/nothing"), KEY)
        assert await fail(server, missing) is UpdateResult.INVALID_URI
        assert image(files) == PACKAGE
        assert (await report_of(server, files)).digest == update(
            NEW, 2, f"coap://127.0.0.1:{there.address[1]}/nothing"
        ).digest


async def test_components_have_software_of_their_own(tmp_path: FilePath) -> None:
    async with suit_client(tmp_path) as (server, files, _):
        await install(server, signed(OLD, 7), "/33629/0")
        await install(server, signed(NEW, 3), "/33629/1")
        assert (image(files, "application"), image(files, "modem")) == (OLD, NEW)
        assert (await report_of(server, files)).digest == update(NEW, 3).digest


# ---- what is refused -----------------------------------------------------------------------------


def wrong_payload() -> bytes:
    good = parse_envelope(signed(NEW, 2))
    return assemble(good.manifest_bytes, good.digest, list(good.signatures), {IMAGE_URI: bytes(len(NEW))})


def encryption_info_of_nobody() -> bytes:
    build = Builder(2)
    build.for_devices(VENDOR, CLASS)
    component = build.component("image")
    build.install(component, NEW, uri=IMAGE_URI, encryption_info=b"\x83\x40\xa0\xf6")
    return sign(build.manifest(), KEY, {IMAGE_URI: bytes(len(NEW))})


def for_others() -> bytes:
    return encrypted(SealedFor(ec.generate_private_key(ec.SECP256R1()).public_key(), b"stranger"), 2)


def failing_condition() -> bytes:
    """What follows the condition would install the image."""
    build = Builder(2)
    build.for_devices(VENDOR, CLASS)
    component = build.component("image")
    build.add(ManifestKey.INSTALL, component, command(CommandCode.CONDITION_ABORT))
    build.install(component, NEW, uri=IMAGE_URI)
    return sign(build.manifest(), KEY, {IMAGE_URI: NEW})


REFUSED: list[tuple[Callable[[], bytes], SuitReason, UpdateResult]] = [
    (wrong_payload, SuitReason.PAYLOAD_DIGEST, UpdateResult.INTEGRITY_CHECK_FAILED),
    (lambda: signed(NEW, 2, vendor_id=CLASS), SuitReason.WRONG_VENDOR, UpdateResult.UPDATE_FAILED),
    (lambda: signed(NEW, 2, class_id=VENDOR), SuitReason.WRONG_CLASS, UpdateResult.UPDATE_FAILED),
    (lambda: signed(NEW, 1), SuitReason.SEQUENCE_TOO_LOW, UpdateResult.UPDATE_FAILED),
    (lambda: signed(NEW, 1 << 20), SuitReason.SEQUENCE_TOO_HIGH, UpdateResult.UPDATE_FAILED),
    (encryption_info_of_nobody, SuitReason.ENCRYPTION_INFO, UpdateResult.UPDATE_FAILED),
    (for_others, SuitReason.NOT_A_RECIPIENT, UpdateResult.UPDATE_FAILED),
    (failing_condition, SuitReason.ABORTED, UpdateResult.UPDATE_FAILED),
]


@pytest.mark.parametrize(("package", "reason", "result"), REFUSED, ids=[reason.name for _, reason, _ in REFUSED])
async def test_what_breaks_a_rule_is_reported_and_changes_nothing(
    tmp_path: FilePath, package: Callable[[], bytes], reason: SuitReason, result: UpdateResult
) -> None:
    async with suit_client(tmp_path) as (server, files, _):
        await install(server, signed(OLD, 1))
        bad = package()
        assert await fail(server, bad) is result
        assert image(files) == OLD
        report = await report_of(server, files)
        assert report.digest == parse_envelope(bad).digest
        assert report.failure is not None and report.failure.code == list(SuitReason).index(reason)


@pytest.mark.parametrize(
    ("package", "result"),
    [
        (b"no envelope", UpdateResult.UNSUPPORTED_PACKAGE),
        (signed(NEW, 2, generate_private_key()), UpdateResult.INTEGRITY_CHECK_FAILED),
    ],
)
async def test_what_the_authority_has_not_signed_is_not_taken(
    tmp_path: FilePath, package: bytes, result: UpdateResult
) -> None:
    async with suit_client(tmp_path) as (server, files, _):
        before = image(files)
        assert await write(server, package) is Code.BAD_REQUEST
        await until(server, "/5/0/5", result)
        assert (await server.ask(Code.POST, "/5/0/2")).code is Code.METHOD_NOT_ALLOWED
        assert image(files) == before
        if package.startswith(b"\xd8"):
            report = await report_of(server, files)
            assert report.failure is not None
            assert report.failure.code == list(SuitReason).index(SuitReason.SIGNATURE)


# ---- encrypted payloads --------------------------------------------------------------------------


def encrypted(
    recipient: SealedFor, sequence: int, cipher: Algorithm = Algorithm.A128CTR, plaintext: bytes = NEW
) -> bytes:
    info, ciphertext = encrypt(plaintext, [recipient], cipher)
    build = Builder(sequence)
    build.for_devices(VENDOR, CLASS)
    build.install(build.component("image"), plaintext, uri=IMAGE_URI, encryption_info=info)
    return sign(build.manifest(), KEY, {IMAGE_URI: ciphertext})


async def agreement_keys(server: Peer) -> list[bytes]:
    node = await server.read("/33004/0/2", accept=Format.TLV)
    assert isinstance(node, MultipleResource)
    return [bytes(value) for _, value in sorted(node.instances.items()) if isinstance(value, bytes)]


@pytest.mark.parametrize("cipher", [Algorithm.A128CTR, Algorithm.A128GCM])
async def test_a_payload_encrypted_for_the_device_or_its_group_is_decrypted(
    tmp_path: FilePath, cipher: Algorithm
) -> None:
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    async with suit_client(tmp_path) as (server, files, _):
        public = load_der_public_key((await agreement_keys(server))[0])
        assert isinstance(public, ec.EllipticCurvePublicKey)
        await install(server, encrypted(SealedFor(public), 1, cipher))
        assert image(files) == NEW
        shared = SharedKey.generate()
        package = encrypted(SealedFor(shared.key, shared.kid), 2, cipher, OLD)
        assert await fail(server, package) is UpdateResult.UPDATE_FAILED
        assert await write(server, shared.encode(), "/33004/0/4") is Code.CHANGED
        await install(server, package)
        assert image(files) == OLD


async def test_an_old_key_opens_until_the_next_but_one(tmp_path: FilePath) -> None:
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    async with suit_client(tmp_path) as (server, files, _):
        [first] = await agreement_keys(server)
        public = load_der_public_key(first)
        assert isinstance(public, ec.EllipticCurvePublicKey)
        await server.ask(Code.POST, "/33004/0/3")
        assert (await agreement_keys(server))[0] == first
        await install(server, encrypted(SealedFor(public), 1))
        await server.ask(Code.POST, "/33004/0/3")
        assert first not in await agreement_keys(server)
        await install(server, encrypted(SealedFor(public), 2))
        await install(server, signed(OLD, 3))
        await install(server, signed(b"x", 4))
        assert await fail(server, encrypted(SealedFor(public), 5)) is UpdateResult.UPDATE_FAILED
        assert image(files) == b"x"


@pytest.mark.parametrize("body", [b"", b"\xa0", bytes(300), SharedKey(bytes(8), bytes(15)).encode()])
async def test_what_is_no_group_key(tmp_path: FilePath, body: bytes) -> None:
    async with suit_client(tmp_path) as (server, files, _):
        assert await write(server, body, "/33004/0/4") is Code.BAD_REQUEST
        assert len(AgreementKeys(files).openers()) == 1
