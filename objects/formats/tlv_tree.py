"""Nodes in TLV (LwM2M Core 1.2, 7.4.4): which items stand for which level of a path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from objects.errors import FormatError, FormatReason
from objects.formats import tlv
from objects.formats.tlv import Item, Kind
from objects.formats.tree import type_for_writing
from objects.model import ObjectModel
from objects.nodes import AnyResource, MultipleResource, Node, ObjectInstance, ObjectNode, Resource, ResourceInstance
from objects.path import MAX_ID, UNASSIGNED, Path
from objects.values import ResourceType, Value

T = TypeVar("T")


def encode(path: Path, node: Node, model: ObjectModel) -> bytes:
    """The payload of a request or response on `path`. Raises InvalidValue, FormatError."""
    match node:
        case ResourceInstance():
            return tlv.write(_value_item(Kind.RESOURCE_INSTANCE, path, node.value, model))
        case Resource() | MultipleResource():
            return tlv.write(_resource_item(path, node, model))
        case ObjectInstance():
            return _resources(path, node, model)
        case ObjectNode():
            return b"".join(_instance(path, node.instances[i], model) for i in sorted(node.instances))


def decode(path: Path, data: bytes, model: ObjectModel) -> Node:
    """The node on `path`. Raises FormatError.

    On an object's path bare resources mean one instance: number 0 of a single object, else UNASSIGNED, which is what a
    Create without an id looks like.
    """
    return _Reader(model).node(path, data)


def _instance(path: Path, node: ObjectInstance, model: ObjectModel) -> bytes:
    body = _resources(path.child(node.id), node, model)
    return body if node.id == UNASSIGNED else tlv.write(Item(Kind.OBJECT_INSTANCE, node.id, body))


def _resources(path: Path, node: ObjectInstance, model: ObjectModel) -> bytes:
    items = (_resource_item(path.child(i), node.resources[i], model) for i in sorted(node.resources))
    return b"".join(map(tlv.write, items))


def _resource_item(path: Path, node: AnyResource, model: ObjectModel) -> Item:
    if isinstance(node, Resource):
        return _value_item(Kind.RESOURCE, path, node.value, model)
    values = sorted(node.instances.items())
    body = b"".join(tlv.write(_value_item(Kind.RESOURCE_INSTANCE, path.child(i), value, model)) for i, value in values)
    return Item(Kind.MULTIPLE_RESOURCE, node.id, body)


def _value_item(kind: Kind, path: Path, value: Value, model: ObjectModel) -> Item:
    return Item(kind, path.ids[-1], tlv.encode_value(value, type_for_writing(path, value, model)))


class _Reader:
    """Reads the items of one payload as nodes."""

    def __init__(self, model: ObjectModel) -> None:
        self._model = model
        self._items = tlv.Reader()

    def node(self, path: Path, data: bytes) -> Node:
        items = list(self._items.read(data))
        match path.level:
            case 1:
                return self._object(path, items)
            case 2:
                return self._instance(path, self._inside(path, items))
            case 3:
                return self._resource(path, _one(path, items))
            case _:
                return ResourceInstance(path.ids[-1], self._value(path, _one(path, items), Kind.RESOURCE_INSTANCE))

    def _object(self, path: Path, items: list[Item]) -> ObjectNode:
        if items and items[0].kind is not Kind.OBJECT_INSTANCE:
            definition = self._model.get(path.object)
            number = UNASSIGNED if definition is None or definition.multiple else 0
            return ObjectNode(path.object, {number: self._instance(path.child(number), items)})
        instances = (_expect(path, item, Kind.OBJECT_INSTANCE) for item in items)
        read = ((i.id, self._instance(path.child(i.id), list(self._items.read(i.body)))) for i in instances)
        return ObjectNode(path.object, _unique(path, read))

    def _inside(self, path: Path, items: list[Item]) -> list[Item]:
        """The resources of the instance, whether or not the item of the instance itself is there too."""
        if len(items) == 1 and items[0].kind is Kind.OBJECT_INSTANCE:
            return list(self._items.read(_one(path, items).body))
        return items

    def _instance(self, path: Path, items: list[Item]) -> ObjectInstance:
        resources = ((item.id, self._resource(_below(path, item), item)) for item in items)
        return ObjectInstance(path.ids[-1], _unique(path, resources))

    def _resource(self, path: Path, item: Item) -> AnyResource:
        definition = self._model.resource(path)
        if item.kind is Kind.RESOURCE and not (definition and definition.multiple):
            return Resource(item.id, self._value(path, item, Kind.RESOURCE))
        if item.kind is not Kind.MULTIPLE_RESOURCE or (definition and not definition.multiple):
            raise FormatError(FormatReason.WRONG_LEVEL, f"a TLV {item.kind.name} at {path}")
        parts = self._items.read(item.body)
        values = ((p.id, self._value(_below(path, p), p, Kind.RESOURCE_INSTANCE)) for p in parts)
        return MultipleResource(item.id, _unique(path, values))

    def _value(self, path: Path, item: Item, kind: Kind) -> Value:
        definition = self._model.resource(path)
        body = _expect(path, item, kind).body
        # A resource of no known definition is kept as its bytes: TLV does not say what they are.
        return tlv.decode_value(body, definition.type if definition else ResourceType.OPAQUE)


def _one(path: Path, items: list[Item]) -> Item:
    if len(items) != 1 or items[0].id != path.ids[-1]:
        raise FormatError(FormatReason.OUTSIDE, f"exactly one TLV item with id {path.ids[-1]} belongs to {path}")
    return items[0]


def _below(path: Path, item: Item) -> Path:
    if item.id > MAX_ID:
        raise FormatError(FormatReason.MALFORMED, f"id {item.id} in {path} is reserved")
    return path.child(item.id)


def _expect(path: Path, item: Item, kind: Kind) -> Item:
    if item.kind is not kind or item.id > MAX_ID:
        raise FormatError(FormatReason.WRONG_LEVEL, f"a TLV {item.kind.name} {item.id} where {path} has {kind.name}")
    return item


def _unique(path: Path, pairs: Iterable[tuple[int, T]]) -> Mapping[int, T]:
    result: dict[int, T] = {}
    for number, value in pairs:
        if number in result:
            raise FormatError(FormatReason.DUPLICATE, f"id {number} twice in {path}")
        result[number] = value
    return result
