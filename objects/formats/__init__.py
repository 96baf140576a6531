"""Content formats: one entry point each way, whatever the format.

decode(Format.TLV, Path.parse("/3/0"), payload, MODEL)   # ObjectInstance(...)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from objects.errors import FormatError, FormatReason
from objects.formats import senml_cbor, single, tlv_tree
from objects.formats.numbers import Format
from objects.formats.tree import MAX_PAYLOAD
from objects.model import ObjectModel
from objects.nodes import Node
from objects.path import Path

__all__ = ["MAX_PAYLOAD", "Format", "decode", "encode"]


class _Codec(NamedTuple):
    encode: Callable[[Path, Node, ObjectModel], bytes]
    decode: Callable[[Path, bytes, ObjectModel], Node]


_CODECS: Final[Mapping[int, _Codec]] = {
    Format.TEXT: _Codec(single.encode_text, single.decode_text),
    Format.OPAQUE: _Codec(single.encode_opaque, single.decode_opaque),
    Format.TLV: _Codec(tlv_tree.encode, tlv_tree.decode),
    Format.SENML_CBOR: _Codec(senml_cbor.encode, senml_cbor.decode),
}


def encode(content_format: int, path: Path, node: Node, model: ObjectModel) -> bytes:
    """`node`, which lies at `path`, in that content format.

    Raises InvalidValue for a value of another type than its definition's; FormatError UNSUPPORTED.
    """
    return _codec(content_format).encode(path, node, model)


def decode(content_format: int, path: Path, data: bytes, model: ObjectModel) -> Node:
    """The node that `data` describe at `path`: the kind of node is that of the path's level.

    Types follow the definitions, ranges are not checked (`ResourceDefinition.check` does). A resource without a
    definition keeps the type its encoding shows: bytes in TLV. Raises FormatError.
    """
    if len(data) > MAX_PAYLOAD:
        raise FormatError(FormatReason.TOO_LARGE, f"{len(data)} bytes, at most {MAX_PAYLOAD}")
    return _codec(content_format).decode(path, data, model)


def _codec(content_format: int) -> _Codec:
    codec = _CODECS.get(content_format)
    if codec is None:
        raise FormatError(FormatReason.UNSUPPORTED, f"content format {content_format} carries no values here")
    return codec
