"""Standard objects by themselves: sensors that change, the test object's orders, a counter, a battery."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from device_client.emulator.lwm2m.device_object import MAX_INSTANCES, DeviceObject
from device_client.emulator.lwm2m.instance import StoredInstance, WriteMode
from device_client.emulator.lwm2m.standard.connectivity import connectivity_statistics
from device_client.emulator.lwm2m.standard.device import client_device_object
from device_client.emulator.lwm2m.standard.sensors import location, temperature
from device_client.emulator.lwm2m.standard.simulation import Simulation
from device_client.emulator.lwm2m.standard.test_object import test_object
from device_client.emulator.transport.wire import WireMeter
from objects.model import MODEL
from secure_coap.errors import BadRequest, ServiceUnavailable
from trust_transfer.device.events import Source

SERVER = Source.SERVER


def execute(one: DeviceObject, name: str, arguments: dict[int, str | None] | None = None) -> None:
    assert one.instance(0).execute(one.definition[name].id, arguments or {}, SERVER).success


def value(one: DeviceObject, name: str, instance: int = 0) -> object:
    return one.instance(instance).content(one.definition[name].id)


def test_thermometers_change_and_remember_their_extremes_until_they_are_reset() -> None:
    thermometers, step = temperature(MODEL)
    rng = random.Random(1)
    seen = []
    for _ in range(50):
        step(rng)
        seen.append(value(thermometers, "Sensor Value"))
    assert len(set(seen)) > 10
    assert value(thermometers, "Min Measured Value") == min([20.0, *seen])  # type: ignore[type-var]
    assert value(thermometers, "Max Measured Value") == max([20.0, *seen])  # type: ignore[type-var]
    execute(thermometers, "Reset Min and Max Measured Values")
    assert value(thermometers, "Min Measured Value") == value(thermometers, "Max Measured Value") == seen[-1]


def test_a_device_walks_as_far_as_its_speed_takes_it() -> None:
    clock = [1_700_000_000]
    place, step = location(MODEL, lambda: clock[0])
    before = value(place, "Latitude"), value(place, "Longitude")
    clock[0] += 3600
    step(random.Random(1))
    after = value(place, "Latitude"), value(place, "Longitude")
    north = (after[0] - before[0]) * 111_320  # type: ignore[operator]
    assert before != after and abs(north) <= 1.5 * 3600 + 1
    assert value(place, "Timestamp") == clock[0]


def test_the_same_device_sees_the_same_world_at_every_start() -> None:
    def history() -> list[object]:
        thermometers, step = temperature(MODEL)
        world = Simulation("sensor", [step], lambda: None)
        values = []
        for _ in range(5):
            world.step()
            values.append(value(thermometers, "Sensor Value"))
        return values

    assert history() == history()


def test_the_test_objects_orders() -> None:
    made = test_object(random.Random(1))
    instance = made.instance(0)
    assert isinstance(instance, StoredInstance)
    initial = dict(instance.values)
    execute(made, "Randomize values")
    assert all(made.definition.resources[n].type is not None for n in instance.values) and instance.values != initial
    for number, content in instance.values.items():
        for one in content.values() if isinstance(content, Mapping) else [content]:
            made.definition.resources[number].check(one)
    execute(made, "Clear values")
    assert value(made, "String Value") == "" and value(made, "Multiple String Value") == {}
    execute(made, "Exec With Arguments", {2: "x"})
    execute(made, "Reset values")
    assert value(made, "Arguments List") == {2: "x"}
    assert {n: v for n, v in instance.values.items() if n != 4} == initial


def test_instances_are_bounded_and_numbered_from_the_lowest_free_id() -> None:
    made = test_object(random.Random(1))
    assert [made.create(None, {}), made.create(None, {})] == [1, 2]
    made.delete(1)
    assert made.create(None, {}) == 1
    with pytest.raises(BadRequest):
        made.create(2, {})
    while len(made.instances) < MAX_INSTANCES:
        made.create(None, {})
    with pytest.raises(ServiceUnavailable):
        made.create(None, {})


def test_bytes_are_counted_between_start_and_stop() -> None:
    meter = WireMeter()
    statistics = connectivity_statistics(MODEL, meter)
    meter.sent("x", 5000)
    assert value(statistics, "Tx Data") == 0
    execute(statistics, "Start")
    meter.sent("x", 3000)
    meter.received("x", 2000)
    execute(statistics, "Stop")
    meter.sent("x", 9000)
    assert (value(statistics, "Tx Data"), value(statistics, "Rx Data")) == (3, 2)


def test_a_battery_drains_and_a_clock_can_be_set() -> None:
    device, step = client_device_object(MODEL, "sensor", lambda: 1000, lambda: None, binding="U")
    rng = random.Random(1)
    for _ in range(100):
        step(rng)
    level = value(device, "Battery Level")
    assert isinstance(level, int) and 80 < level < 100
    clock = device.definition["Current Time"].id
    device.instance(0).prepare(clock, 5000, WriteMode.UPDATE)(SERVER)
    assert value(device, "Current Time") == 5000
