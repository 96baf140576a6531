"""From single values at their paths to nodes and back, and what the definitions say about a place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from objects.errors import FormatError, FormatReason
from objects.model import ObjectModel
from objects.nodes import MultipleResource, Node, ObjectInstance, ObjectNode, Resource, ResourceInstance
from objects.path import UNASSIGNED, Path
from objects.values import INTEGER_MAX, ObjectLink, ResourceType, Value

MAX_PAYLOAD: Final = 4 << 20
"""Bytes of one payload; a firmware package is far below."""

Entry: TypeAlias = tuple[Path, Value | None, float | None]
"""A place, its value, and when it had it. No value: the place alone, as a composite read names it."""

Root: TypeAlias = tuple[str, ...]
"""Segments before every path on a device with an alternate path, which names on the wire have too; else empty."""


class RecordFormat(NamedTuple):
    """A format whose payload lists values, each at its full path.

    `read(request, data, model, root)` and `write(request, entries, model, root)`: `request` is the path the payload
    answers or goes to, None when there is no one path (composite operations, Send); `root` the device's alternate path.
    """

    read: Callable[[Path | None, bytes, ObjectModel, Root], list[Entry]]
    write: Callable[[Path | None, Sequence[Entry], ObjectModel, Root], bytes]


def check_size(data: bytes) -> None:
    """Raise FormatError TOO_LARGE for more than MAX_PAYLOAD."""
    if len(data) > MAX_PAYLOAD:
        raise FormatError(FormatReason.TOO_LARGE, f"{len(data)} bytes, at most {MAX_PAYLOAD}")


def natural_type(value: Value) -> ResourceType:
    """The type of a value whose resource is in no definition."""
    match value:
        case bool():
            return ResourceType.BOOLEAN
        case int():
            return ResourceType.INTEGER if value <= INTEGER_MAX else ResourceType.UNSIGNED
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


def on_the_wire(path: Path) -> str:
    """The path as text. Raises FormatError UNSUPPORTED for an instance without a number: only TLV can leave it out."""
    if UNASSIGNED in path.ids:
        raise FormatError(FormatReason.UNSUPPORTED, "this format needs the id of a new instance")
    return str(path)


def check_leaf(path: Path, model: ObjectModel) -> None:
    """Raise FormatError WRONG_LEVEL unless a single value can lie at `path`."""
    definition = model.resource(path)
    if path.resource is None or (definition and definition.multiple != (path.resource_instance is not None)):
        raise FormatError(FormatReason.WRONG_LEVEL, f"no single value lies at {path}")


def newest(entries: Iterable[Entry]) -> dict[Path, Value | None]:
    """Of several entries for one place the one with the latest time. Raises FormatError DUPLICATE."""
    found: dict[Path, Entry] = {}
    for entry in entries:
        path, _, time = entry
        known = found.setdefault(path, entry)
        if known is entry:
            continue
        if (known[2] or 0) == (time or 0):
            raise FormatError(FormatReason.DUPLICATE, f"{path} twice")
        if (time or 0) > (known[2] or 0):
            found[path] = entry
    return {path: value for path, (_, value, _) in found.items()}


def check_places(values: Iterable[Path], model: ObjectModel, request: Path | None) -> None:
    """Raise FormatError unless each is a place for one value, beneath `request` if given: OUTSIDE, WRONG_LEVEL."""
    for place in values:
        if request is not None and not request.contains(place):
            raise FormatError(FormatReason.OUTSIDE, f"{place} is not in {request}")
        check_leaf(place, model)


def build(path: Path, values: Mapping[Path, Value], model: ObjectModel) -> Node:
    """The node at `path` with these values. Raises FormatError: OUTSIDE, WRONG_LEVEL."""
    check_places(values, model, path)
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
