"""The LwM2M registration interface, sans-IO: requests as values (LwM2M Core 1.2, 6.2).

POST /rd?ep=…&lt=…&lwm2m=…&b=…   Register        POST /rd/{handle}   Update        DELETE /rd/{handle}   Deregister
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from objects.errors import ObjectsError
from objects.formats.link_format import Link, parse_links
from objects.path import MAX_ID
from secure_coap.errors import BadRequest, MethodNotAllowed, NotFound, RequestEntityTooLarge, UnsupportedContentFormat
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat

MAX_BODY: Final = 8 * 1024
"""Bytes of a registration's link list (security.md, budgets)."""
MAX_LINKS: Final = 256
HANDLE_SIZE: Final = 16
"""Bytes of a registration handle; random, so that nobody guesses another's."""
DEFAULT_LIFETIME: Final = 86400
"""Seconds, when a device names none (LwM2M Core 1.2, 6.2.1)."""
MAX_LIFETIME: Final = 10 * 365 * 86400
MAX_QUERY: Final = 16
REGISTRATIONS_PER_MINUTE: Final = 10
_NUMBER: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_VERSIONS: Final = frozenset({"1.0", "1.1", "1.2"})
_BINDINGS: Final = frozenset("UMHTSNQ")


@dataclass(frozen=True, slots=True)
class Register:
    """A device introduces itself. `endpoint` is None where it relies on its certificate alone."""

    endpoint: str | None
    lifetime: int
    version: str
    binding: str
    links: str


@dataclass(frozen=True, slots=True)
class Update:
    """A device is still there; None: unchanged."""

    handle: bytes
    lifetime: int | None
    binding: str | None
    links: str | None


@dataclass(frozen=True, slots=True)
class Deregister:
    """A device leaves."""

    handle: bytes


def parse(request: Request) -> Register | Update | Deregister:
    """Tell what a request to the registration interface asks for; raises a `CoapError` that says what is wrong."""
    if not request.path or request.path[0] != "rd" or len(request.path) > 2:
        raise NotFound("the registration interface is /rd")
    if len(request.path) == 1:
        if request.method is not Code.POST:
            raise MethodNotAllowed("register with POST /rd")
        return _register(request)
    handle = _handle(request.path[1])
    if request.method is Code.DELETE:
        return Deregister(handle)
    if request.method is not Code.POST:
        raise MethodNotAllowed("update with POST, deregister with DELETE")
    return _update(handle, request)


def _register(request: Request) -> Register:
    query = _parameters(request.query)
    version = query.get("lwm2m", "1.0")
    if version not in _VERSIONS:
        raise BadRequest("lwm2m must be 1.0, 1.1 or 1.2")
    links = _links(request)
    if links is None:
        raise BadRequest("a registration lists the device's objects")
    lifetime = _lifetime(query.get("lt"))
    return Register(
        query.get("ep"),
        DEFAULT_LIFETIME if lifetime is None else lifetime,
        version,
        _binding(query.get("b")) or "U",
        links,
    )


def _update(handle: bytes, request: Request) -> Update:
    query = _parameters(request.query)
    return Update(handle, _lifetime(query.get("lt")), _binding(query.get("b")), _links(request))


def _parameters(query: Sequence[str]) -> dict[str, str]:
    """Query parameters by name; unknown ones are left alone, a repeated one is refused as ambiguous."""
    if len(query) > MAX_QUERY:
        raise BadRequest("too many query parameters")
    found: dict[str, str] = {}
    for item in query:
        name, _, value = item.partition("=")
        if name in found:
            raise BadRequest("a query parameter is given twice")
        found[name] = value
    return found


def _lifetime(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 1 <= int(text) <= MAX_LIFETIME):
        raise BadRequest(f"lt must be 1..{MAX_LIFETIME} seconds")
    return int(text)


def _binding(text: str | None) -> str | None:
    if text is None:
        return None
    if not 1 <= len(text) <= 8 or not set(text) <= _BINDINGS:
        raise BadRequest("b must be made of U, M, H, T, S, N, Q")
    return text


def _links(request: Request) -> str | None:
    if not request.payload:
        return None
    if request.content_format not in {None, ContentFormat.LINK_FORMAT}:
        raise UnsupportedContentFormat("the objects are listed in application/link-format (40)")
    if len(request.payload) > MAX_BODY:
        raise RequestEntityTooLarge(f"at most {MAX_BODY} bytes of links")
    try:
        text = request.payload.decode()
        links = parse_links(text)
    except (UnicodeDecodeError, ObjectsError) as error:
        raise BadRequest("the list of objects is no link format") from error
    if len(links) > MAX_LINKS:
        raise RequestEntityTooLarge(f"at most {MAX_LINKS} links")
    return text


def _handle(text: str) -> bytes:
    """A path segment that cannot be a handle is answered as an unknown one."""
    if len(text) != 2 * HANDLE_SIZE or not set(text) <= set("0123456789abcdef"):
        raise NotFound("no such registration")
    return bytes.fromhex(text)


def instances_of(links: str, object_id: int) -> tuple[int, ...]:
    """The instances of an object that a stored link list names; an object without instances counts as none."""
    return tuple(sorted(number for link in parse_links(links) if (number := _instance(link, object_id)) is not None))


def has_object(links: str, object_id: int) -> bool:
    """Whether a stored link list names the object, with or without instances."""
    return any(_segments(link)[:1] == [str(object_id)] for link in parse_links(links))


def _segments(link: Link) -> list[str]:
    return [segment for segment in link.target.split("/") if segment]


def _instance(link: Link, object_id: int) -> int | None:
    segments = _segments(link)
    if len(segments) != 2 or segments[0] != str(object_id) or not _NUMBER.fullmatch(segments[1]):
        return None
    number = int(segments[1])
    return number if number <= MAX_ID else None


class RegistrationRate:
    """At most `REGISTRATIONS_PER_MINUTE` per identity; keeps only identities that registered in the last minute."""

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = {}

    def admit(self, identity: str, now: float) -> bool:
        """Count a registration at `now` (seconds, any monotonic origin); False when it is one too many."""
        recent = [at for at in self._times.get(identity, ()) if now - at < 60]
        if len(recent) >= REGISTRATIONS_PER_MINUTE:
            self._times[identity] = recent
            return False
        self._times[identity] = [*recent, now]
        return True

    def forget(self, now: float) -> None:
        """Drop identities that have not registered for a minute."""
        self._times = {identity: times for identity, times in self._times.items() if now - times[-1] < 60}
