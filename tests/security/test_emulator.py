"""docs/reference/security-tests.md, tests 7, 8, 13 and 16 to 20 on the emulated device, over real sockets.

16, the power cut at every write, is tests/device_client/test_power_cuts.py; its second half is here. 9 to 12, 14 and 15
are judged by trust_transfer alone and tested there.
"""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from device_client.emulator.lwm2m.caller import Caller, Operation
from device_client.emulator.lwm2m.transfer.access import TransferAccess
from device_pki.keys import public_key
from objects.path import Path as ObjectPath
from secure_coap.numbers.codes import Code
from tests.device_client.pki import Pki, Provider
from tests.device_client.world import (
    FALLBACK,
    FIRMWARE,
    FIRMWARE_IMAGE,
    TRANSFER,
    World,
    execute,
    world,
    write,
)
from trust_transfer.device.events import Source
from trust_transfer.messages.numbers import Form, Result, State
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.transfer_message import Terms


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki.make()


@pytest.fixture
async def scene(tmp_path: Path, pki: Pki) -> AsyncIterator[World]:
    """A registered device that has everything a transfer needs."""
    async with world(tmp_path, pki) as made:
        made.switch_on()
        await made.sp1.registered()
        await made.prepare()
        yield made


async def rejected(scene: World, message: bytes, result: Result, code: Code = Code.BAD_REQUEST) -> None:
    """The message is refused with this reason and nothing on the device has changed."""
    before = scene.files().read("record.cbor")
    answer = await scene.sp1.ask(write(TRANSFER["Transfer Message"], message))
    assert (answer.code, answer.payload.split(b" ")[0]) == (code, str(int(result)).encode()), answer
    assert scene.files().read("record.cbor") == before


def access(state: State) -> TransferAccess:
    return TransferAccess(lambda: state)


@pytest.mark.parametrize("change", ["other", "prefix", "case"])
async def test_7_another_audience(scene: World, change: str) -> None:
    name = {"other": "device-2", "prefix": scene.endpoint[:-1], "case": scene.endpoint.upper()}[change]
    await rejected(scene, scene.message(terms=Terms(name, 1, scene.sp1.uri)), Result.AUDIENCE)


async def test_8_lower_and_used_seq_also_after_a_reboot(scene: World) -> None:
    waiting = scene.template(before=300)
    await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message(waiting, scene.terms(5))))
    await rejected(scene, scene.message(waiting, scene.terms(4)), Result.REPLAY)
    await rejected(scene, scene.message(scene.template(before=301), scene.terms(5)), Result.REPLAY)
    await scene.running[0].cut_power()
    scene.switch_on()
    await scene.sp1.registered(2)
    await rejected(scene, scene.message(waiting, scene.terms(4)), Result.REPLAY)
    await rejected(scene, scene.message(waiting, scene.terms(6, epoch=1)), Result.EPOCH)


async def test_13_plain_form_below_the_minimum(scene: World) -> None:
    await rejected(scene, scene.message(form=Form.PLAIN), Result.BELOW_MINIMUM)
    lower = await scene.sp1.ask(write(TRANSFER["Minimum"], b"\x83\x00\x00\x01"))
    assert lower.code is Code.BAD_REQUEST and lower.payload.startswith(b"13 ")


async def test_too_large_by_blocks_and_in_one_piece(scene: World) -> None:
    await rejected(scene, bytes(1025), Result.TOO_LARGE, Code.REQUEST_ENTITY_TOO_LARGE)
    await rejected(scene, bytes(5000), Result.TOO_LARGE, Code.REQUEST_ENTITY_TOO_LARGE)


async def test_16_after_the_commit_no_secret_of_the_old_provider_is_on_the_device(scene: World) -> None:
    old_secret = (await scene.sp1.registered()).key
    assert old_secret.hex() in str(scene.status()["secrets"])
    await move(scene)
    names = [path.name for path in scene.files().root.rglob("*.pem")]
    assert f"{old_secret.hex()}.pem" not in names and len(names) == 2


async def test_16_after_the_reset_nothing_of_the_old_provider_is_in_the_devices_directory(scene: World) -> None:
    """Held in the update session, before any decision: its key, its software, and manifests written or left torn."""
    secret, pending, torn = b"secret of sp1 " * 9, b"pending secret " * 9, b"torn secret " * 9
    await scene.ok(scene.sp1, write(FIRMWARE["Package"], scene.update_manifest(secret)))
    await scene.ok(scene.sp1, execute(FIRMWARE["Update"]))
    old_key = (await scene.sp1.registered(2)).key
    await scene.ok(scene.sp1, write(FIRMWARE["Package"], scene.update_manifest(pending, 2)))
    scene.files().path("keys/torn.pem.new").write_bytes(torn)
    agreed = scene.update_manifest(FIRMWARE_IMAGE, 3)
    await scene.prepare(agreed)
    message = scene.message(scene.template(update_first=True, agreed=agreed))
    await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], message))
    await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
    await scene.sp2.registered()
    await scene.until_state("updating")
    for path in filter(Path.is_file, scene.files().root.rglob("*")):
        content = path.read_bytes()
        assert not any(one in content for one in (secret, pending, torn)), path
        assert old_key.hex() not in path.name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(path.stat().st_mode) for path in scene.files().root.rglob("*") if path.is_dir()} == {0o700}


async def test_17_a_planted_anchor_is_gone_after_the_reset_and_not_in_the_report(scene: World) -> None:
    provider = Provider.make("planted")
    await scene.add_anchor(provider)
    assert provider.anchor.hex() in scene.status()["anchors"]  # type: ignore[operator]
    reports = await move(scene)
    report = TransferReport.parse(reports[0], public_key(scene.factory_certificate))
    assert report.anchors is not None and provider.anchor not in report.anchors
    assert provider.anchor.hex() not in scene.status()["certificates"]  # type: ignore[operator]


async def test_18_a_state_that_cannot_be_reached_means_no_enrollment_and_the_way_back(tmp_path: Path, pki: Pki) -> None:
    async with world(tmp_path, pki) as scene:
        scene.switch_on()
        await scene.sp1.registered()
        # The manifest names an image the device does not have and does not bring it along.
        agreed = scene.agreed_manifest(image=b"an image that is not there")
        await scene.prepare(agreed)
        reports = scene.acknowledge_reports(scene.sp1)
        message = scene.message(scene.template(agreed=agreed))
        await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], message))
        await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
        end = await scene.until(lambda s: s["state"] == "idle" and s["result"] == "reset")
        assert end["epoch"] == 0 and not scene.ca2.outcomes
        report = TransferReport.parse(reports[0], public_key(scene.factory_certificate))
        assert (report.state, report.result) == (State.FELL_BACK, Result.RESET)


async def test_19_outside_the_window_after_the_reset_and_meanwhile(scene: World) -> None:
    waiting = scene.message(scene.template(before=300))
    await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], waiting))
    early = await scene.sp1.ask(execute(TRANSFER["Start"]))
    assert early.code is Code.BAD_REQUEST and early.payload.startswith(b"10 window")
    for resource, value in (("Fallback URI", scene.sp2.uri), ("Attempts Allowed", 9), ("Deadline", 900)):
        answer = await scene.sp1.ask(write(FALLBACK[resource], value))
        assert answer.code in {Code.METHOD_NOT_ALLOWED, Code.BAD_REQUEST}
    assert scene.status()["fallback_uri"] == scene.sp1.uri


@pytest.mark.parametrize("state", [State.RESETTING, State.ENROLLING, State.REGISTERING, State.FALLING_BACK])
def test_19_from_the_reset_to_the_decision_the_old_provider_only_reads(state: State) -> None:
    for path in ("/33003/0/0", "/33003/0/1", "/33003/0/2", "/33002/0/0", "/33001/0/18", "/5/0/0", "/1/0/1"):
        answer = access(state).refused(Caller(), Operation.WRITE, ObjectPath.parse(path))
        assert answer is not None and answer.code is Code.METHOD_NOT_ALLOWED
        assert access(state).refused(Caller(), Operation.READ, ObjectPath.parse(path)) is None


@pytest.mark.parametrize("source", [Source.STRANGER, Source.UPDATE_SESSION])
def test_20_another_account_executes_cancel(source: Source) -> None:
    for state in State:
        answer = access(state).refused(Caller(source), Operation.EXECUTE, TRANSFER["Cancel"].path())
        assert answer is not None and answer.code is Code.UNAUTHORIZED


async def move(scene: World) -> list[bytes]:
    reports = scene.acknowledge_reports(scene.sp2)
    await scene.ok(scene.sp1, write(TRANSFER["Transfer Message"], scene.message()))
    await scene.ok(scene.sp1, execute(TRANSFER["Start"]))
    await scene.until(lambda s: s["epoch"] == 1 and s["state"] == "idle" and not s["erase_pending"])
    return reports
