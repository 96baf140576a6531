"""What is on a device, as values: resources, object instances, objects. Ids only; what they mean is the model's.

ObjectInstance.of(0, {0: "Example Ltd", 6: {0: 1, 1: 5}})
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from objects.path import Path
from objects.values import Value


@dataclass(frozen=True, slots=True)
class ResourceInstance:
    """One value of a multiple resource."""

    id: int
    value: Value


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource with one value."""

    id: int
    value: Value


@dataclass(frozen=True, slots=True)
class MultipleResource:
    """A resource with any number of values, by resource-instance id."""

    id: int
    instances: Mapping[int, Value] = field(default_factory=dict)


AnyResource: TypeAlias = Resource | MultipleResource


@dataclass(frozen=True, slots=True)
class ObjectInstance:
    """An instance of an object with some or all of its resources, by id."""

    id: int
    resources: Mapping[int, AnyResource] = field(default_factory=dict)

    @classmethod
    def of(cls, number: int, values: Mapping[int, Value | Mapping[int, Value]]) -> ObjectInstance:
        """From plain values; a mapping makes a multiple resource."""
        return cls(number, {i: resource(i, value) for i, value in values.items()})


@dataclass(frozen=True, slots=True)
class ObjectNode:
    """An object with its instances, by id."""

    id: int
    instances: Mapping[int, ObjectInstance] = field(default_factory=dict)


Node: TypeAlias = ResourceInstance | Resource | MultipleResource | ObjectInstance | ObjectNode


def resource(number: int, value: Value | Mapping[int, Value]) -> AnyResource:
    """A single or, for a mapping, a multiple resource."""
    return MultipleResource(number, dict(value)) if isinstance(value, Mapping) else Resource(number, value)


def walk(path: Path, node: Node) -> Iterator[tuple[Path, Value]]:
    """Every single value beneath `node`, which is at `path`, with its own path, in order of ids."""
    match node:
        case ResourceInstance() | Resource():
            yield path, node.value
        case MultipleResource():
            yield from ((path.child(i), node.instances[i]) for i in sorted(node.instances))
        case ObjectInstance():
            for i in sorted(node.resources):
                yield from walk(path.child(i), node.resources[i])
        case ObjectNode():
            for i in sorted(node.instances):
                yield from walk(path.child(i), node.instances[i])
