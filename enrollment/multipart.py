"""application/multipart-core: several representations in one payload (RFC 8710)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cose.cbor import CborError, decode, encode

MAX_SIZE: Final = 16384
"""Octets of the largest payload taken."""
MAX_PARTS: Final = 4
"""Representations of the largest payload taken."""

Part = tuple[int, bytes]
"""A content format and a representation in it."""


class MultipartError(ValueError):
    """Bytes that are no multipart-core, or one too large."""


def encode_multipart(parts: Sequence[Part]) -> bytes:
    """Return the payload with these representations, in their order."""
    return encode([item for part in parts for item in part])


def decode_multipart(data: bytes) -> list[Part]:
    """Return the representations in a payload; raise `MultipartError`. One that is null is not there, and left out."""
    try:
        items = decode(data, max_size=MAX_SIZE, max_depth=1)
    except CborError as error:
        raise MultipartError(f"no array of representations: {error}") from error
    if not isinstance(items, list) or len(items) % 2 or len(items) > 2 * MAX_PARTS:
        raise MultipartError(f"not an array of at most {MAX_PARTS} content formats, each with a representation")
    parts = []
    for number, content in zip(items[::2], items[1::2], strict=True):
        if type(number) is not int or not 0 <= number <= 0xFFFF or not isinstance(content, bytes | None):
            raise MultipartError("a part is a content format and a byte string")
        if content is not None:
            parts.append((number, content))
    return parts
