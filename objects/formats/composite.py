"""Values and paths all over the data model, for the composite operations (LwM2M Core 1.2, 6.3.8 to 6.3.10, 6.4.5).

decode_values(Format.SENML_CBOR, payload, MODEL)   # {Path(3, 0, 9): 100, Path(1, 0, 1): 86400}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from objects.formats import codecs
from objects.formats.tree import Root, check_places, check_size, newest
from objects.model import ObjectModel
from objects.path import Path
from objects.values import Value

_NO_MODEL: Final = ObjectModel(())
"""Paths have no types."""


def encode_paths(content_format: int, paths: Iterable[Path], *, root: Root = ()) -> bytes:
    """What a composite read asks for. Raises FormatError UNSUPPORTED."""
    entries = [(path, None, None) for path in dict.fromkeys(paths)]
    return codecs.records(content_format).write(None, entries, _NO_MODEL, root)


def decode_paths(content_format: int, data: bytes, *, root: Root = ()) -> tuple[Path, ...]:
    """The paths a composite read asks for, each once; values beside them are not looked at. Raises FormatError."""
    check_size(data)
    entries = codecs.records(content_format).read(None, data, _NO_MODEL, root)
    return tuple(dict.fromkeys(path for path, _, _ in entries))


def encode_values(
    content_format: int, values: Mapping[Path, Value | None], model: ObjectModel, *, root: Root = ()
) -> bytes:
    """Values at their paths; None takes a resource instance away in a Write-Composite.

    Raises InvalidValue for a value of another type than its definition's; FormatError UNSUPPORTED.
    """
    entries = [(path, value, None) for path, value in values.items()]
    return codecs.records(content_format).write(None, entries, model, root)


def decode_values(content_format: int, data: bytes, model: ObjectModel, *, root: Root = ()) -> dict[Path, Value | None]:
    """The values in a payload by their paths; None where a path came alone. Types follow the definitions.

    Raises FormatError.
    """
    check_size(data)
    values = newest(codecs.records(content_format).read(None, data, model, root))
    check_places((path for path, value in values.items() if value is not None), model, None)
    return values
