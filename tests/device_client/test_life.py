"""Normal operation: enrollment, registration, firmware, renewal, restarts."""

from __future__ import annotations

from pathlib import Path

from device_pki.roles import Role
from secure_coap.numbers.codes import Code
from tests.device_client.pki import Pki
from tests.device_client.world import FIRMWARE, TRANSFER, execute, read, world, write


async def test_a_new_device_enrolls_and_registers_with_its_operational_certificate(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        scene.switch_on()
        seen = await scene.sp1.registered()
        assert seen.role is Role.OPERATIONAL_DEVICE and seen.endpoint == scene.endpoint
        assert scene.status()["state"] == "idle"
        assert await scene.value(scene.sp1, TRANSFER["State"]) == 0
        assert "</33001/0>" in scene.sp1.links and "</5/0>" in scene.sp1.links


async def test_switched_off_it_deregisters_and_comes_back_with_the_same_certificate(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        device = scene.switch_on()
        first = await scene.sp1.registered()
        await device.switch_off()
        assert scene.sp1.departures == 1
        scene.switch_on()
        assert (await scene.sp1.registered(2)).key == first.key


async def test_it_comes_back_after_a_power_cut_without_enrolling_again(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        device = scene.switch_on()
        first = await scene.sp1.registered()
        await device.cut_power()
        assert scene.sp1.departures == 0
        scene.switch_on()
        assert (await scene.sp1.registered(2)).key == first.key
        assert len([o for o in scene.ca1.outcomes if o.outcome == "certificate issued"]) == 1


async def test_firmware_is_verified_processed_and_runs_after_a_restart(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        scene.switch_on()
        await scene.sp1.registered()
        before = scene.status()["running"]
        await scene.ok(scene.sp1, write(FIRMWARE["Package"], scene.update_manifest(b"second image" * 300)))
        assert await scene.value(scene.sp1, FIRMWARE["State"]) == 2
        await scene.ok(scene.sp1, execute(FIRMWARE["Update"]))
        await scene.sp1.registered(2)
        assert await scene.value(scene.sp1, FIRMWARE["Update Result"]) == 1
        assert await scene.value(scene.sp1, FIRMWARE["State"]) == 0
        assert scene.status()["running"] != before and scene.status()["sequence"] == 1


async def test_firmware_of_a_stranger_and_an_old_one_are_refused(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        scene.switch_on()
        await scene.sp1.registered()
        foreign = scene.update_manifest(b"x", key=pki.sp2.firmware_key)
        assert (await scene.sp1.ask(write(FIRMWARE["Package"], foreign))).code is Code.BAD_REQUEST
        assert await scene.value(scene.sp1, FIRMWARE["Update Result"]) == 5
        assert (await scene.sp1.ask(execute(FIRMWARE["Update"]))).code is Code.METHOD_NOT_ALLOWED
        before = scene.status()["running"]
        await scene.ok(scene.sp1, write(FIRMWARE["Package"], scene.update_manifest(b"y", sequence=0)))
        await scene.ok(scene.sp1, execute(FIRMWARE["Update"]))
        await scene.until(lambda _: scene.sp1.registrations != [])
        assert await scene.value(scene.sp1, FIRMWARE["Update Result"]) == 8
        assert scene.status()["running"] == before


async def test_a_device_whose_certificate_is_no_longer_taken_asks_its_ca_again(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        scene.switch_on()
        first = await scene.sp1.registered()
        from secure_coap.errors import Forbidden

        scene.sp1.refuse = Forbidden("not any more")
        scene.sp1.server.drop(first.association)
        await scene.until(lambda _: len([o for o in scene.ca1.outcomes if o.operation.value == "sen"]) >= 2)
        scene.sp1.refuse = None
        assert (await scene.sp1.registered(2)).role is Role.OPERATIONAL_DEVICE


async def test_a_device_its_ca_has_closed_keeps_trying_and_is_told_so(tmp_path: Path, pki: Pki) -> None:
    from tests.device_client.world import factory_fingerprint

    async with world(tmp_path, pki) as scene:
        await scene.ca1.close_entry(scene.ca1_uri, factory_fingerprint(scene))
        scene.switch_on()
        await scene.until(lambda _: len(scene.ca1.outcomes) >= 3)
        assert not scene.sp1.registrations


async def test_objects_can_be_read_and_discovered_as_a_whole(tmp_path: Path, pki: Pki) -> None:
    from secure_coap.exchange import Request

    async with world(tmp_path, pki) as scene:
        scene.switch_on()
        await scene.sp1.registered()
        for number in ("1", "3", "5", "33001", "33002", "33003"):
            for accept in (112, 11542, None):
                answer = await scene.sp1.ask(Request(Code.GET, (number, "0"), accept=accept))
                assert answer.code is Code.CONTENT, (number, accept, answer)
            found = await scene.sp1.ask(Request(Code.GET, (number,), accept=40))
            assert f"</{number}/0>".encode() in found.payload
        assert (await scene.sp1.ask(read(TRANSFER["Report"]))).code is Code.NOT_FOUND
        assert (await scene.sp1.ask(Request(Code.DELETE, ("33001", "0")))).code is Code.METHOD_NOT_ALLOWED
