"""SenML in CBOR (RFC 8428, section 6): reads what others may write, writes deterministic CBOR."""

from __future__ import annotations

from typing import Any, Final

from cose import cbor
from objects.formats import lenient_cbor, senml
from objects.formats.tree import MAX_PAYLOAD


def _load(data: bytes) -> object:
    # An array of maps, whose fields may be tagged numbers: a decimal fraction is a tag and an array.
    return lenient_cbor.decode(data, max_size=MAX_PAYLOAD, max_depth=4, max_items=8 * senml.MAX_RECORDS)


def _dump(pack: list[dict[int | str, Any]]) -> bytes:
    return cbor.encode(pack)


FORMAT: Final = senml.in_syntax(_load, _dump)
