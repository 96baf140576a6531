"""Object 3442 (LwM2M v1.1 Test Object): a value of every type, alone and many; instances can be created and deleted."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

from device_client.emulator.lwm2m.device_object import DeviceObject
from device_client.emulator.lwm2m.instance import Arguments, Content, StoredInstance, WriteMode, checked
from objects.definition import ResourceDefinition
from objects.model import MODEL
from objects.nodes import AnyResource
from objects.path import UNASSIGNED
from objects.values import ObjectLink, ResourceType, Value
from trust_transfer.device.events import Source

TEST: Final = MODEL["LwM2M v1.1 Test Object"]
_INITIAL: Final[Mapping[ResourceType, Value]] = {
    ResourceType.STRING: "initial value",
    ResourceType.INTEGER: 1024,
    ResourceType.UNSIGNED: 2**63,
    ResourceType.FLOAT: 3.14159,
    ResourceType.BOOLEAN: True,
    ResourceType.OPAQUE: bytes.fromhex("0123456789abcdef"),
    ResourceType.TIME: 946684800,
    ResourceType.OBJLNK: ObjectLink(3, 0),
    ResourceType.CORELNK: "</3442>",
}
_EMPTY: Final[Mapping[ResourceType, Value]] = {
    ResourceType.STRING: "",
    ResourceType.INTEGER: 0,
    ResourceType.UNSIGNED: 0,
    ResourceType.FLOAT: 0.0,
    ResourceType.BOOLEAN: False,
    ResourceType.OPAQUE: b"",
    ResourceType.TIME: 0,
    ResourceType.OBJLNK: ObjectLink(UNASSIGNED, UNASSIGNED),
    ResourceType.CORELNK: "",
}
_VALUES: Final[tuple[ResourceDefinition, ...]] = tuple(
    r for r in TEST.resources.values() if r.type is not ResourceType.NONE and r.name != "Arguments List"
)


def test_object(rng: random.Random) -> DeviceObject:
    """Instance 0 with the initial values; `rng` is for Randomize values."""

    def make(number: int, resources: Mapping[int, AnyResource]) -> StoredInstance:
        instance = _instance(rng)
        for one, node in sorted(resources.items()):
            if one in TEST.resources:
                instance.put(one, checked(TEST.resources[one], node), WriteMode.REPLACE_RESOURCE)
        return instance

    return DeviceObject(TEST, {0: make(0, {})}, make)


test_object.__test__ = False  # type: ignore[attr-defined]


def _instance(rng: random.Random) -> StoredInstance:
    def reset(arguments: Arguments, source: Source) -> None:
        for one in _VALUES:
            instance.values[one.id] = _content(one, _INITIAL[one.type])

    def clear(arguments: Arguments, source: Source) -> None:
        for one in _VALUES:
            instance.values[one.id] = {} if one.multiple else _EMPTY[one.type]

    def randomize(arguments: Arguments, source: Source) -> None:
        for one in _VALUES:
            count = rng.randint(0, 10)
            many = {n: _RANDOM[one.type](rng) for n in range(count)}
            instance.values[one.id] = many if one.multiple else _RANDOM[one.type](rng)

    def keep(arguments: Arguments, source: Source) -> None:
        instance["Arguments List"] = {number: value or "" for number, value in arguments.items()}

    instance = StoredInstance(
        TEST,
        {one.name: _content(one, _INITIAL[one.type]) for one in _VALUES},
        {"Reset values": reset, "Randomize values": randomize, "Clear values": clear, "Exec With Arguments": keep},
    )
    return instance


def _content(definition: ResourceDefinition, value: Value) -> Content:
    return {0: value} if definition.multiple else value


_RANDOM: Final[Mapping[ResourceType, Callable[[random.Random], Value]]] = {
    ResourceType.STRING: lambda rng: "".join(rng.choices("abcdefghij", k=rng.randint(0, 20))),
    ResourceType.INTEGER: lambda rng: rng.randint(-(2**63), 2**63 - 1),
    ResourceType.UNSIGNED: lambda rng: rng.getrandbits(64),
    ResourceType.FLOAT: lambda rng: rng.uniform(-1e6, 1e6),
    ResourceType.BOOLEAN: lambda rng: rng.random() < 0.5,
    ResourceType.OPAQUE: lambda rng: rng.randbytes(rng.randint(0, 20)),
    ResourceType.TIME: lambda rng: rng.randint(0, 2**31),
    ResourceType.OBJLNK: lambda rng: ObjectLink(rng.randint(0, 65534), rng.randint(0, 65534)),
    ResourceType.CORELNK: lambda rng: f"</{rng.randint(0, 65534)}>",
}
