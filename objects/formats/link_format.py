"""CoRE link format (RFC 6690) as LwM2M uses it: registration payloads and discovery.

</>;rt="oma.lwm2m";ct="60 112",</1/0>,</3/0>,</33002>;ver=1.0
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from objects.errors import FormatError, FormatReason

MAX_TEXT: Final = 65536
"""Characters of one list."""
MAX_LINKS: Final = 4096
MAX_ATTRIBUTES: Final = 32

_TARGET: Final = re.compile(r"\s*<([^<>\"\s]{0,1024})>")
_ATTRIBUTE: Final = re.compile(
    r"\s*;\s*([A-Za-z0-9!#$&+\-.^_`|~*]{1,64})(?:\s*=\s*(?:\"((?:[^\"\\]|\\.){0,1024})\"|([^\s\";,<>]{1,1024})))?"
)
_SEPARATOR: Final = re.compile(r"\s*,")
_END: Final = re.compile(r"\s*")
_PLAIN: Final = re.compile(r"[A-Za-z0-9+\-.:/_%]{1,1024}")
_ALWAYS_QUOTED: Final = frozenset({"rt", "if", "title", "anchor", "rel"})


@dataclass(frozen=True, slots=True)
class Link:
    """A target and its attributes; an attribute without a value maps to None."""

    target: str
    attributes: Mapping[str, str | None] = field(default_factory=dict)


def parse_links(text: str) -> tuple[Link, ...]:
    """The links of a list; the empty text is the empty list. Raises FormatError."""
    if len(text) > MAX_TEXT:
        raise FormatError(FormatReason.TOO_LARGE, f"{len(text)} characters of links, at most {MAX_TEXT}")
    links: list[Link] = []
    at = 0
    while not _END.fullmatch(text, at):
        if len(links) == MAX_LINKS:
            raise FormatError(FormatReason.TOO_MANY, f"more than {MAX_LINKS} links")
        if links:
            at = _expect(_SEPARATOR, text, at).end()
        link, at = _parse_one(text, at)
        links.append(link)
    return tuple(links)


def parse(data: bytes) -> tuple[Link, ...]:
    """The links in a payload. Raises FormatError."""
    try:
        return parse_links(data.decode())
    except UnicodeDecodeError as error:
        raise FormatError(FormatReason.MALFORMED, f"links that are not UTF-8: {error.reason}") from error


def render(links: Iterable[Link]) -> str:
    """The list as text; values that need it are quoted. Raises FormatError for a target or name that cannot be one."""
    return ",".join(f"<{_valid(link.target)}>{_render_attributes(link.attributes)}" for link in links)


def _parse_one(text: str, at: int) -> tuple[Link, int]:
    target = _expect(_TARGET, text, at)
    at = target.end()
    attributes: dict[str, str | None] = {}
    while found := _ATTRIBUTE.match(text, at):
        name, quoted, plain = found.groups()
        if name in attributes:
            raise FormatError(FormatReason.DUPLICATE, f"link attribute {name!r} twice")
        if len(attributes) == MAX_ATTRIBUTES:
            raise FormatError(FormatReason.TOO_MANY, f"a link with more than {MAX_ATTRIBUTES} attributes")
        attributes[name] = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if quoted is not None else plain
        at = found.end()
    return Link(target[1], attributes), at


def _expect(pattern: re.Pattern[str], text: str, at: int) -> re.Match[str]:
    found = pattern.match(text, at)
    if found is None:
        raise FormatError(FormatReason.MALFORMED, f"not a link at character {at}: {text[at : at + 20]!r}")
    return found


def _valid(target: str) -> str:
    if not _TARGET.fullmatch(f"<{target}>"):
        raise FormatError(FormatReason.MALFORMED, f"not a link target: {target[:40]!r}")
    return target


def _render_attributes(attributes: Mapping[str, str | None]) -> str:
    return "".join(f";{name}{_render_value(name, value)}" for name, value in attributes.items())


def _render_value(name: str, value: str | None) -> str:
    if value is None:
        return ""
    if name not in _ALWAYS_QUOTED and _PLAIN.fullmatch(value):
        return f"={value}"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'="{escaped}"'
