"""Which module reads and writes which content format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from objects.errors import FormatError, FormatReason
from objects.formats import lwm2m_cbor, lwm2m_json, senml_cbor, senml_json, single, tlv_tree
from objects.formats.numbers import Format
from objects.formats.tree import RecordFormat
from objects.model import ObjectModel
from objects.nodes import Node
from objects.path import Path


class NodeFormat(NamedTuple):
    """A format whose payload is one node; its path is the request's."""

    encode: Callable[[Path, Node, ObjectModel], bytes]
    decode: Callable[[Path, bytes, ObjectModel], Node]


NODES: Final[Mapping[int, NodeFormat]] = {
    Format.TEXT: NodeFormat(single.encode_text, single.decode_text),
    Format.OPAQUE: NodeFormat(single.encode_opaque, single.decode_opaque),
    Format.CBOR: NodeFormat(single.encode_cbor, single.decode_cbor),
    Format.TLV: NodeFormat(tlv_tree.encode, tlv_tree.decode),
}
_RECORDS: Final[Mapping[int, RecordFormat]] = {
    Format.SENML_JSON: senml_json.FORMAT,
    Format.SENML_CBOR: senml_cbor.FORMAT,
    Format.LWM2M_JSON: lwm2m_json.FORMAT,
    Format.LWM2M_CBOR: lwm2m_cbor.FORMAT,
}


def records(content_format: int) -> RecordFormat:
    """The format that lists values at their paths. Raises FormatError UNSUPPORTED."""
    found = _RECORDS.get(content_format)
    if found is None:
        raise FormatError(FormatReason.UNSUPPORTED, f"content format {content_format} does not carry this")
    return found
