"""Operational keys made by the CA, for devices whose factory allows it; over DTLS and over OSCORE."""

from __future__ import annotations

from pathlib import Path

import pytest

from cose.keys import thumbprint
from device_client.emulator.storage.vault import Vault
from device_pki.roles import Role
from secure_coap.numbers.codes import Code
from tests.device_client.pki import Pki
from tests.device_client.world import ENROLLMENT, TRANSFER, World, execute, world, write
from trust_transfer.messages.values import EnrollmentProfile

PROFILES = [EnrollmentProfile(0, 0, 1), EnrollmentProfile(1, 0, 1), EnrollmentProfile(1, 1, 1)]


def operations(scene: World) -> list[str]:
    return [one.operation.value for one in scene.ca1.outcomes]


@pytest.mark.parametrize("profile", PROFILES)
async def test_the_ca_makes_the_first_key_and_the_next(tmp_path: Path, pki: Pki, profile: EnrollmentProfile) -> None:
    async with world(tmp_path, pki, profile=profile) as scene:
        scene.switch_on()
        first = await scene.sp1.registered()
        assert first.role is Role.OPERATIONAL_DEVICE
        assert thumbprint(Vault(scene.files()).key(first.key).public_key()) == first.key
        await scene.ok(scene.sp1, execute(ENROLLMENT["Enroll"]))
        assert (await scene.sp1.registered(2)).key != first.key
        await scene.until(lambda s: "left over" not in s["secrets"])  # type: ignore[operator]
        assert operations(scene) == (["skg"] if profile.request else ["skc"]) * 2


async def test_a_device_whose_factory_does_not_allow_it_stays_with_its_own(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        scene.switch_on()
        await scene.sp1.registered()
        answer = await scene.sp1.ask(write(ENROLLMENT["Key Generation"], 1))
        assert answer.code is Code.BAD_REQUEST and answer.payload.startswith(b"13 ")
        assert await scene.value(scene.sp1, ENROLLMENT["Key Generation"]) == 0


async def test_a_server_may_choose_where_the_factory_allows_it(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki, profile=PROFILES[0]) as scene:
        scene.switch_on()
        await scene.sp1.registered()
        await scene.ok(scene.sp1, write(ENROLLMENT["Key Generation"], 0))
        await scene.ok(scene.sp1, execute(ENROLLMENT["Enroll"]))
        await scene.sp1.registered(2)
        assert operations(scene) == ["skc", "sren"]


async def test_a_transfer_needs_a_key_of_the_device_all_the_same(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki, profile=PROFILES[0]) as scene:
        scene.switch_on()
        await scene.sp1.registered()
        await scene.prepare()
        scene.acknowledge_reports(scene.sp2)
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message()))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        await scene.until(lambda s: s["epoch"] == 1 and s["state"] == "idle")
        assert [one.operation.value for one in scene.ca2.outcomes] == ["sen"]


async def test_a_key_the_server_refuses_is_not_made_again_and_again(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki, profile=PROFILES[0]) as scene:
        scene.switch_on()
        first = await scene.sp1.registered()
        scene.sp1.refuse_keys_but = {first.key}
        await scene.ok(scene.sp1, execute(ENROLLMENT["Enroll"]))
        await scene.until(lambda _: len(scene.sp1.refused_keys) >= 3)
        assert set(scene.sp1.refused_keys[:3]) == {scene.sp1.refused_keys[0]}
        assert operations(scene)[:2] == ["skc", "skc"]
        scene.sp1.refuse_keys_but = None
        assert (await scene.sp1.registered(2)).key != first.key
