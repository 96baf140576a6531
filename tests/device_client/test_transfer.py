"""A transfer as the device lives it, over real sockets: committed, fallen back, cancelled, refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from device_client.emulator.software.software import Software
from device_pki.keys import public_key
from device_pki.roles import Role
from secure_coap.errors import Forbidden, ServiceUnavailable
from secure_coap.numbers.codes import Code
from suit.errors import SuitError, SuitReason
from tests.device_client.pki import Pki
from tests.device_client.world import (
    ENROLLMENT,
    FALLBACK,
    FIRMWARE,
    TRANSFER,
    World,
    execute,
    factory_fingerprint,
    read,
    world,
    write,
)
from trust_transfer.messages.numbers import Form, Result, State
from trust_transfer.messages.report import TransferReport


async def ready(scene: World) -> None:
    scene.switch_on()
    await scene.sp1.registered()
    await scene.prepare()


def report_of(scene: World, raw: bytes) -> TransferReport:
    return TransferReport.parse(raw, public_key(scene.factory_certificate))


@pytest.mark.parametrize("form", list(Form))
async def test_a_device_moves_and_reports_it(tmp_path: Path, pki: Pki, form: Form) -> None:
    async with world(tmp_path, pki, form=form) as scene:
        await ready(scene)
        reports = scene.acknowledge_reports(scene.sp2)
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message(form=form)))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        end = await scene.until(lambda s: s["epoch"] == 1 and s["state"] == "idle" and not s["erase_pending"])
        seen = await scene.sp2.registered()
        report = report_of(scene, reports[0])
        assert seen.role is Role.OPERATIONAL_DEVICE and seen.key == report.attempt_key
        assert (report.state, report.result) == (State.COMMITTED, Result.NONE)
        assert report.anchors is not None and pki.sp1.anchor not in report.anchors and pki.sp2.anchor in report.anchors
        assert end["server_uri"] == scene.sp2.uri and end["enroll_uri"] == scene.ca2_uri
        assert set(end["secrets"]) == {"factory", "epoch 1"}  # type: ignore[call-overload]
        assert pki.sp1.anchor.hex() not in end["certificates"]  # type: ignore[operator]


async def test_the_old_provider_is_a_stranger_after_the_commit(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        await ready(scene)
        scene.acknowledge_reports(scene.sp2)
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message()))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        await scene.until(lambda s: s["epoch"] == 1 and s["state"] == "idle")
        assert await scene.value(scene.sp2, TRANSFER["Sequence"]) == 65536
        answer = await scene.sp2.ask(write(TRANSFER["Transfer Message"], scene.message()))
        assert answer.code is Code.BAD_REQUEST and answer.payload.startswith(b"4 ")


async def test_refused_by_the_new_ca_it_falls_back_with_its_reason(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        await scene.ca2.close_entry(scene.ca2_uri, factory_fingerprint(scene))
        await ready(scene)
        reports = scene.acknowledge_reports(scene.sp1)
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message()))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        back = await scene.sp1.registered(2)
        assert back.role is Role.FACTORY_DEVICE
        end = await scene.until(lambda s: s["state"] == "idle")
        assert end["epoch"] == 0 and end["burned"] == 1 and end["result"] == "enrollment_refused"
        assert report_of(scene, reports[0]).result is Result.ENROLLMENT_REFUSED
        assert "attempt" not in end["secrets"] and "left over" not in end["secrets"]  # type: ignore[operator]
        await scene.ok(scene.sp1, execute(ENROLLMENT["Enroll"]))
        assert (await scene.sp1.registered(3)).role is Role.OPERATIONAL_DEVICE


async def test_refused_by_the_new_server_it_falls_back(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        await ready(scene)
        scene.sp2.refuse = Forbidden("not on my list")
        scene.acknowledge_reports(scene.sp1)
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message()))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        end = await scene.until(lambda s: s["result"] == "registration_refused" and s["state"] == "idle")
        assert end["epoch"] == 0


async def test_back_without_a_certificate_it_stays_reachable_while_its_ca_gives_none(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        await ready(scene)
        scene.sp2.refuse = Forbidden("not on my list")
        scene.acknowledge_reports(scene.sp1)
        await scene.ca1.close_entry(scene.ca1_uri, factory_fingerprint(scene))
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message()))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        await scene.until(lambda s: s["result"] == "registration_refused" and s["state"] == "idle")
        scene.sp1.server.drop((await scene.sp1.registered(2)).association)
        assert (await scene.sp1.registered(3)).role is Role.FACTORY_DEVICE
        assert await scene.value(scene.sp1, TRANSFER["State"]) == State.IDLE
        await scene.ca1.open_entry(scene.ca1_uri, factory_fingerprint(scene))
        assert (await scene.sp1.registered(4)).role is Role.OPERATIONAL_DEVICE


async def test_a_full_disk_during_the_reset_delays_and_no_more(
    tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, tries = Software.reset, 0

    def full_at_first(self: Software, agreed: bytes, authority: bytes) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise SuitError(SuitReason.STORE, "No space left on device")
        whole(self, agreed, authority)

    monkeypatch.setattr(Software, "reset", full_at_first)
    async with world(tmp_path, pki) as scene:
        await ready(scene)
        scene.acknowledge_reports(scene.sp1, scene.sp2)
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message()))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        end = await scene.until(lambda s: s["state"] == "idle")
        assert (end["epoch"], tries) == (1, 2)


async def test_a_new_server_that_is_busy_for_a_while_delays_and_no_more(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        await ready(scene)
        scene.sp2.refuse = ServiceUnavailable("starting")
        scene.acknowledge_reports(scene.sp2)
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message()))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        await scene.until(lambda s: s["transfer"] is not None and s["transfer"]["attempts"] >= 2)  # type: ignore[index]
        scene.sp2.refuse = None
        await scene.until(lambda s: s["epoch"] == 1 and s["state"] == "idle")


async def test_the_next_provider_updates_first_beside_the_agreed_image(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        await ready(scene)
        scene.acknowledge_reports(scene.sp2)
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message(scene.template(update_first=True))))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        session = await scene.sp2.registered()
        assert session.role is Role.FACTORY_DEVICE and scene.status()["state"] == "updating"
        by_sp1 = scene.update_manifest(b"sp1 image", sequence=2)
        assert (await scene.sp2.ask(write(FIRMWARE["Package"], by_sp1))).code is Code.BAD_REQUEST
        by_sp2 = scene.update_manifest(b"sp2 image", sequence=2, key=pki.sp2.firmware_key)
        await scene.ok(scene.sp2, write(FIRMWARE["Package"], by_sp2))
        await scene.ok(scene.sp2, execute(FIRMWARE["Update"]))
        end = await scene.until(lambda s: s["epoch"] == 1 and s["state"] == "idle")
        assert (await scene.sp2.registered(2)).role is Role.OPERATIONAL_DEVICE
        assert end["sequence"] == 2


async def test_cancelled_before_the_reset(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        await ready(scene)
        message = scene.message(scene.template(before=300, after=3600))
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], message))
        assert scene.status()["state"] == "accepted"
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], message))
        assert (await scene.sp1.ask(execute(TRANSFER["Start"]))).code is Code.BAD_REQUEST
        await scene.ok(scene.sp1, execute(TRANSFER["Cancel"], 1))
        current = scene.status()
        assert (current["state"], current["result"], current["burned"]) == ("idle", "cancelled", 1)
        again = await scene.sp1.ask(write(TRANSFER["Transfer Message"], message))
        assert again.code is Code.BAD_REQUEST and again.payload.startswith(b"8 replay")


async def test_a_window_slept_through_is_missed(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        await ready(scene)
        message = scene.message(scene.template(before=1, after=2))
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], message))
        await scene.running[0].cut_power()
        await asyncio.sleep(2)
        scene.switch_on()
        end = await scene.until_state("idle")
        assert end["result"] == "window_missed" and end["burned"] == 1


async def test_only_reads_until_the_decision_and_fall_back_from_the_update_session(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        await ready(scene)
        scene.acknowledge_reports(scene.sp1)
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message(scene.template(update_first=True))))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        await scene.sp2.registered()
        assert await scene.value(scene.sp2, TRANSFER["State"]) == State.UPDATING
        for request in (
            execute(TRANSFER["Cancel"], 1),
            write(FALLBACK["Fallback URI"], scene.sp2.uri),
            write(TRANSFER["Minimum"], b"\x83\x01\x00\x01"),
            execute(ENROLLMENT["Enroll"]),
            read(ENROLLMENT["Enroll URI"]),
        ):
            assert (await scene.sp2.ask(request)).code is Code.UNAUTHORIZED
        await scene.ok(scene.sp2, execute(FALLBACK["Fall Back"]))
        end = await scene.until_state("idle")
        assert end["result"] == "fall_back" and end["epoch"] == 0
        assert (await scene.sp1.registered(2)).role is Role.FACTORY_DEVICE
