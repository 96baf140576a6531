"""What a registration's link list says (LwM2M Core 1.2, 6.2.1): root path, formats, objects, versions, instances.

</lwm2m>;rt="oma.lwm2m";ct="60 112",</lwm2m/1/0>,</lwm2m/3/0>,</lwm2m/33002>;ver=1.0
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from objects.formats.link_format import Link, parse_links
from objects.path import MAX_ID
from secure_coap.errors import BadRequest, RequestEntityTooLarge

MAX_BODY: Final = 8 * 1024
"""Bytes of a registration's link list (security.md, budgets)."""
MAX_LINKS: Final = 256
_KEPT: Final = 1024
_ROOT_TYPE: Final = "oma.lwm2m"
_NUMBER: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_FORMATS: Final = re.compile(r"[0-9]{1,5}(?: [0-9]{1,5})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class ObjectLinks:
    """A device's objects as it lists them. Links that lead elsewhere are left alone."""

    root: tuple[str, ...]
    """Path segments before every object id; empty unless the device names an alternate path."""
    content_formats: tuple[int, ...]
    """Formats the device says it speaks; empty when it does not say."""
    versions: Mapping[int, str | None]
    """Every object listed, with its version where one is named."""
    instances: Mapping[int, tuple[int, ...]]
    """The instances of every object that has any, ascending."""

    def instances_of(self, object_id: int) -> tuple[int, ...]:
        """The instances of an object; an object without instances counts as none."""
        return self.instances.get(object_id, ())

    def __contains__(self, object_id: int) -> bool:
        """Whether the list names the object, with or without instances."""
        return object_id in self.versions


@lru_cache(_KEPT)
def links_of(text: str) -> ObjectLinks:
    """Read a link list; raises `FormatError`, or a `CoapError` for one beyond the bounds."""
    links = parse_links(text)
    if len(links) > MAX_LINKS:
        raise RequestEntityTooLarge(f"at most {MAX_LINKS} links")
    root = next((link for link in links if _ROOT_TYPE in (link.attributes.get("rt") or "").split()), None)
    prefix = () if root is None else _segments(root)
    versions: dict[int, str | None] = {}
    instances: dict[int, set[int]] = {}
    for link in links:
        ids = _ids(_segments(link), prefix)
        if not ids:
            continue
        version = link.attributes.get("ver")
        versions[ids[0]] = version or versions.get(ids[0])
        if len(ids) == 2:
            instances.setdefault(ids[0], set()).add(ids[1])
    return ObjectLinks(
        prefix,
        _formats(None if root is None else root.attributes.get("ct")),
        MappingProxyType(versions),
        MappingProxyType({number: tuple(sorted(found)) for number, found in instances.items()}),
    )


def _segments(link: Link) -> tuple[str, ...]:
    return tuple(segment for segment in link.target.split("/") if segment)


def _ids(segments: tuple[str, ...], prefix: tuple[str, ...]) -> tuple[int, ...]:
    """Object and instance of a link; empty when it is none of an object."""
    below = segments[len(prefix) :]
    if segments[: len(prefix)] != prefix or not 1 <= len(below) <= 2 or not all(map(_NUMBER.fullmatch, below)):
        return ()
    ids = tuple(int(segment) for segment in below)
    return ids if max(ids) <= MAX_ID else ()


def _formats(text: str | None) -> tuple[int, ...]:
    if not text:
        return ()
    if not _FORMATS.fullmatch(text):
        raise BadRequest("ct lists content formats by number, separated by blanks")
    return tuple(int(number) for number in text.split())
