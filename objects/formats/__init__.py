"""Content formats: one entry point each way, whatever the format.

decode(Format.TLV, Path.parse("/3/0"), payload, MODEL)   # ObjectInstance(...)

`formats.composite` is for values and paths all over the data model, `formats.records` for values with times.
`root` is the alternate path of a device that has one (LwM2M Core 1.2, 6.2.1): names in a payload begin with it, paths
here do not.
"""

from __future__ import annotations

from objects.formats import codecs
from objects.formats.numbers import Format
from objects.formats.tree import MAX_PAYLOAD, Root, build, check_size, newest
from objects.model import ObjectModel
from objects.nodes import Node, walk
from objects.path import Path

__all__ = ["MAX_PAYLOAD", "Format", "decode", "encode"]


def encode(content_format: int, path: Path, node: Node, model: ObjectModel, *, root: Root = ()) -> bytes:
    """`node`, which lies at `path`, in that content format.

    Raises InvalidValue for a value of another type than its definition's; FormatError UNSUPPORTED.
    """
    codec = codecs.NODES.get(content_format)
    if codec is not None:
        return codec.encode(path, node, model)
    entries = [(place, value, None) for place, value in walk(path, node)]
    return codecs.records(content_format).write(path, entries, model, root)


def decode(content_format: int, path: Path, data: bytes, model: ObjectModel, *, root: Root = ()) -> Node:
    """The node that `data` describe at `path`: the kind of node is that of the path's level.

    Types follow the definitions, ranges are not checked (`objects.checks` does). A resource without a definition keeps
    the type its encoding shows: bytes in TLV. Of several values for one place the latest counts. Raises FormatError.
    """
    check_size(data)
    codec = codecs.NODES.get(content_format)
    if codec is not None:
        return codec.decode(path, data, model)
    values = newest(codecs.records(content_format).read(path, data, model, root))
    return build(path, {place: value for place, value in values.items() if value is not None}, model)
