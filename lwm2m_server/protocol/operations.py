"""The LwM2M device management interface, sans-IO: operations as CoAP requests (LwM2M Core 1.2, 6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from objects.path import Path
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat

_ARGUMENT_CHARACTERS: Final = frozenset(chr(code) for code in range(0x21, 0x7F)) - frozenset("'")


def read(path: Path, accept: ContentFormat) -> Request:
    """Read what is at `path` in the given format."""
    return Request(Code.GET, path.segments, accept=accept)


def discover(path: Path) -> Request:
    """List what is at `path`: objects, instances, resources and their attributes, as links."""
    return Request(Code.GET, path.segments, accept=ContentFormat.LINK_FORMAT)


def write(path: Path, payload: bytes, content_format: ContentFormat) -> Request:
    """Replace what is at `path`."""
    return Request(Code.PUT, path.segments, payload=payload, content_format=content_format)


def write_partial(path: Path, payload: bytes, content_format: ContentFormat) -> Request:
    """Add to or change the instance at `path`; what `payload` does not name stays."""
    return Request(Code.POST, path.segments, payload=payload, content_format=content_format)


def execute(path: Path, arguments: Mapping[int, str] | None = None) -> Request:
    """Run the resource at `path`."""
    if not arguments:
        return Request(Code.POST, path.segments)
    payload = execute_arguments(arguments).encode()
    return Request(Code.POST, path.segments, payload=payload, content_format=ContentFormat.TEXT)


def execute_arguments(arguments: Mapping[int, str]) -> str:
    """The text form of Execute arguments; raises ValueError for what it cannot carry (LwM2M Core 1.2, 6.3.5).

    >>> execute_arguments({0: "65537"})
    "0='65537'"
    """
    parts = []
    for digit, value in sorted(arguments.items()):
        if not 0 <= digit <= 9 or not set(value) <= _ARGUMENT_CHARACTERS:
            raise ValueError("an argument has a digit 0..9 and printable characters without blank and apostrophe")
        parts.append(f"{digit}='{value}'")
    return ",".join(parts)
