"""A device's whole way from one provider to another and back, over real sockets, at a scripted device."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from secure_coap.errors import BadRequest, HandshakeFailed, MethodNotAllowed
from secure_coap.numbers.codes import Code
from tests.lwm2m_server.sp.device import until
from tests.lwm2m_server.sp.transfer import ENDPOINT, Stage, Transfer, manifest, stage
from trust_transfer.messages.numbers import Form, Result, State
from trust_transfer.messages.transfer_message import parse_transfer_message

MESSAGE = "/33001/0/0"


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as set_up:
        yield set_up


async def test_what_a_device_is_sent(scene: Stage) -> None:
    transfer = scene.transfer()
    assert await transfer.begin() == 1
    device = scene.device
    await until(lambda: device.payloads(MESSAGE))
    (message,) = device.payloads(MESSAGE)
    sp1, sp2 = scene.world.sp1.running.provider.keys, scene.world.sp2.running.provider.keys
    order = parse_transfer_message(message).verify(
        sp1.transfer.private_key.public_key(), [sp2.transfer.private_key.public_key()]
    )
    assert (order.form, order.audience, order.seq) == (Form.ENDORSED, ENDPOINT, 1)
    assert order.destination.enroll_uri.startswith("coaps://127.0.0.1:7002/est/")
    assert order.fallback_uri == "coaps://127.0.0.1:6001"
    written = [path for method, path, _ in device.log if method in {"PUT", "POST"}]
    # the agreed state is delivered and taken off the way, the endorser and SP2's CA are known, then the message
    assert written == ["/5/0/0", "/5/0/0", "/33001/0/17", "/33002/0", MESSAGE]
    assert device.payloads("/5/0/0")[1] == b""
    await until(lambda: transfer.is_(transfer.giver, book="offered"))


async def test_a_device_moves_and_its_old_certificates_end(scene: Stage) -> None:
    transfer = scene.transfer()
    seq = await transfer.begin()
    await until(lambda: transfer.is_(transfer.giver, state="accepted"))
    await transfer.order("start")
    await until(lambda: scene.device.payloads("/33001/0/3"))
    moved = await transfer.commit(seq)
    assert moved.payloads("/33001/0/16") == [b"0='1'"]
    # The scripted device's report is genuine, but claims a truststore and an image nobody agreed on.
    assert len((await transfer.at(transfer.taker))["deviations"]) > 2
    await moved.close()

    clone = scene.world.sp1.device(ENDPOINT, scene.factory)
    with pytest.raises(HandshakeFailed):
        await clone.connect(scene.world.sp1.operational(ENDPOINT))
        raise HandshakeFailed((await clone.register()).code.name)
    await clone.connect(scene.factory)
    assert (await clone.register()).code is Code.FORBIDDEN
    await clone.close()


async def test_a_device_moves_back_in_its_next_epoch(scene: Stage) -> None:
    there = scene.transfer()
    moved = await there.commit(await there.begin())
    back = Transfer(scene.sp2, scene.sp1, moved, group="sp1:meters")
    seq = await back.begin()
    assert seq == 65536 + 1
    await until(lambda: moved.payloads(MESSAGE))
    returned = await back.commit(seq)
    assert returned.payloads("/33001/0/16") == [b"0='65537'"]
    shown = (await scene.sp1.admin.get(f"/devices/{ENDPOINT}")).json()
    assert (shown["book"], shown["registered"]) == ("owned", True)
    # what was revoked belonged to the epochs that ended, so the returned device stays
    assert (await returned.update()).code is Code.CHANGED
    await returned.close()


async def test_a_device_falls_back_and_its_attempt_ends(scene: Stage) -> None:
    transfer, device = scene.transfer(), scene.device
    seq = await transfer.begin(endorsed=False)
    await until(lambda: device.payloads(MESSAGE))
    attempt = scene.world.sp2.operational(ENDPOINT)
    device.decide(State.FELL_BACK, bytes.fromhex(transfer.cti), seq, attempt, Result.ENROLLMENT_REFUSED)
    await device.connect(scene.factory)
    assert (await device.register()).code is Code.CREATED
    await until(lambda: device.payloads("/33002/0/7"))
    assert device.payloads("/33001/0/16") == [b"0='1'"]
    released = [{"attempt_key": attempt.thumbprint.hex(), "revoked": True}]
    await until(lambda: transfer.is_(transfer.taker, released=released, owned=False))
    fell_back = [{"seq": 1, "attempt_key": attempt.thumbprint.hex(), "released": True}]
    await until(lambda: transfer.is_(transfer.giver, book="owned", fell_back=fell_back))

    await device.connect(scene.world.sp1.operational(ENDPOINT))
    assert (await device.register()).code is Code.CREATED
    await until(lambda: transfer.is_(transfer.giver, duties=[]))
    await device.connect(scene.factory)
    assert (await device.register()).code is Code.FORBIDDEN  # enrolled since: the factory certificate is done


async def test_a_rejected_offer_is_cancelled_and_made_again(scene: Stage) -> None:
    transfer, device = scene.transfer(), scene.device
    device.refuse[MESSAGE] = BadRequest("17 anchor_missing: none of the named anchors is here")
    await transfer.begin()
    await until(lambda: device.payloads("/33001/0/4"))
    assert device.payloads("/33001/0/4") == [b"0='1'"]
    await until(lambda: transfer.is_(transfer.giver, book="owned", duties=[]))
    (offer,) = (await transfer.at(transfer.giver))["offers"]
    assert (offer["delivery"], offer["result"], offer["settled"]) == ("rejected", "anchor_missing", True)
    device.refuse.clear()
    assert await transfer.offer() == 2
    await until(lambda: transfer.is_(transfer.giver, state="accepted", seqs=[1, 2]))
    assert len(device.payloads(MESSAGE)) == 2


async def test_a_busy_device_is_asked_again(scene: Stage) -> None:
    transfer, device = scene.transfer(), scene.device
    device.refuse[MESSAGE] = MethodNotAllowed("19 busy")
    await transfer.begin()
    await until(lambda: len(device.payloads(MESSAGE)) > 1)
    device.refuse.clear()
    await until(lambda: transfer.is_(transfer.giver, duties=[]))
    (offer,) = (await transfer.at(transfer.giver))["offers"]
    assert (offer["delivery"], offer["settled"]) == ("accepted", False)
    assert len(set(device.payloads(MESSAGE))) == 1  # the same bytes each time (rule 6)


async def test_cancel_is_repeated_until_it_proves_something(scene: Stage) -> None:
    transfer, device = scene.transfer(), scene.device
    await transfer.begin()
    await until(lambda: transfer.is_(transfer.giver, state="accepted"))
    device.refuse["/33001/0/4"] = MethodNotAllowed("19 busy")
    await transfer.order("cancel")
    await until(lambda: len(device.payloads("/33001/0/4")) > 1)
    assert (await transfer.at(transfer.giver))["book"] == "offered"  # a refusal proves nothing (rule 7)
    device.refuse.clear()
    await until(lambda: transfer.is_(transfer.giver, book="owned", duties=[]))


async def test_update_first_and_nothing_else(scene: Stage) -> None:
    transfer = scene.transfer()
    update = manifest(scene.world.sp2, 9)
    await transfer.begin(update_first=update)
    await until(lambda: scene.device.payloads(MESSAGE))
    await scene.device.close()
    await scene.sp2.ready()
    visitor = scene.world.sp2.device(ENDPOINT, scene.factory)
    await visitor.connect(scene.factory)
    assert (await visitor.register()).code is Code.CREATED
    await until(lambda: visitor.payloads("/5/0/2"))
    assert visitor.payloads("/5/0/0") == [update]
    assert {path.split("/")[1] for _, path, _ in visitor.log} == {"5"}
    seen = await transfer.at(transfer.taker)
    assert (seen["owned"], seen["provisional"], seen["expected"]) == (False, [], True)
    refused = await transfer.taker.admin.post(f"/devices/{ENDPOINT}/read", json={"path": "/3/0/0"})
    assert refused.status_code == 404  # no commands before it is owned (rule 12)
    await visitor.close()


async def test_evidence_is_byte_for_byte(scene: Stage, tmp_path: Path) -> None:
    from lwm2m_server.cli.common import unpack

    transfer = scene.transfer()
    seq = await transfer.begin()
    await until(lambda: scene.device.payloads(MESSAGE))
    moved = await transfer.commit(seq)
    await moved.close()
    kept = {}
    for side in (transfer.giver, transfer.taker):
        archive = (await side.admin.get(f"/transfers/{transfer.cti}/evidence")).content
        folder = tmp_path / f"evidence-{side.provider.name}"
        names = unpack(archive, folder)
        kept[side.provider.name] = {name: (folder / name).read_bytes() for name in names}
    shared = kept["sp1"].keys() & kept["sp2"].keys()
    assert {
        "devices-0.cbor",
        "devices-0.jws",
        "transfer-template.cwt",
        "receipts-0.cbor",
        "receipts-0.jws",
        "transfer-report-dev-1.cwt",
        "factory-dev-1.der",
        "sp1-document.der",
        "sp2-transfer.pem",
    } <= shared
    assert all(kept["sp1"][name] == kept["sp2"][name] for name in shared)
    assert kept["sp1"]["transfer-message-dev-1.cwt"] == scene.device.payloads(MESSAGE)[0]
