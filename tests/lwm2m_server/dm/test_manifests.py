"""SUIT manifests of a plain device-management server: whose are taken, and what devices get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import suit
from cose.keys import authority_key, generate_private_key, save_public_key, thumbprint
from lwm2m_server.provider_keys import KeysError
from tests.lwm2m_server.dm.test_role import folder as folder
from tests.lwm2m_server.dm.test_role import running
from tests.lwm2m_server.server.firmware.world import client
from tests.lwm2m_server.sp.device import until

KEY, OTHER = generate_private_key(), generate_private_key()
IMAGE = bytes(5000)
MANIFEST = suit.Manifest.firmware_update(sequence_number=7, image=IMAGE, vendor_id=bytes(16), class_id=bytes(16))
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
