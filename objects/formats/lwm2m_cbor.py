"""LwM2M CBOR (LwM2M Core 1.2, 7.4.7): maps within maps, from the root of the data model down to the values.

A key is one id or an array of ids, several levels at once: {3: {0: {9: 100}}} and {[3, 0, 9]: 100} say the same.
Null stands where there is a place without a value. The tree begins at the objects, whatever a device's root.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

from cose import cbor
from objects.errors import FormatError, FormatReason
from objects.formats import lenient_cbor
from objects.formats.tree import MAX_PAYLOAD, Entry, RecordFormat, Root, on_the_wire, type_for_writing
from objects.formats.typed import typed
from objects.model import ObjectModel
from objects.path import MAX_ID, Path
from objects.values import ObjectLink, Value

_DEPTH: Final = 6
"""Four levels of maps, and a decimal fraction in the innermost."""


def _read(_request: Path | None, data: bytes, model: ObjectModel, _root: Root) -> list[Entry]:
    tree = lenient_cbor.decode(data, max_size=MAX_PAYLOAD, max_depth=_DEPTH, array_keys=True)
    if not isinstance(tree, dict):
        raise FormatError(FormatReason.MALFORMED, "LwM2M CBOR is a map")
    return [(path, _content(path, content, model), None) for path, content in _leaves((), tree)]


def _leaves(above: tuple[int, ...], node: Any) -> Iterator[tuple[Path, Any]]:
    if not isinstance(node, dict):
        yield Path.of(above), node
        return
    for key, below in node.items():
        ids = above + (key if isinstance(key, tuple) else (key,))
        if len(ids) == len(above) or len(ids) > 4 or not all(isinstance(i, int) and 0 <= i <= MAX_ID for i in ids):
            raise FormatError(FormatReason.MALFORMED, f"a key of LwM2M CBOR is an id or several, not {key!r}")
        yield from _leaves(ids, below)


def _content(path: Path, content: Any, model: ObjectModel) -> Value | None:
    if content is None:
        return None
    definition = model.resource(path)
    return typed(content, None if definition is None else definition.type, path)


def _write(request: Path | None, entries: Sequence[Entry], model: ObjectModel, _root: Root) -> bytes:
    tree: dict[int, Any] = {}
    if request is not None and not entries:
        _put(tree, request, {})
    for path, value, time in sorted(entries, key=itemgetter(0)):
        if time is not None:
            raise FormatError(FormatReason.UNSUPPORTED, "LwM2M CBOR carries no times")
        _put(tree, path, None if value is None else _plain(path, value, model))
    return cbor.encode(tree)


def _put(tree: dict[int, Any], path: Path, content: Any) -> None:
    """Lay `content` at its place. Entries come in order: what lies beneath a place without value is part of it."""
    on_the_wire(path)
    *above, last = path.ids
    node: Any = tree
    for number in above:
        node = node.setdefault(number, {})
        if node is None:
            return
        if not isinstance(node, dict):
            raise FormatError(FormatReason.WRONG_LEVEL, f"a value above {path}")
    if last in node:
        raise FormatError(FormatReason.DUPLICATE, f"{path} twice")
    node[last] = content


def _plain(path: Path, value: Value, model: ObjectModel) -> Any:
    type_for_writing(path, value, model)
    return str(value) if isinstance(value, ObjectLink) else value


FORMAT: Final = RecordFormat(_read, _write)
