"""Queues at work, against an emulated client that sleeps: delivered when it wakes, and nothing lost by a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lwm2m_server.clock import Clock
from lwm2m_server.protocol.order_values import answered_value
from lwm2m_server.protocol.orders import Operation, Order
from lwm2m_server.protocol.queue import Entry, EntryState, QueueFull
from lwm2m_server.server.queueing import Ended, UnknownEntry, WrongEntry
from lwm2m_server.server.server import Lwm2mServer
from lwm2m_server.server.sessions import NotConnected
from lwm2m_server.settings import QueueSettings
from lwm2m_server.store import queue as store
from lwm2m_server.store.database import Database
from objects.errors import InvalidValue
from objects.path import Path as ObjectPath
from secure_coap.numbers.codes import Code
from tests.lwm2m_server.server.firmware.world import client
from tests.lwm2m_server.server.running import HOST, QUICK

PATIENCE = 15


@asynccontextmanager
async def serving(file: Path, port: int = 0, **settings: float) -> AsyncIterator[tuple[Lwm2mServer, int]]:
    database = await Database.open(file)
    try:
        queue = QueueSettings(**settings)  # type: ignore[arg-type]
        async with Lwm2mServer(database, parameters=QUICK, queue=queue) as server:
            yield server, (await server.bind(HOST, port))[1]
    finally:
        await database.close()


async def online(server: Lwm2mServer, endpoint: str = "sensor") -> None:
    async with asyncio.timeout(PATIENCE):
        while not server.sessions.is_online(endpoint):
            await asyncio.sleep(0.01)


async def test_a_device_that_is_awake_gets_it_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path / "server.db") as (server, port), client(port):
        await online(server)
        device = server.device("sensor")
        ended: list[Entry] = []
        server.events.on(Ended, lambda event: ended.append(event.entry))
        async with asyncio.timeout(PATIENCE):
            read = await (await device.enqueue("read", "/3/0/0"))
            written = await (await device.enqueue("write", "/1/0/3", value=70))
            refused = await (await device.enqueue("execute", "/40000/0/1"))
        assert (read.state, written.state) == (EntryState.DONE, EntryState.DONE)
        assert read.answer is not None
        assert isinstance(answered_value(read.order, read.answer, server.model), str)
        assert await device.read("/1/0/3") == 70
        assert (refused.state, refused.answer and refused.answer.code) == (EntryState.REFUSED, Code.NOT_FOUND)
        assert [entry.id for entry in ended] == [1, 2, 3]


async def test_what_waits_is_delivered_in_order_when_the_device_comes(tmp_path: Path) -> None:
    async with serving(tmp_path / "server.db") as (server, port):
        device = server.device("sensor")
        order: list[int] = []
        server.events.on(Ended, lambda event: order.append(event.entry.id))
        queued = [
            await device.enqueue("write", "/1/0/3", value=70),
            await device.enqueue("update", "/1/0", value={3: 80}),
            await device.enqueue("read-composite", "/1/0/3", "/3/0/0"),
            await device.enqueue("discover", "/3/0", priority=5),
            await device.enqueue("write-attributes", "/3303/0/5700", attributes="pmin=10"),
            await device.enqueue("observe", "/3303/0/5700", expires_in=60),
        ]
        async with client(port):
            async with asyncio.timeout(PATIENCE):
                outcomes = [await one for one in queued]
        assert [one.state for one in outcomes] == [EntryState.DONE] * 6
        assert order == [4, 1, 2, 3, 5, 6]
        assert outcomes[2].answer is not None
        composite: Any = answered_value(outcomes[2].order, outcomes[2].answer, server.model)
        assert composite[ObjectPath(1, 0, 3)] == 80


async def test_a_sleeping_device_is_left_alone_until_it_wakes(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "server.db", awake_time=0.5) as (server, port),
        client(port, queue_mode=True, awake=0.5, lifetime=4),
    ):
        await online(server)
        await asyncio.sleep(0.6)
        with pytest.raises(NotConnected, match="sleeps"):
            await server.device("sensor").read("/3/0/0")
        queued = await server.device("sensor").enqueue("read", "/3/0/0")
        assert (await server.queues.get("sensor", queued.id)).state is EntryState.WAITING
        async with asyncio.timeout(PATIENCE):
            value, outcome = await asyncio.gather(server.device("sensor", wait=PATIENCE).read("/3/0/0"), queued)
        assert isinstance(value, str)
        assert (outcome.state, outcome.attempts) == (EntryState.DONE, 1)


async def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    """What was in flight is settled: a Read goes again, an Execute has an unknown outcome."""
    database = await Database.open(tmp_path / "server.db")
    async with database.transaction() as connection:
        entries = [
            await store.add(connection, "sensor", order, priority=0, now=1.0, expires_at=4e9)
            for order in (
                Order(Operation.READ, (ObjectPath(3, 0, 0),)),
                Order(Operation.READ, (ObjectPath(3, 0, 1),)),
            )
        ]
        flying = Entry(entries[0].id, entries[0].order, 0, 1.0, 4e9, EntryState.IN_FLIGHT, 1)
        await store.put(connection, [flying])
        other = await store.add(
            connection,
            "other",
            Order(Operation.EXECUTE, (ObjectPath(3, 0, 4),)),
            priority=0,
            now=1.0,
            expires_at=4e9,
        )
        await store.put(connection, [Entry(other.id, other.order, 0, 1.0, 4e9, EntryState.IN_FLIGHT, 1)])
    await database.close()
    async with serving(tmp_path / "server.db") as (server, port):
        assert (await server.queues.get("other", other.id)).state is EntryState.UNKNOWN
        assert (await server.queues.get("sensor", flying.id)).state is EntryState.WAITING
        async with client(port), asyncio.timeout(PATIENCE):
            outcomes = [await server.queues.outcome("sensor", entry.id) for entry in entries]
    assert [(one.state, one.attempts) for one in outcomes] == [(EntryState.DONE, 2), (EntryState.DONE, 1)]


async def test_expiry_cancelling_and_forgetting(tmp_path: Path) -> None:
    now = [1000.0]
    database = await Database.open(tmp_path / "server.db")
    async with Lwm2mServer(database, clock=Clock(lambda: now[0])) as server:
        device = server.device("sensor")
        first = await device.enqueue("read", "/3/0/0", expires_in=10)
        second = await device.enqueue("read", "/3/0/0")
        assert (await second.cancel()).state is EntryState.CANCELLED
        now[0] += 10
        await server.queues.sweep()
        assert (await first).state is EntryState.EXPIRED
        assert [entry.id for entry in await server.queues.entries("sensor")] == [second.id, first.id]
        now[0] += 31 * 86_400
        await server.queues.sweep()
        assert await server.queues.entries("sensor") == []
        with pytest.raises(UnknownEntry):
            await server.queues.get("sensor", first.id)
    await database.close()


async def test_what_can_never_be_carried_out_is_refused_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path / "server.db", max_entries=1) as (server, _):
        device = server.device("sensor")
        for operation, path, value in (
            ("write", "/3/0/0", "x"),
            ("write", "/1/0/1", "soon"),
            ("execute", "/3/0/0", None),
        ):
            with pytest.raises(InvalidValue):
                await device.enqueue(operation, path, value=value)
        with pytest.raises(InvalidValue, match="takes a value"):
            await device.enqueue("write", "/3/0/14")
        for limits in ({"priority": 101}, {"expires_in": 0.0}, {"expires_in": 1e10}):
            with pytest.raises(WrongEntry):
                await device.enqueue("read", "/3/0/0", **limits)
        await device.enqueue("read", "/3/0/0")
        with pytest.raises(QueueFull):
            await device.enqueue("read", "/3/0/0")
