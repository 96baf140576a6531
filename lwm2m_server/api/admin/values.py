"""Values of the data model in JSON, both ways.

Opaque values are hex digits, object links `66:0`, times seconds since 1970; levels below a path are objects by id. Text
is read as the type its definition, or the caller, names, so that a command line need not know types.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from lwm2m_server.protocol.samples import Sample
from lwm2m_server.protocol.trees import AnyTree
from objects.attributes import Attributes
from objects.errors import FormatError, InvalidPath, InvalidValue
from objects.formats import text
from objects.model import ObjectModel
from objects.path import Path
from objects.values import ObjectLink, ResourceType, Value

Json = dict[str, Any]
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def shown(value: Value) -> Any:
    """A value as JSON; what JSON has no number for is its name."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value) if isinstance(value, ObjectLink) else value


def name_of(path: Path, model: ObjectModel) -> str:
    """What the definitions call a place: `Device/Manufacturer`; empty without a definition."""
    definition = model.get(path.object)
    resource = model.resource(path)
    if definition is None or (path.resource is not None and resource is None):
        return ""
    return definition.name if resource is None else f"{definition.name}/{resource.name}"


def listed(values: Mapping[Path, Value | None], model: ObjectModel) -> list[Json]:
    """Values by path as rows, in order of their paths."""
    return [
        {"path": str(path), "name": name_of(path, model), "value": None if value is None else shown(value)}
        for path, value in sorted(values.items())
    ]


def sampled(samples: Iterable[Sample], model: ObjectModel) -> list[Json]:
    """Values with their moments as rows."""
    return [
        {"path": str(one.path), "name": name_of(one.path, model), "value": shown(one.value), "at": one.at}
        for one in samples
    ]


def tree_at(path: Path, value: Any, model: ObjectModel, kind: ResourceType | None = None) -> AnyTree:
    """What JSON gives for `path`. `kind`: the type of all values, where no definition says it. Raises InvalidValue."""
    if isinstance(value, dict):
        return {_id(path, key): tree_at(_below(path, key), one, model, kind) for key, one in value.items()}
    return value_at(path, value, model, kind)


def value_at(path: Path, value: Any, model: ObjectModel, kind: ResourceType | None = None) -> Value:
    """The one value JSON gives for `path`. Raises InvalidValue."""
    definition = model.resource(path)
    if definition is None:
        return _leaf(str(path), value, kind)
    return _leaf(str(definition), value, kind or definition.type)


def kind_of(name: str | None) -> ResourceType | None:
    """The type a caller names, as definitions write it, in any case. Raises InvalidValue."""
    if name is None:
        return None
    for kind in ResourceType:
        if kind.value and kind.value.lower() == name.lower():
            return kind
    known = ", ".join(kind.value for kind in ResourceType if kind.value)
    raise InvalidValue("type", f"is one of {known}, not {name[:40]!r}")


def attributes_of(given: Mapping[str, Any]) -> Attributes:
    """Notification attributes by name; null takes one away. Raises FormatError."""
    return Attributes.parse(name if value is None else f"{name}={_plain(value)}" for name, value in given.items())


def _plain(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _id(path: Path, key: str) -> int:
    if not (key.isascii() and key.isdecimal() and len(key) <= 5):
        raise InvalidValue(str(path), f"is numbered by ids, not {key[:40]!r}")
    return int(key)


def _below(path: Path, key: str) -> Path:
    try:
        return path.child(_id(path, key))
    except InvalidPath as error:
        raise InvalidValue(str(path), str(error)) from error


def _leaf(subject: str, value: Any, kind: ResourceType | None) -> Value:
    """`subject`: the resource, as errors name it."""
    if isinstance(value, str):
        return _from_text(subject, value, kind)
    if isinstance(value, bool | int | float):
        return float(value) if kind is ResourceType.FLOAT and not isinstance(value, bool) else value
    raise InvalidValue(subject, f"takes text, a number or a truth value, not {type(value).__name__}")


def _from_text(subject: str, value: str, kind: ResourceType | None) -> Value:
    match kind:
        case None | ResourceType.STRING | ResourceType.CORELNK | ResourceType.NONE:
            return value
        case ResourceType.OPAQUE:
            try:
                return bytes.fromhex(value)
            except ValueError:
                raise InvalidValue(subject, "is opaque: write it in hex digits") from None
        case ResourceType.BOOLEAN:
            if value.lower() not in _BOOLEANS:
                raise InvalidValue(subject, f"is true or false, not {value[:40]!r}")
            return _BOOLEANS[value.lower()]
        case _:
            try:
                return text.decode(value.encode(), kind)
            except FormatError as error:
                raise InvalidValue(subject, error.detail) from error
