"""SenML for the data model, whatever its syntax (RFC 8428; LwM2M Core 1.2, 7.4.5 and for object links 7.4.3).

A pack is a list of records, a record a mapping from labels, as in CBOR, to fields. `senml_cbor`, `senml_json` and
`lwm2m_json` turn bytes into packs and back; base fields, names, times and values are looked after here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final, TypeAlias

from objects.errors import FormatError, FormatReason, InvalidPath
from objects.formats import text
from objects.formats.tree import Entry, RecordFormat, Root, on_the_wire, type_for_writing
from objects.formats.typed import typed
from objects.model import ObjectModel
from objects.path import Path
from objects.values import ObjectLink, ResourceType, Value

MAX_RECORDS: Final = 16384
MAX_NAME: Final = 64
"""Characters of a name with its base; the longest path has 24."""
MAX_TIME: Final = 253402300799
"""Seconds from 1970 to the end of the year 9999; calendars of programs end there."""
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


RawRecord: TypeAlias = Mapping[int | str, Any]

_VALUES: Final[Mapping[int | str, tuple[type, ...]]] = {
    Label.VALUE: (int, float),
    Label.STRING_VALUE: (str,),
    Label.BOOLEAN_VALUE: (bool,),
    Label.DATA_VALUE: (bytes,),
    OBJECT_LINK: (str,),
}
_BASE: Final = frozenset(label for label in Label if label < 0)
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


Resolved: TypeAlias = tuple[str, int | str | None, Any, float | None]
"""A record on its own (RFC 8428, 4.6): whole name, label of its value or None, value, time or None."""


def in_syntax(
    load: Callable[[bytes], object],
    dump: Callable[[list[dict[int | str, Any]]], bytes],
    *,
    text_for_opaque: bool = False,
) -> RecordFormat:
    """SenML with these two functions between bytes and packs. `text_for_opaque`: opaque values are base64 text."""

    def read(request: Path | None, data: bytes, model: ObjectModel, root: Root) -> list[Entry]:
        above = _above(root)
        return [
            (path, _value(path, label, content, model, text_for_opaque), time)
            for name, label, content, time in resolve(load(data))
            for path in (_place(name, request, above),)
        ]

    def write(request: Path | None, entries: Sequence[Entry], model: ObjectModel, root: Root) -> bytes:
        return dump(_pack(request, entries, model, _above(root)))

    return RecordFormat(read, write)


# ---- reading ------------------------------------------------------------------------------------


def resolve(pack: object) -> Iterator[Resolved]:
    """The records of a pack one after the other, base fields worked in; those of base fields alone left out.

    Raises FormatError.
    """
    if not isinstance(pack, list) or len(pack) > MAX_RECORDS:
        raise FormatError(FormatReason.MALFORMED, f"a SenML pack is an array of at most {MAX_RECORDS} records")
    resolver = _Resolver()
    for raw in pack:
        if (record := resolver.record(raw)) is not None:
            yield record


class _Resolver:
    """Reads records in their order; base fields hold until they are given again."""

    def __init__(self) -> None:
        self._name = ""
        self._time: float | None = None
        self._value: float | None = None

    def record(self, raw: object) -> Resolved | None:
        if not isinstance(raw, dict):
            raise FormatError(FormatReason.MALFORMED, "a SenML record is a map")
        name: str | None = None
        time: float | None = None
        kind: int | str | None = None
        for label, content in raw.items():
            if label in _VALUES:
                if kind is not None:
                    raise FormatError(FormatReason.MALFORMED, "a SenML record with two values")
                kind = label
            elif label == Label.NAME:
                name = _text(content)
            elif label == Label.TIME:
                time = _finite(content, Label.TIME)
            else:
                self._other(label, content)
        if name is None and kind is None and (self._value is None or raw.keys() <= _BASE):
            return None
        whole = self._name + (name or "")
        if kind is None and self._value is None:
            return whole, None, None, self._moment(time)
        return whole, kind or Label.VALUE, self._content(kind, raw.get(kind)), self._moment(time)

    def _other(self, label: int | str, content: object) -> None:
        match label:
            case Label.BASE_NAME:
                self._name = _text(content)
            case Label.BASE_TIME:
                self._time = _finite(content, Label.BASE_TIME)
            case Label.BASE_VALUE:
                self._value = _finite(content, Label.BASE_VALUE)
            case Label.SUM | Label.BASE_SUM:
                raise FormatError(FormatReason.UNSUPPORTED, "sums have no place in the data model")
            case Label.BASE_VERSION if not (isinstance(content, int) and content <= VERSION):
                raise FormatError(FormatReason.UNSUPPORTED, f"SenML version {content!r}, at most {VERSION}")
            case str() if label.endswith("_"):
                raise FormatError(FormatReason.UNSUPPORTED, f"SenML field {label[:20]!r} must be understood and is not")

    def _content(self, label: int | str | None, content: Any) -> Any:
        if label is None:
            return self._value
        if type(content) not in _VALUES[label]:
            raise FormatError(FormatReason.WRONG_TYPE, f"SenML field {label} holds {type(content).__name__}")
        return content if self._value is None or label != Label.VALUE else content + self._value

    def _moment(self, time: float | None) -> float | None:
        if time is None and self._time is None:
            return None
        moment = (self._time or 0) + (time or 0)
        if abs(moment) > MAX_TIME:
            raise FormatError(FormatReason.WRONG_TYPE, f"a SenML time of {moment} s")
        return moment


def _value(
    path: Path, label: int | str | None, content: Any, model: ObjectModel, text_for_opaque: bool
) -> Value | None:
    if label is None:
        return None
    definition = model.resource(path)
    kind = None if definition is None else definition.type
    if label == OBJECT_LINK:
        content = text.link(content)
    elif text_for_opaque and kind is ResourceType.OPAQUE and label == Label.STRING_VALUE:
        content = text.decode(content.encode(), kind)
    return typed(content, kind, path)


def _place(name: str, request: Path | None, above: str) -> Path:
    if above and name.startswith(f"{above}/"):
        name = name[len(above) :]
    if len(name) > MAX_NAME:
        raise FormatError(FormatReason.MALFORMED, f"a SenML name has at most {MAX_NAME} characters")
    try:
        return Path.parse(name) if name.startswith("/") else _without_slash(name, request)
    except InvalidPath as error:
        raise FormatError(FormatReason.MALFORMED, f"a SenML name that is no path: {error}") from error


def _without_slash(name: str, request: Path | None) -> Path:
    """Some leave the first slash out, others name what lies beneath the path of the request (LwM2M 1.0, 6.4.4)."""
    if request is None:
        return Path.parse(f"/{name}")
    if not name:
        return request
    try:
        whole = Path.parse(f"/{name}")
    except InvalidPath:
        whole = None
    return whole if whole is not None and request.contains(whole) else Path.parse(f"{request}/{name}")


def _text(content: object) -> str:
    if not isinstance(content, str):
        raise FormatError(FormatReason.MALFORMED, "a SenML name is text")
    return content


def _finite(content: object, label: Label) -> int | float:
    if isinstance(content, bool) or not isinstance(content, int | float) or not math.isfinite(content):
        raise FormatError(FormatReason.WRONG_TYPE, f"SenML field {label.name} is a number")
    return content


# ---- writing ------------------------------------------------------------------------------------


def _pack(request: Path | None, entries: Sequence[Entry], model: ObjectModel, above: str) -> list[dict[int | str, Any]]:
    if not entries:
        return [] if request is None else [{Label.BASE_NAME: f"{above}{request}/"}]
    names = [above + on_the_wire(path) for path, _, _ in entries]
    # Places without values are what a composite read asks for: whole names, which every client understands.
    base = "" if all(value is None for _, value, _ in entries) else _common_base(names)
    pack = [_raw(name[len(base) :], entry, model) for name, entry in zip(names, entries, strict=True)]
    if base:
        pack[0] = {Label.BASE_NAME: base, **pack[0]}
    return pack


def _common_base(paths: list[str]) -> str:
    """The longest beginning of all paths that ends in `/`, or a lone path itself."""
    if len(paths) == 1:
        return paths[0]
    first, last = min(paths), max(paths)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[: first.rfind("/", 0, length) + 1]


def _raw(name: str, entry: Entry, model: ObjectModel) -> dict[int | str, Any]:
    path, value, time = entry
    raw: dict[int | str, Any] = {}
    if name:
        raw[Label.NAME] = name
    if value is not None:
        kind = type_for_writing(path, value, model)
        raw[_LABEL_OF[kind]] = str(value) if isinstance(value, ObjectLink) else value
    if time is not None:
        raw[Label.TIME] = time
    return raw


def _above(root: Root) -> str:
    """What stands before the path in every name."""
    return "".join(f"/{segment}" for segment in root)
