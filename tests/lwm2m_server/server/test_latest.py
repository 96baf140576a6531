"""The newest values: the newer counts, bounds hold, what is gone is gone, all over restarts."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import cast

from lwm2m_server.protocol.registrations import Registration
from lwm2m_server.protocol.samples import Sample
from lwm2m_server.server.events import Deregistered, Events
from lwm2m_server.server.latest import LatestValues
from lwm2m_server.store.database import Database
from lwm2m_server.store.latest_values import MAX_PER_DEVICE, MAX_VALUE
from objects.path import Path
from objects.values import ObjectLink, Value

ONE = Path(3, 0, 9)


class Named:
    """As much of a registration as an event shows."""

    endpoint = "dev-1"


LEFT = Deregistered(cast(Registration, Named()))


async def test_the_newer_counts(tmp_path: FilePath) -> None:
    database = await Database.open(tmp_path / "server.db")
    latest = LatestValues(database, Events())
    for value, at in ((1, 10.0), (2, 20.0), (3, 15.0)):
        latest.keep("dev-1", [Sample(ONE, value, at)])
        await latest.flush()
    latest.keep("dev-1", [Sample(ONE, 5, 30.0), Sample(ONE, 4, 25.0)])
    assert await latest.of("dev-1") == [Sample(ONE, 5, 30.0)]
    assert await latest.of("dev-2") == []
    await database.close()


async def test_values_of_every_type_come_back(tmp_path: FilePath) -> None:
    values: list[Value] = ["x", -1, 2**64 - 1, 0.5, float("inf"), True, b"\x00", ObjectLink(3, 0)]
    database = await Database.open(tmp_path / "server.db")
    latest = LatestValues(database, Events())
    latest.keep("dev-1", [Sample(Path(1, 0, number), value, 1.0) for number, value in enumerate(values)])
    assert [one.value for one in await latest.of("dev-1")] == values
    await database.close()


async def test_a_device_fills_no_more_than_its_share(tmp_path: FilePath) -> None:
    database = await Database.open(tmp_path / "server.db")
    latest = LatestValues(database, Events())
    latest.keep("dev-1", [Sample(ONE, b"x" * MAX_VALUE, 1.0)])
    latest.keep("dev-1", [Sample(Path(1, 0, number), 0, 1.0) for number in range(MAX_PER_DEVICE + 5)])
    assert len(await latest.of("dev-1")) == MAX_PER_DEVICE
    latest.keep("dev-1", [Sample(Path(1, 0, 0), 1, 2.0), Sample(Path(2, 0, 0), 1, 2.0)])
    kept = await latest.of("dev-1")
    assert (len(kept), kept[0].value) == (MAX_PER_DEVICE, 1)
    await database.close()


async def test_a_device_that_leaves_is_forgotten_also_after_a_restart(tmp_path: FilePath) -> None:
    database = await Database.open(tmp_path / "server.db")
    before = LatestValues(database, Events())
    before.keep("dev-1", [Sample(ONE, 1, 1.0)])
    before.keep("dev-2", [Sample(ONE, 2, 1.0)])
    await before.flush()
    events = Events()
    after = LatestValues(database, events)
    await after.resume()
    events.emit(LEFT)
    assert await after.of("dev-1") == []
    assert [one.value for one in await after.of("dev-2")] == [2]
    after.keep("dev-1", [Sample(ONE, 3, 2.0)])
    events.emit(LEFT)
    after.keep("dev-1", [Sample(ONE, 4, 1.0)])
    assert [one.value for one in await after.of("dev-1")] == [4]
    await database.close()
