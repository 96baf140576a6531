"""A transfer of one scripted device between two running providers, as far as its message."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from lwm2m_server.fleet.inventory import Build, build_envelope
from tests.lwm2m_server.sp.device import DeviceIdentity, FakeDevice, until
from tests.lwm2m_server.sp.world import Provider, World, bag_of, factory_identity, profile_of, serving_world
from trust_transfer.messages.numbers import Result, State

ENDPOINT = "dev-1"


def manifest(provider: Provider, number: int = 1) -> bytes:
    """An agreed state signed by that provider."""
    key = provider.running.provider.keys.firmware.private_key
    return build_envelope(Build(b"image", number, bytes(16), bytes(16), b"configuration"), key)


async def order(admin: httpx.AsyncClient, path: str, body: dict[str, Any] | bytes) -> Any:
    arguments: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = await admin.post(path, **arguments)
    assert answer.is_success, answer.text
    return answer.json()


@dataclass(slots=True)
class Side:
    """One provider of a transfer, with its operator."""

    provider: Provider
    admin: httpx.AsyncClient

    async def ready(self) -> None:
        """Its CA's revocation list is here, so devices can log in."""
        await until(lambda: (self.provider.settings.data / "crls.cbor").exists())


@dataclass(slots=True)
class Transfer:
    """One device on its way from `giver` to `taker`."""

    giver: Side
    taker: Side
    device: FakeDevice
    cti: str = ""
    group: str = "meters"
    """At the giver."""

    async def begin(
        self, *, endorsed: bool = True, update_first: bytes | None = None, certificates: str = "x509"
    ) -> int:
        """Everything up to the offer, each order given twice; returns the seq."""
        agreed = (await order(self.giver.admin, "/firmware", manifest(self.giver.provider)))["digest"]
        for side, other in ((self.giver, self.taker), (self.taker, self.giver)):
            profile = await profile_of(other.provider, agreed)
            (await side.admin.put("/partners", content=profile.render())).raise_for_status()
        now = int(time.time())
        plan = {
            "group": self.group,
            "partner": self.taker.provider.name,
            "agreed_state": agreed,
            "window": {"earliest": now - 5, "latest": now + 600},
            "endorsed": endorsed,
            "certificates": certificates,
        }
        acceptance: dict[str, Any] = {}
        if update_first is not None:
            acceptance["update_first"] = (await order(self.taker.admin, "/firmware", update_first))["digest"]
        self.cti = (await order(self.giver.admin, "/transfers", plan))["transfer"]
        assert (await order(self.giver.admin, "/transfers", plan))["transfer"] == self.cti
        await until(self._announced)
        for _ in range(2):
            await order(self.taker.admin, f"/transfers/{self.cti}/accept", acceptance)
        await until(self._has_template)
        return await self.offer()

    async def offer(self) -> int:
        offered = await order(self.giver.admin, f"/transfers/{self.cti}/offer", {})
        assert (await order(self.giver.admin, f"/transfers/{self.cti}/offer", {})) == offered
        assert offered["skipped"] == {}
        return int(offered["seqs"][self.device.endpoint])

    async def _announced(self) -> bool:
        page = (await self.giver.admin.get(f"/transfers/{self.cti}")).raise_for_status().json()
        return all(document["acknowledged"] for document in page["documents"])

    async def _has_template(self) -> bool:
        return bool((await self.giver.admin.get(f"/transfers/{self.cti}")).json()["template"])

    async def order(self, what: str) -> Any:
        """Start or cancel."""
        return await order(self.giver.admin, f"/transfers/{self.cti}/{what}", {"devices": [self.device.endpoint]})

    async def at(self, side: Side) -> dict[str, Any]:
        """The device in that side's book."""
        page = (await side.admin.get(f"/transfers/{self.cti}")).raise_for_status().json()
        (device,) = page["devices"]
        assert isinstance(device, dict)
        return device

    async def is_(self, side: Side, **wanted: Any) -> bool:
        seen = await self.at(side)
        return all(seen[name] == value for name, value in wanted.items())

    async def commit(self, seq: int) -> FakeDevice:
        """The device enrolls with the taker's CA, registers, commits and reports; returns it at its new server."""
        await self.device.close()
        await self.taker.ready()
        moved = self.taker.provider.device(self.device.endpoint, self.device.factory)
        attempt = self.taker.provider.operational(self.device.endpoint)
        moved.decide(State.COMMITTED, bytes.fromhex(self.cti), seq, attempt, Result.NONE)
        await moved.connect(attempt)
        await moved.register()
        await until(lambda: self.is_(self.taker, owned=True, receipt_acknowledged=True, duties=[]))
        await until(lambda: self.is_(self.giver, book="closed", committed=True, revoked=True, duties=[]))
        return moved


@dataclass(slots=True)
class Stage:
    """Both providers, and a device registered at SP1."""

    world: World
    sp1: Side
    sp2: Side
    factory: DeviceIdentity
    device: FakeDevice

    def transfer(self) -> Transfer:
        return Transfer(self.sp1, self.sp2, self.device)


@asynccontextmanager
async def stage(root: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(serving_world(root))
        sp1 = Side(world.sp1, await stack.enter_async_context(world.sp1.admin()))
        sp2 = Side(world.sp2, await stack.enter_async_context(world.sp2.admin()))
        factory = factory_identity(world.permanent, ENDPOINT)
        added = await order(sp1.admin, "/groups/meters/devices", bag_of(factory))
        assert added["ca_uri"].startswith("coaps://127.0.0.1:7001/est/")
        device = world.sp1.device(ENDPOINT, factory)
        await sp1.ready()
        await device.connect(world.sp1.operational(ENDPOINT))
        await device.register()
        stack.push_async_callback(device.close)
        yield Stage(world, sp1, sp2, factory, device)
