"""From values with paths to nodes, and what the definitions say about a place."""

from __future__ import annotations

from collections.abc import Mapping

from objects.errors import FormatError, FormatReason
from objects.model import ObjectModel
from objects.nodes import MultipleResource, Node, ObjectInstance, ObjectNode, Resource, ResourceInstance
from objects.path import Path
from objects.values import ObjectLink, ResourceType, Value

MAX_PAYLOAD = 4 << 20
"""Bytes of one payload; a firmware package is far below."""


def natural_type(value: Value) -> ResourceType:
    """The type of a value whose resource is in no definition."""
    match value:
        case bool():
            return ResourceType.BOOLEAN
        case int():
            return ResourceType.INTEGER
        case float():
            return ResourceType.FLOAT
        case str():
            return ResourceType.STRING
        case bytes():
            return ResourceType.OPAQUE
        case ObjectLink():
            return ResourceType.OBJLNK


def type_for_writing(path: Path, value: Value, model: ObjectModel) -> ResourceType:
    """The type to encode `value` with. Raises InvalidValue when it is not the one its definition asks for."""
    definition = model.resource(path)
    if definition is None:
        return natural_type(value)
    definition.check_type(value)
    return definition.type


def check_leaf(path: Path, model: ObjectModel) -> None:
    """Raise FormatError WRONG_LEVEL unless a single value can lie at `path`."""
    definition = model.resource(path)
    if path.level < 3 or (definition and definition.multiple != (path.level == 4)):
        raise FormatError(FormatReason.WRONG_LEVEL, f"no single value lies at {path}")


def build(path: Path, values: Mapping[Path, Value], model: ObjectModel) -> Node:
    """The node at `path` with these values. Raises FormatError: OUTSIDE, WRONG_LEVEL."""
    for place in values:
        if not path.contains(place):
            raise FormatError(FormatReason.OUTSIDE, f"{place} is not in {path}")
        check_leaf(place, model)
    return _build(path, values, model)


def _build(path: Path, values: Mapping[Path, Value], model: ObjectModel) -> Node:
    if path.level == 4:
        return ResourceInstance(path.ids[-1], _only(path, values))
    if path.level == 3 and path in values:
        return Resource(path.ids[-1], _only(path, values))
    if path.level == 3:
        _check_multiple(path, model)
        return MultipleResource(path.ids[-1], {place.ids[3]: value for place, value in values.items()})
    groups: dict[int, dict[Path, Value]] = {}
    for place, value in values.items():
        groups.setdefault(place.ids[path.level], {})[place] = value
    children = {number: _build(path.child(number), group, model) for number, group in groups.items()}
    if path.level == 2:
        resources = {i: node for i, node in children.items() if isinstance(node, Resource | MultipleResource)}
        return ObjectInstance(path.ids[-1], resources)
    instances = {i: node for i, node in children.items() if isinstance(node, ObjectInstance)}
    return ObjectNode(path.object, instances)


def _only(path: Path, values: Mapping[Path, Value]) -> Value:
    if len(values) != 1:
        raise FormatError(FormatReason.WRONG_LEVEL, f"{path} takes one value, there are {len(values)}")
    return next(iter(values.values()))


def _check_multiple(path: Path, model: ObjectModel) -> None:
    definition = model.resource(path)
    if definition is not None and not definition.multiple:
        raise FormatError(FormatReason.WRONG_LEVEL, f"{path} needs a value")
