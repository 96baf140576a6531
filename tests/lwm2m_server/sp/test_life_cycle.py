"""A device's whole way from one provider to another, over real sockets, at a scripted device."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from cose.keys import load_private_key
from lwm2m_server.fleet.inventory import Build, build_envelope
from lwm2m_server.provider_keys import KeyRole, key_path
from secure_coap.errors import HandshakeFailed
from secure_coap.numbers.codes import Code
from tests.lwm2m_server.sp.device import FakeDevice, until
from tests.lwm2m_server.sp.world import Provider, World, bag_of, factory_identity, profile_of, serving_world
from trust_transfer.messages.numbers import Form, Result, State
from trust_transfer.messages.transfer_message import parse_transfer_message


def agreed_manifest(provider: Provider) -> bytes:
    key = load_private_key(key_path(provider.settings.data, KeyRole.FIRMWARE))
    return build_envelope(Build(b"image", 1, bytes(16), bytes(16), b"configuration"), key)


class Transfer:
    """A prepared world: one device at SP1, a transfer to SP2 announced and accepted."""

    def __init__(self, world: World, device: FakeDevice, admin1: httpx.AsyncClient, admin2: httpx.AsyncClient) -> None:
        self.world = world
        self.device = device
        self.admin1 = admin1
        self.admin2 = admin2
        self.cti = ""

    async def begin(self, *, endorsed: bool = True, seconds: int = 600) -> None:
        manifest = await self.order(self.admin1, "/firmware", agreed_manifest(self.world.sp1))
        agreed = manifest["digest"]
        for admin, other in ((self.admin1, self.world.sp2), (self.admin2, self.world.sp1)):
            profile = await profile_of(other, agreed)
            (await admin.put("/partners", content=profile.render())).raise_for_status()
        now = int(time.time())
        plan = {
            "group": "meters",
            "partner": "sp2",
            "agreed_state": agreed,
            "window": {"earliest": now - 5, "latest": now + seconds},
            "endorsed": endorsed,
        }
        self.cti = (await self.order(self.admin1, "/transfers", plan))["transfer"]
        assert (await self.order(self.admin1, "/transfers", plan))["transfer"] == self.cti
        await until(self._announced)
        await self.order(self.admin2, f"/transfers/{self.cti}/accept", {})
        await self.order(self.admin2, f"/transfers/{self.cti}/accept", {})
        await until(self._has_template)
        offered = await self.order(self.admin1, f"/transfers/{self.cti}/offer", {})
        assert offered["seqs"] == {self.device.endpoint: 1}, offered
        assert (await self.order(self.admin1, f"/transfers/{self.cti}/offer", {})) == offered

    async def _announced(self) -> bool:
        answer = await self.admin2.get(f"/transfers/{self.cti}")
        return answer.status_code == 200 and {one["kind"] for one in answer.json()["documents"]} == {"devices"}

    async def _has_template(self) -> bool:
        return bool((await self.admin1.get(f"/transfers/{self.cti}")).json()["template"])

    @staticmethod
    async def order(admin: httpx.AsyncClient, path: str, body: dict[str, Any] | bytes) -> Any:
        arguments: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = await admin.post(path, **arguments)
        assert answer.is_success, answer.text
        return answer.json()

    async def at(self, admin: httpx.AsyncClient) -> dict[str, Any]:
        page = (await admin.get(f"/transfers/{self.cti}")).raise_for_status().json()
        (device,) = page["devices"]
        assert isinstance(device, dict)
        return device

    async def is_(self, admin: httpx.AsyncClient, **wanted: Any) -> bool:
        seen = await self.at(admin)
        return all(seen[name] == value for name, value in wanted.items())


async def test_a_device_moves_and_its_old_certificates_end(tmp_path: Path) -> None:
    async with serving_world(tmp_path) as world, world.sp1.admin() as admin1, world.sp2.admin() as admin2:
        factory = factory_identity(world.permanent, "dev-1")
        answer = await admin1.post("/groups/meters/devices", content=bag_of(factory))
        assert answer.is_success, answer.text
        assert answer.json()["ca_uri"].startswith("coaps://127.0.0.1:7001/est/")
        device = world.sp1.device("dev-1", factory)
        old_identity = world.sp1.operational("dev-1")
        await until(lambda: (world.sp1.settings.data / "crl.der").exists())
        await device.connect(old_identity)
        assert (await device.register()).code is Code.CREATED
        assert (await device.update()).code is Code.CHANGED

        transfer = Transfer(world, device, admin1, admin2)
        await transfer.begin()
        await until(lambda: device.payloads("/33001/0/0"))
        (message,) = device.payloads("/33001/0/0")
        sp1, sp2 = world.sp1.running.provider.keys, world.sp2.running.provider.keys
        order = parse_transfer_message(message).verify(
            sp1.transfer.private_key.public_key(), [sp2.transfer.private_key.public_key()]
        )
        assert (order.form, order.audience, order.seq) == (Form.ENDORSED, "dev-1", 1)
        assert order.destination.enroll_uri.startswith("coaps://127.0.0.1:7002/est/")
        assert order.fallback_uri == "coaps://127.0.0.1:6001"
        assert device.log.index(("PUT", "/33001/0/0", message)) > [path for _, path, _ in device.log].index(
            "/33001/0/17"
        )
        assert len(device.payloads("/5/0/0")) == 2  # the agreed manifest, then the empty package
        assert device.payloads("/5/0/2") == []
        await until(lambda: transfer.is_(admin1, book="offered"))
        await transfer.order(admin1, f"/transfers/{transfer.cti}/start", {"devices": ["dev-1"]})
        await until(lambda: device.payloads("/33001/0/3"))
        await device.close()

        moved = world.sp2.device("dev-1", factory)
        attempt = world.sp2.operational("dev-1")
        await until(lambda: (world.sp2.settings.data / "crl.der").exists())
        moved.decide(State.COMMITTED, bytes.fromhex(transfer.cti), 1, attempt, Result.NONE)
        await moved.connect(attempt)
        assert (await moved.register()).code is Code.CREATED
        await until(lambda: transfer.is_(admin2, owned=True, receipt_acknowledged=True, duties=[]))
        assert moved.payloads("/33001/0/16") == [b"0='1'"]
        # The scripted device's report is genuine, but claims a truststore and an image nobody agreed on.
        assert len((await transfer.at(admin2))["deviations"]) > 2
        await until(lambda: transfer.is_(admin1, book="closed", committed=True, revoked=True, duties=[]))

        clone = world.sp1.device("dev-1", factory)
        with pytest.raises(HandshakeFailed):
            await clone.connect(world.sp1.operational("dev-1"))
            answer_to_clone = await clone.register()
            raise HandshakeFailed(answer_to_clone.code.name)
        await moved.close()


async def test_a_device_falls_back_and_its_attempt_ends(tmp_path: Path) -> None:
    async with serving_world(tmp_path) as world, world.sp1.admin() as admin1, world.sp2.admin() as admin2:
        factory = factory_identity(world.permanent, "dev-1")
        assert (await admin1.post("/groups/meters/devices", content=bag_of(factory))).is_success
        device = world.sp1.device("dev-1", factory)
        await until(lambda: (world.sp1.settings.data / "crl.der").exists())
        await device.connect(world.sp1.operational("dev-1"))
        await device.register()
        transfer = Transfer(world, device, admin1, admin2)
        await transfer.begin(endorsed=False)
        await until(lambda: device.payloads("/33001/0/0"))

        attempt = world.sp2.operational("dev-1")
        device.decide(State.FELL_BACK, bytes.fromhex(transfer.cti), 1, attempt, Result.ENROLLMENT_REFUSED)
        await device.connect(factory)
        assert (await device.register()).code is Code.CREATED
        await until(lambda: device.payloads("/33002/0/7"))
        assert device.payloads("/33001/0/16") == [b"0='1'"]
        await until(lambda: transfer.is_(admin2, released=[{"attempt_key": attempt.thumbprint.hex(), "revoked": True}]))
        fell_back = [{"seq": 1, "attempt_key": attempt.thumbprint.hex(), "released": True}]
        await until(lambda: transfer.is_(admin1, book="owned", fell_back=fell_back))

        await device.connect(world.sp1.operational("dev-1"))
        assert (await device.register()).code is Code.CREATED
        await until(lambda: transfer.is_(admin1, duties=[]))
        await device.close()
