"""SUIT manifests of a plain device-management server: whose are taken, and what devices get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import suit
from cose.keys import authority_key, generate_private_key, save_public_key, thumbprint
from device_client.emulator.plain.settings import Credentials
from device_client.emulator.plain.signing import SigningKey
from device_client.emulator.storage.files import DeviceFiles
from device_client.emulator.storage.software import SoftwareStore
from device_pki.keys import public_key
from lwm2m_server.ca.directory import CaDirectory
from lwm2m_server.provider_keys import KeysError
from lwm2m_server.settings import Address, FirmwareSettings
from suit.report import verify_report
from suit.templates import component_id
from tests.lwm2m_server.dm.test_role import folder as folder
from tests.lwm2m_server.dm.test_role import running, tls_of
from tests.lwm2m_server.server.firmware.world import client
from tests.lwm2m_server.sp.device import until

KEY, OTHER = generate_private_key(), generate_private_key()
IMAGE = bytes(5000)
MANIFEST = suit.Manifest.firmware_update(sequence_number=7, image=IMAGE, vendor_id=bytes(16), class_id=bytes(16))
OLDER = suit.Manifest.firmware_update(sequence_number=6, image=IMAGE, vendor_id=bytes(16), class_id=bytes(16))
ENVELOPE = suit.sign(MANIFEST, KEY, payloads={suit.IMAGE_URI: IMAGE})
FIRMWARE = "/api/v1/firmware"
SUIT: dict[str, Any] = {
    "firmware_authority": authority_key(KEY.public_key()),
    "vendor_id": bytes(16),
    "class_id": bytes(16),
}


@pytest.fixture
def authorities(tmp_path: Path) -> tuple[Path, ...]:
    for name, key in (("other", OTHER), ("ours", KEY)):
        save_public_key(tmp_path / f"{name}.pem", key.public_key())
    return tmp_path / "other.pem", tmp_path / "ours.pem"


async def test_a_manifest_goes_to_a_device_that_knows_its_signer(folder: Path, authorities: tuple[Path, ...]) -> None:
    async with running(folder, firmware_authorities=authorities) as (role, admin):
        assert role.nosec is not None
        added = (await admin.post(FIRMWARE, content=ENVELOPE)).json()
        assert (added["digest"], added["sequence_number"]) == (MANIFEST.digest.digest.hex(), 7)
        shown = (await admin.get(f"{FIRMWARE}/{added['digest']}")).json()
        assert shown["signed_by"]["thumbprint"] == thumbprint(KEY.public_key()).hex()
        assert [one["digest"] for one in (await admin.get(FIRMWARE)).json()] == [added["digest"]]
        async with client(role.nosec[1], **SUIT):
            await until(lambda: role.server.sessions.is_online("sensor"))
            ordered = await admin.post(f"{FIRMWARE}/{added['digest']}/pushes", json={"device": "sensor"})
            (number,) = ordered.json()["updates"]

            async def ended() -> bool:
                return (await admin.get(f"{FIRMWARE}/pushes/{number}")).json()["state"] in {"installed", "failed"}

            await until(ended)
            assert (await admin.get(f"{FIRMWARE}/pushes/{number}")).json()["state"] == "installed"
            assert await role.server.device("sensor").read("/5/0/7") == "7"


async def test_manifests_of_others_are_refused(folder: Path, authorities: tuple[Path, ...]) -> None:
    foreign = suit.sign(MANIFEST, generate_private_key(), payloads={suit.IMAGE_URI: IMAGE})
    async with running(folder, firmware_authorities=authorities) as (_, admin):
        for body in (foreign, ENVELOPE[:-1], b"", b"\xd8\x6b\xa0"):
            assert (await admin.post(FIRMWARE, content=body)).status_code == 422
        assert (await admin.get(FIRMWARE)).json() == []


async def test_without_authorities_none_is_taken(folder: Path, tmp_path: Path) -> None:
    async with running(folder) as (_, admin):
        refused = await admin.post(FIRMWARE, content=ENVELOPE)
        assert (refused.status_code, "firmware_authorities" in refused.json()["detail"]) == (422, True)
    with pytest.raises(KeysError, match="firmware_authorities"):
        async with running(folder, firmware_authorities=(tmp_path / "none.pem",)):
            pass


# ---- reports -------------------------------------------------------------------------------------


def device_credentials(ca: CaDirectory, name: str) -> Credentials:
    config = tls_of(ca, name)
    key = config.private_key
    assert key is not None
    return Credentials(
        certificate=config.certificate_chain[0].public_bytes(Encoding.DER),
        private_key=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        anchor=ca.issuer().certificate.public_bytes(Encoding.DER),
        anchor_is_ca=True,
    )


async def ended(admin: httpx.AsyncClient, number: int) -> dict[str, Any]:
    """An update that has ended, and its report is here."""
    shown: dict[str, Any] = {}

    async def complete() -> bool:
        nonlocal shown
        shown = (await admin.get(f"{FIRMWARE}/pushes/{number}")).json()
        return shown["state"] in {"installed", "failed"} and shown["report"] is not None

    await until(complete)
    return shown


async def push(admin: httpx.AsyncClient, envelope: bytes, **order: Any) -> int:
    digest = (await admin.post(FIRMWARE, content=envelope)).json()["digest"]
    (number,) = (await admin.post(f"{FIRMWARE}/{digest}/pushes", json={"device": "sensor", **order})).json()["updates"]
    return int(number)


@pytest.mark.parametrize("method", ["push", "pull"])
async def test_a_device_with_a_certificate_proves_what_it_installed(
    folder: Path, authorities: tuple[Path, ...], method: str
) -> None:
    credentials = device_credentials(CaDirectory(folder / "ca"), "sensor")
    async with running(folder, firmware_authorities=authorities) as (role, admin):
        assert role.dtls is not None
        server = f"coaps://{role.dtls[0]}:{role.dtls[1]}"
        async with client(role.dtls[1], server=server, credentials=credentials, **SUIT):
            await until(lambda: role.server.sessions.is_online("sensor"))
            shown = await ended(admin, await push(admin, ENVELOPE, method=method))
            assert (shown["state"], shown["report"], shown["result"]) == ("installed", "success", 1)
            body = (await admin.get(f"{FIRMWARE}/reports/{shown['id']}")).content
            key = x509.load_der_x509_certificate(credentials.certificate)
            assert verify_report(body, public_key(key)).digest == MANIFEST.digest
            device = (await admin.get("/api/v1/devices/sensor")).json()
            assert (device["report"]["digest"], device["report"]["success"]) == (shown["digest"], True)
            again = suit.sign(OLDER, KEY, payloads={suit.IMAGE_URI: IMAGE})
            failed = await ended(admin, await push(admin, again, method=method))
            assert (failed["state"], failed["report"]) == ("failed", "unauthorised")


async def test_without_a_certificate_the_operator_says_by_which_key(
    folder: Path, authorities: tuple[Path, ...], tmp_path: Path
) -> None:
    files = DeviceFiles(tmp_path / "sensor")
    files.make()
    key = SigningKey(files, lambda: None).get().public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    path = "/api/v1/report-keys/sensor"
    async with running(folder, firmware_authorities=authorities) as (role, admin):
        assert role.nosec is not None
        assert (await admin.put(path, json={"public_key": "no key"})).status_code == 422
        assert (await admin.put(path, json={"public_key": pem})).json()["public_key"] == pem
        async with client(role.nosec[1], files=files, **SUIT):
            await until(lambda: role.server.sessions.is_online("sensor"))
            shown = await ended(admin, await push(admin, ENVELOPE))
            assert (shown["state"], shown["report"]) == ("installed", "success")
        assert [one["endpoint"] for one in (await admin.get("/api/v1/report-keys")).json()] == ["sensor"]
        assert (await admin.delete(path)).is_success
        assert (await admin.delete(path)).status_code == 404


async def test_a_report_is_asked_for_after_a_restart_too(
    folder: Path, authorities: tuple[Path, ...], tmp_path: Path
) -> None:
    """The update ended before anybody knew the device's key."""
    files = DeviceFiles(tmp_path / "sensor")
    files.make()
    key = SigningKey(files, lambda: None).get().public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    async with running(folder, firmware_authorities=authorities) as (role, admin):
        assert role.nosec is not None
        async with client(role.nosec[1], files=files, **SUIT):
            await until(lambda: role.server.sessions.is_online("sensor"))
            number = await push(admin, ENVELOPE)

            async def installed() -> bool:
                return bool((await admin.get(f"{FIRMWARE}/pushes/{number}")).json()["state"] == "installed")

            await until(installed)
        await admin.put("/api/v1/report-keys/sensor", json={"public_key": pem})
    async with running(folder, firmware_authorities=authorities) as (role, admin):
        assert role.nosec is not None
        async with client(role.nosec[1], files=files, **SUIT):
            assert (await ended(admin, number))["report"] == "success"


@pytest.mark.parametrize("scheme", ["coap", "http"])
async def test_a_payload_is_fetched_from_this_server_over_an_open_channel(
    folder: Path, authorities: tuple[Path, ...], scheme: str, unused_tcp_port: int
) -> None:
    """As long as a manifest that names it is on its way to somebody; before and afterwards it is not there."""
    files = DeviceFiles(folder / "sensor")
    http = FirmwareSettings(
        http_bind=Address("127.0.0.1", unused_tcp_port), http_uri=f"http://127.0.0.1:{unused_tcp_port}"
    )
    async with running(folder, firmware_authorities=authorities, firmware=http) as (role, admin):
        assert role.nosec is not None
        base = f"coap://127.0.0.1:{role.nosec[1]}" if scheme == "coap" else http.http_uri
        place = f"/fw/{(await admin.post('/api/v1/images', content=IMAGE)).json()['digest']}"
        manifest = suit.Manifest.firmware_update(
            sequence_number=7, image=IMAGE, vendor_id=bytes(16), class_id=bytes(16), uri=base + place
        )
        async with client(role.nosec[1], files=files, **SUIT), httpx.AsyncClient(base_url=http.http_uri) as stranger:
            await until(lambda: role.server.sessions.is_online("sensor"))
            assert (await stranger.get(place)).status_code == 404
            number = await push(admin, suit.sign(manifest, KEY), install=False)

            async def kept() -> bool:
                return bool((await admin.get(f"{FIRMWARE}/pushes/{number}")).json()["state"] == "kept")

            await until(kept)
            number = await push(admin, suit.sign(manifest, KEY))

            async def installed() -> bool:
                return bool((await admin.get(f"{FIRMWARE}/pushes/{number}")).json()["state"] == "installed")

            await until(installed)
            assert SoftwareStore(files, "firmware/firmware/").read(component_id(suit.IMAGE)) == IMAGE
            assert (await stranger.get(place)).status_code == 404
            assert (await stranger.get("/fw/" + "00" * 32)).status_code == 404
