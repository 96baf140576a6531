"""Read and Read-Composite: what is asked for, in a format the server accepts (LwM2M Core 1.2, 6.3.1 and 6.3.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from objects import formats
from objects.errors import FormatError, FormatReason
from objects.formats import composite
from objects.model import ObjectModel
from objects.nodes import Node, Resource, ResourceInstance
from objects.path import Path
from objects.values import ResourceType, Value
from secure_coap.errors import NotAcceptable, UnsupportedContentFormat
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat

ENCODED: Final = (
    ContentFormat.SENML_CBOR,
    ContentFormat.SENML_JSON,
    ContentFormat.LWM2M_CBOR,
    ContentFormat.LWM2M_TLV,
)
"""Formats of more than one value a device answers in, the preferred one first."""
BY_VERSION: Final[Mapping[str, Sequence[int]]] = {
    "1.0": (ContentFormat.LWM2M_TLV,),
    "1.1": (ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, ContentFormat.LWM2M_TLV),
    "1.2": ENCODED,
}
"""What a device says it speaks. Asked for another one it can encode, it is not petty."""


def content(path: Path, node: Node, accept: int | None, default: int, model: ObjectModel) -> Response:
    """2.05 with this node. Raises NotAcceptable when `accept` cannot carry it."""
    content_format = accept if accept is not None else _format_for(path, node, default, model)
    try:
        payload = formats.encode(content_format, path, node, model)
    except FormatError as error:
        if error.reason is FormatReason.UNSUPPORTED:
            raise NotAcceptable(str(error)) from error
        raise
    return Response(Code.CONTENT, payload, content_format=content_format)


def _format_for(path: Path, node: Node, default: int, model: ObjectModel) -> int:
    """What a Read without Accept gets: one opaque value as it is, one other value as text, more in the default."""
    if not isinstance(node, Resource | ResourceInstance):
        return default
    definition = model.resource(path)
    opaque = definition is not None and definition.type is ResourceType.OPAQUE
    return ContentFormat.OCTET_STREAM if opaque else ContentFormat.TEXT


def composite_paths(request: Request) -> Sequence[Path]:
    """The paths a composite request names. Raises UnsupportedContentFormat, FormatError."""
    if request.content_format is None:
        raise UnsupportedContentFormat("a composite request names its content format")
    try:
        return composite.decode_paths(request.content_format, request.payload)
    except FormatError as error:
        if error.reason is FormatReason.UNSUPPORTED:
            raise UnsupportedContentFormat(str(error)) from error
        raise


def composite_content(values: Mapping[Path, Value], request: Request, model: ObjectModel) -> Response:
    """2.05 with these values, in the format accepted, else the one of the request. Raises NotAcceptable."""
    content_format = request.accept if request.accept is not None else request.content_format
    assert content_format is not None
    try:
        payload = composite.encode_values(content_format, values, model)
    except FormatError as error:
        if error.reason is FormatReason.UNSUPPORTED:
            raise NotAcceptable(str(error)) from error
        raise
    return Response(Code.CONTENT, payload, content_format=content_format)
