"""Values with times: what Send carries and what a device that kept its notifications sends later.

decode(Format.SENML_JSON, None, payload, MODEL)   # (Record(Path(3, 0, 9), 95, 1700000000), ...)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from objects.formats import codecs
from objects.formats.tree import Root, check_places, check_size
from objects.model import ObjectModel
from objects.nodes import walk
from objects.path import Path
from objects.values import Value


class Record(NamedTuple):
    """One value at its full path.

    `time`: seconds since 1970, or relative to now below 2^28 (RFC 8428, 4.5.3); None when the payload gives none.
    """

    path: Path
    value: Value
    time: float | None = None


def encode(content_format: int, records: Iterable[Record], model: ObjectModel, *, root: Root = ()) -> bytes:
    """Values anywhere in the data model. Raises InvalidValue, FormatError UNSUPPORTED."""
    return codecs.records(content_format).write(None, list(records), model, root)


def decode(
    content_format: int, base: Path | None, data: bytes, model: ObjectModel, *, root: Root = ()
) -> tuple[Record, ...]:
    """The values of a payload in their order, all of them beneath `base` if it is given.

    Formats of one node (text, opaque, CBOR, TLV) need `base` and have no times. Raises FormatError.
    """
    check_size(data)
    codec = codecs.NODES.get(content_format)
    if codec is not None and base is not None:
        return tuple(Record(path, value) for path, value in walk(base, codec.decode(base, data, model)))
    entries = codecs.records(content_format).read(base, data, model, root)
    found = tuple(Record(path, value, time) for path, value, time in entries if value is not None)
    check_places((record.path for record in found), model, base)
    return found
