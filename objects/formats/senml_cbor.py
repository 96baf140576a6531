"""SenML CBOR (RFC 8428, section 6; LwM2M Core 1.2, 7.4.5 and for object links 7.4.3).

Reads what others may write (base values, any order of keys, floats that are whole numbers); writes one base name and
deterministic CBOR.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeAlias

from cose import cbor
from objects.errors import FormatError, FormatReason
from objects.formats import lenient_cbor, text
from objects.formats.tree import MAX_PAYLOAD, build, type_for_writing
from objects.model import ObjectModel
from objects.nodes import Node, walk
from objects.path import Path
from objects.values import INTEGER_MAX, INTEGER_MIN, UNSIGNED_MAX, ObjectLink, ResourceType, Value

MAX_RECORDS: Final = 16384
MAX_NAME: Final = 64
"""Characters of a name with its base; the longest path has 24."""
VERSION: Final = 10
"""Version of SenML this reader knows."""
OBJECT_LINK: Final = "vlo"


class Label(IntEnum):
    """Labels of SenML in CBOR (RFC 8428, table 4)."""

    BASE_VERSION = -1
    BASE_NAME = -2
    BASE_TIME = -3
    BASE_UNIT = -4
    BASE_VALUE = -5
    BASE_SUM = -6
    NAME = 0
    UNIT = 1
    VALUE = 2
    STRING_VALUE = 3
    BOOLEAN_VALUE = 4
    SUM = 5
    TIME = 6
    UPDATE_TIME = 7
    DATA_VALUE = 8


@dataclass(frozen=True, slots=True)
class Record:
    """One value at its full path. `time`: seconds since 1970, or before now when below 2^28; None when not given."""

    path: Path
    value: Value
    time: float | None = None


_Raw: TypeAlias = Mapping[int | str, Any]
_VALUES: Final[Mapping[int | str, tuple[type, ...]]] = {
    Label.VALUE: (int, float),
    Label.STRING_VALUE: (str,),
    Label.BOOLEAN_VALUE: (bool,),
    Label.DATA_VALUE: (bytes,),
    OBJECT_LINK: (str,),
}
_LABEL_OF: Final[Mapping[ResourceType, int | str]] = {
    ResourceType.STRING: Label.STRING_VALUE,
    ResourceType.CORELNK: Label.STRING_VALUE,
    ResourceType.INTEGER: Label.VALUE,
    ResourceType.UNSIGNED: Label.VALUE,
    ResourceType.TIME: Label.VALUE,
    ResourceType.FLOAT: Label.VALUE,
    ResourceType.BOOLEAN: Label.BOOLEAN_VALUE,
    ResourceType.OPAQUE: Label.DATA_VALUE,
    ResourceType.OBJLNK: OBJECT_LINK,
}


def encode(path: Path, node: Node, model: ObjectModel) -> bytes:
    """The payload of a request or response on `path`. Raises InvalidValue."""
    records = tuple(Record(place, value) for place, value in walk(path, node))
    return encode_records(records, model) if records else cbor.encode([{Label.BASE_NAME: f"{path}/"}])


def decode(path: Path, data: bytes, model: ObjectModel) -> Node:
    """The node on `path`; of several values for one place the one with the latest time. Raises FormatError."""
    newest: dict[Path, Record] = {}
    for record in decode_records(data, model):
        known = newest.setdefault(record.path, record)
        if known is not record and (known.time or 0) == (record.time or 0):
            raise FormatError(FormatReason.DUPLICATE, f"{record.path} twice")
        if (record.time or 0) > (known.time or 0):
            newest[record.path] = record
    return build(path, {place: record.value for place, record in newest.items()}, model)


def encode_records(records: Iterable[Record], model: ObjectModel) -> bytes:
    """A pack of values anywhere in the data model, as Send and the composite operations carry it."""
    rows = tuple(records)
    base = _common_base([str(row.path) for row in rows])
    pack: list[dict[int | str, Any]] = [_raw(row, len(base), model) for row in rows]
    if base and pack:
        pack[0] = {Label.BASE_NAME: base, **pack[0]}
    return cbor.encode(pack)


def decode_records(data: bytes, model: ObjectModel) -> tuple[Record, ...]:
    """The values of a pack in their order. Raises FormatError."""
    pack = lenient_cbor.decode(data, max_size=MAX_PAYLOAD, max_depth=2)
    if not isinstance(pack, list) or len(pack) > MAX_RECORDS:
        raise FormatError(FormatReason.MALFORMED, f"a SenML pack is an array of at most {MAX_RECORDS} records")
    base: dict[int | str, Any] = {}
    records = []
    for raw in pack:
        if not isinstance(raw, dict):
            raise FormatError(FormatReason.MALFORMED, "a SenML record is a map")
        base.update((label, value) for label, value in raw.items() if isinstance(label, int) and label < 0)
        _check_labels(raw)
        if (record := _record(raw, base, model)) is not None:
            records.append(record)
    return tuple(records)


def _common_base(paths: list[str]) -> str:
    """The longest beginning of all paths that ends in `/`, or a lone path itself."""
    if len(paths) == 1:
        return paths[0]
    first, last = min(paths, default=""), max(paths, default="")
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[: first.rfind("/", 0, length) + 1]


def _raw(row: Record, skip: int, model: ObjectModel) -> dict[int | str, Any]:
    kind = type_for_writing(row.path, row.value, model)
    value = str(row.value) if isinstance(row.value, ObjectLink) else row.value
    raw: dict[int | str, Any] = {_LABEL_OF[kind]: value}
    if name := str(row.path)[skip:]:
        raw[Label.NAME] = name
    if row.time is not None:
        raw[Label.TIME] = row.time
    return raw


def _check_labels(raw: _Raw) -> None:
    for label in raw:
        if isinstance(label, str) and label.endswith("_"):
            raise FormatError(FormatReason.UNSUPPORTED, f"SenML field {label[:20]!r} must be understood and is not")
    if Label.SUM in raw or Label.BASE_SUM in raw:
        raise FormatError(FormatReason.UNSUPPORTED, "sums have no place in the data model")
    version = raw.get(Label.BASE_VERSION, VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise FormatError(FormatReason.UNSUPPORTED, f"SenML version {version!r}, at most {VERSION}")


def _record(raw: _Raw, base: _Raw, model: ObjectModel) -> Record | None:
    present = [label for label in raw if label in _VALUES]
    if not present and Label.BASE_VALUE not in base:
        return None
    if len(present) > 1:
        raise FormatError(FormatReason.MALFORMED, "a SenML record with two values")
    path = _path(raw, base)
    label = present[0] if present else Label.VALUE
    value = _value(label, raw, base)
    definition = model.resource(path)
    return Record(path, _typed(value, label, definition.type if definition else None, path), _time(raw, base))


def _path(raw: _Raw, base: _Raw) -> Path:
    prefix, name = base.get(Label.BASE_NAME, ""), raw.get(Label.NAME, "")
    if not isinstance(prefix, str) or not isinstance(name, str) or len(prefix) + len(name) > MAX_NAME:
        raise FormatError(FormatReason.MALFORMED, f"a SenML name is text of at most {MAX_NAME} characters")
    try:
        return Path.parse(prefix + name)
    except ValueError as error:
        raise FormatError(FormatReason.MALFORMED, f"a SenML name that is no path: {error}") from error


def _value(label: int | str, raw: _Raw, base: _Raw) -> Any:
    value: Any = raw.get(label, 0)
    fits = isinstance(value, _VALUES[label]) and isinstance(value, bool) == (label == Label.BOOLEAN_VALUE)
    if not fits:
        raise FormatError(FormatReason.WRONG_TYPE, f"SenML field {label} holds {type(value).__name__}")
    return value + _number(base, Label.BASE_VALUE) if label == Label.VALUE else value


def _time(raw: _Raw, base: _Raw) -> float | None:
    if Label.TIME not in raw and Label.BASE_TIME not in base:
        return None
    return _number(base, Label.BASE_TIME) + _number(raw, Label.TIME)


def _number(fields: _Raw, label: Label) -> int | float:
    value = fields.get(label, 0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FormatError(FormatReason.WRONG_TYPE, f"SenML field {label.name} is a number")
    return value


def _typed(value: Any, label: int | str, kind: ResourceType | None, path: Path) -> Value:
    if kind is not None and _LABEL_OF.get(kind) != label:
        raise FormatError(
            FormatReason.WRONG_TYPE, f"SenML field {label} at {path}, which is {kind.value or 'executed'}"
        )
    if label == OBJECT_LINK:
        return text.link(value)
    if label == Label.VALUE:
        return _numeric(value, kind, path)
    plain: Value = value
    return plain


def _numeric(value: int | float, kind: ResourceType | None, path: Path) -> int | float:
    if kind is ResourceType.FLOAT:
        return float(value)
    if isinstance(value, float):
        if kind is None:
            return value
        if not value.is_integer() or abs(value) > 2**53:
            raise FormatError(FormatReason.WRONG_TYPE, f"{value} at {path} is no exact integer")
        value = int(value)
    low, high = (0, UNSIGNED_MAX) if kind is ResourceType.UNSIGNED else (INTEGER_MIN, INTEGER_MAX)
    if not low <= value <= high:
        raise FormatError(FormatReason.WRONG_TYPE, f"an integer outside {low}..{high} at {path}")
    return value
