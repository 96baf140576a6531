"""Plain text: one value (LwM2M Core 1.2, 7.4.1 and Appendix C)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from typing import Final

from objects.errors import FormatError, FormatReason
from objects.values import INTEGER_MAX, INTEGER_MIN, UNSIGNED_MAX, ObjectLink, ResourceType, Value

_INTEGER: Final = re.compile(r"-?\d{1,20}", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?\d{1,40}(\.\d{1,40})?([eE][-+]?\d{1,4})?", re.ASCII)
_LINK: Final = re.compile(r"(\d{1,5}):(\d{1,5})", re.ASCII)


def encode(value: Value, kind: ResourceType) -> bytes:
    """The value as text; opaque ones in base64."""
    if isinstance(value, bytes):
        return b64encode(value)
    if isinstance(value, bool):
        return b"1" if value else b"0"
    if kind is ResourceType.FLOAT:
        return repr(float(value)).encode() if isinstance(value, int | float) else str(value).encode()
    return str(value).encode()


def decode(data: bytes, kind: ResourceType) -> Value:
    """The value of that type. Raises FormatError."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise FormatError(FormatReason.MALFORMED, f"not UTF-8: {error.reason}") from error
    match kind:
        case ResourceType.STRING | ResourceType.CORELNK:
            return text
        case ResourceType.BOOLEAN:
            return _boolean(text)
        case ResourceType.FLOAT:
            return _float(text)
        case ResourceType.OPAQUE:
            return _opaque(text)
        case ResourceType.OBJLNK:
            return link(text)
        case ResourceType.INTEGER | ResourceType.TIME | ResourceType.UNSIGNED:
            return _integer(text, kind)
        case ResourceType.NONE:
            raise FormatError(FormatReason.WRONG_TYPE, "an executable resource has no value")


def link(text: str) -> ObjectLink:
    """An object link written as `66:0`. Raises FormatError."""
    found = _LINK.fullmatch(text)
    if not found or int(found[1]) > 65535 or int(found[2]) > 65535:
        raise FormatError(FormatReason.WRONG_TYPE, f"not an object link: {text[:20]!r}")
    return ObjectLink(int(found[1]), int(found[2]))


def _integer(text: str, kind: ResourceType) -> int:
    low, high = (0, UNSIGNED_MAX) if kind is ResourceType.UNSIGNED else (INTEGER_MIN, INTEGER_MAX)
    if not _INTEGER.fullmatch(text) or not low <= int(text) <= high:
        raise FormatError(FormatReason.WRONG_TYPE, f"not an integer {low}..{high}: {text[:24]!r}")
    return int(text)


def _float(text: str) -> float:
    if not _FLOAT.fullmatch(text):
        raise FormatError(FormatReason.WRONG_TYPE, f"not a number: {text[:24]!r}")
    return float(text)


def _boolean(text: str) -> bool:
    if text not in ("0", "1"):
        raise FormatError(FormatReason.WRONG_TYPE, f"a Boolean is 0 or 1: {text[:20]!r}")
    return text == "1"


def _opaque(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(FormatReason.WRONG_TYPE, f"not base64: {error}") from error
