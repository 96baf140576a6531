"""Formats of exactly one value: plain text, opaque and CBOR (LwM2M Core 1.2, 7.4.1 to 7.4.3)."""

from __future__ import annotations

from cose import cbor
from objects.errors import FormatError, FormatReason
from objects.formats import lenient_cbor, text
from objects.formats.tree import MAX_PAYLOAD, check_leaf, type_for_writing
from objects.formats.typed import typed
from objects.model import ObjectModel
from objects.nodes import Node, Resource, ResourceInstance
from objects.path import Path
from objects.values import ObjectLink, ResourceType, Value


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


def encode_cbor(path: Path, node: Node, model: ObjectModel) -> bytes:
    """One CBOR item, an object link as text. Raises InvalidValue; FormatError UNSUPPORTED unless it is one value."""
    value = _value(node)
    type_for_writing(path, value, model)
    return cbor.encode(str(value) if isinstance(value, ObjectLink) else value)


def decode_cbor(path: Path, data: bytes, model: ObjectModel) -> Node:
    """One CBOR item of its definition's type; without a definition, of its own."""
    check_leaf(path, model)
    definition = model.resource(path)
    value = lenient_cbor.decode(data, max_size=MAX_PAYLOAD, max_depth=2)
    return _leaf(path, typed(value, None if definition is None else definition.type, path))


def _type(path: Path, model: ObjectModel, fallback: ResourceType) -> ResourceType:
    definition = model.resource(path)
    return definition.type if definition else fallback


def _value(node: Node) -> Value:
    if not isinstance(node, Resource | ResourceInstance):
        raise FormatError(FormatReason.UNSUPPORTED, f"one value fits this format, not a {type(node).__name__}")
    return node.value


def _leaf(path: Path, value: Value) -> Node:
    return Resource(path.ids[-1], value) if path.level == 3 else ResourceInstance(path.ids[-1], value)
