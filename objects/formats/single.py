"""Formats of exactly one value: plain text and opaque (LwM2M Core 1.2, 7.4.1 and 7.4.2)."""

from __future__ import annotations

from objects.errors import FormatError, FormatReason
from objects.formats import text
from objects.formats.tree import check_leaf, type_for_writing
from objects.model import ObjectModel
from objects.nodes import Node, Resource, ResourceInstance
from objects.path import Path
from objects.values import ResourceType, Value


def encode_text(path: Path, node: Node, model: ObjectModel) -> bytes:
    """Plain text. Raises InvalidValue, FormatError UNSUPPORTED for anything but one value."""
    value = _value(node)
    return text.encode(value, type_for_writing(path, value, model))


def decode_text(path: Path, data: bytes, model: ObjectModel) -> Node:
    """One value by its definition's type; without a definition, text."""
    check_leaf(path, model)
    return _leaf(path, text.decode(data, _type(path, model, ResourceType.STRING)))


def encode_opaque(path: Path, node: Node, model: ObjectModel) -> bytes:
    """The bytes themselves. Raises InvalidValue, FormatError UNSUPPORTED for anything but one opaque value."""
    value = _value(node)
    if type_for_writing(path, value, model) is not ResourceType.OPAQUE or not isinstance(value, bytes):
        raise FormatError(FormatReason.UNSUPPORTED, f"{path} is not opaque")
    return value


def decode_opaque(path: Path, data: bytes, model: ObjectModel) -> Node:
    """The bytes themselves, for opaque resources."""
    check_leaf(path, model)
    if _type(path, model, ResourceType.OPAQUE) is not ResourceType.OPAQUE:
        raise FormatError(FormatReason.WRONG_TYPE, f"{path} is not opaque")
    return _leaf(path, data)


def _type(path: Path, model: ObjectModel, fallback: ResourceType) -> ResourceType:
    definition = model.resource(path)
    return definition.type if definition else fallback


def _value(node: Node) -> Value:
    if not isinstance(node, Resource | ResourceInstance):
        raise FormatError(FormatReason.UNSUPPORTED, f"one value fits this format, not a {type(node).__name__}")
    return node.value


def _leaf(path: Path, value: Value) -> Node:
    return Resource(path.ids[-1], value) if path.level == 3 else ResourceInstance(path.ids[-1], value)
