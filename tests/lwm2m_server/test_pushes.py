"""Pushing firmware: every step stored first, every crash taken up where the device stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from lwm2m_server.clock import Clock
from lwm2m_server.fleet.pushes import Pushes, UpdateState
from lwm2m_server.protocol.errors import DeviceRefused
from lwm2m_server.server.device import Device
from lwm2m_server.server.sessions import DeviceOffline
from lwm2m_server.store import firmware, fleet
from lwm2m_server.store.database import Database
from lwm2m_server.store.firmware import Firmware, PushState
from secure_coap.errors import BadRequest, CoapError, InternalServerError, MethodNotAllowed
from trust_transfer.provider.book import from_factory

DIGEST = bytes(32)


@dataclass(slots=True)
class Object5:
    """A device's firmware object; `refuse` refuses the next write, `offline` loses the answer to the next Execute."""

    state: UpdateState = UpdateState.IDLE
    result: int = 0
    packages: list[bytes] = field(default_factory=list)
    executed: int = 0
    refuse: CoapError | None = None
    offline: bool = False
    slow: bool = False
    outcome: int = 1

    async def write(self, _resource: Any, value: bytes) -> None:
        if self.refuse is not None:
            raise DeviceRefused(self.refuse)
        self.packages.append(value)
        self.state, self.result = (UpdateState.DOWNLOADED if value else UpdateState.IDLE), 0

    async def execute(self, _path: Any) -> None:
        self.executed += 1
        self.state = UpdateState.UPDATING
        if not self.slow:
            self.finish()
        if self.offline:
            raise DeviceOffline("no answer")

    def finish(self) -> None:
        self.state, self.result = UpdateState.IDLE, self.outcome

    async def read_value(self, resource: Any) -> int:
        return int(self.state) if resource.name == "State" else self.result


@dataclass(slots=True)
class Bench:
    database: Database
    pushes: Pushes
    device: Object5 = field(default_factory=Object5)

    async def order(self, *, install: bool = True, again: bool = False) -> None:
        async with self.database.transaction() as connection:
            await firmware.order_push(connection, "dev-1", DIGEST, install=install, now=1, again=again)

    async def run(self) -> bool:
        return await self.pushes.run("dev-1", cast(Device, self.device))

    async def states(self) -> list[PushState]:
        async with self.database.reading() as connection:
            return [push.state for push in await firmware.pushes_of(connection)]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    database = await Database.open(tmp_path / "server.db")
    async with database.transaction() as connection:
        await fleet.add_group(connection, "meters")
        book = from_factory("dev-1", bytes(32), 1)
        await fleet.add_device(connection, fleet.Device("dev-1", bytes(32), b"", "meters", "", None, book), 1)
        await firmware.add(connection, Firmware(DIGEST, b"envelope", 1, 1))
    yield Bench(database, Pushes(database, Clock()))
    await database.close()


async def test_installing(bench: Bench) -> None:
    await bench.order()
    await bench.order()
    assert await bench.run()
    assert await bench.states() == [PushState.INSTALLING]
    assert not await bench.run()
    assert await bench.states() == [PushState.INSTALLED]
    assert (bench.device.packages, bench.device.executed) == ([b"envelope"], 1)
    assert not await bench.run()


async def test_keeping_runs_nothing(bench: Bench) -> None:
    await bench.order(install=False)
    assert not await bench.run()
    assert await bench.states() == [PushState.KEPT]
    assert (bench.device.packages, bench.device.executed) == ([b"envelope", b""], 0)
    await bench.order(install=False, again=True)
    assert await bench.states() == [PushState.KEPT, PushState.PENDING]


async def test_a_slow_update_is_followed(bench: Bench) -> None:
    bench.device.slow = True
    await bench.order()
    assert await bench.run()
    assert await bench.run()
    bench.device.finish()
    assert not await bench.run()
    assert (await bench.states(), bench.device.executed) == ([PushState.INSTALLED], 1)


async def test_a_lost_answer_to_execute(bench: Bench) -> None:
    bench.device.offline = True
    await bench.order()
    with pytest.raises(DeviceOffline):
        await bench.run()
    assert not await bench.run()
    assert (await bench.states(), bench.device.executed) == ([PushState.INSTALLED], 1)


async def test_a_crash_between_write_and_execute(bench: Bench) -> None:
    await bench.order()
    async with bench.database.transaction() as connection:
        await firmware.set_push(connection, 1, PushState.INSTALLING, 1)
    bench.device.state = UpdateState.DOWNLOADED
    assert await bench.run()
    assert not await bench.run()
    assert (await bench.states(), bench.device.executed) == ([PushState.INSTALLED], 1)


async def test_an_update_that_fails(bench: Bench) -> None:
    bench.device.outcome = 8
    await bench.order()
    await bench.run()
    assert not await bench.run()
    assert await bench.states() == [PushState.FAILED]
    await bench.order()
    assert await bench.states() == [PushState.FAILED, PushState.PENDING]


@pytest.mark.parametrize(
    ("refusal", "again"), [(BadRequest("digest"), False), (InternalServerError(), True), (MethodNotAllowed(), True)]
)
async def test_refusals(bench: Bench, refusal: CoapError, again: bool) -> None:
    bench.device.refuse = refusal
    await bench.order()
    assert await bench.run() is again
    assert await bench.states() == [PushState.PENDING if again else PushState.FAILED]
