"""The LwM2M registration interface, sans-IO: requests as values (LwM2M Core 1.2, 6.2; 1.0 and 1.1 differ little).

POST /rd?ep=…&lt=…&lwm2m=…&b=…&Q   Register        POST /rd/{handle}   Update        DELETE /rd/{handle}   Deregister

Devices of one kind send the same parameters and the same links: both are read once and then known. What is made for
each request is a tuple, which costs a third of a frozen dataclass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from lwm2m_server.protocol.object_links import MAX_BODY, links_of
from objects.errors import ObjectsError
from secure_coap.errors import (
    BadRequest,
    MethodNotAllowed,
    NotFound,
    PreconditionFailed,
    RequestEntityTooLarge,
    UnsupportedContentFormat,
)
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat

PATH: Final = "rd"
"""The registration interface's first path segment."""
DEFAULT_LIFETIME: Final = 86400
"""Seconds, when a device names none (LwM2M Core 1.2, 6.2.1)."""
MAX_LIFETIME: Final = 0xFFFF_FFFF
MAX_QUERY: Final = 16
MAX_ENDPOINT: Final = 255
"""Characters of an endpoint name."""
VERSIONS: Final = frozenset({"1.0", "1.1", "1.2"})
_BINDING: Final = re.compile(r"[UMHTSNQ]{1,8}")
_KINDS_KEPT: Final = 1024
"""Different parameter and link lists remembered."""
# Bound once: looking a member up in its enum is a call, several times for each request.
_POST: Final = Code.POST
_LINK_FORMATS: Final = frozenset((None, ContentFormat.LINK_FORMAT))


class Register(NamedTuple):
    """A device introduces itself. `endpoint` is None where it relies on the name its identity gives."""

    endpoint: str | None
    lifetime: int
    version: str
    binding: str
    queue_mode: bool
    links: str


class Update(NamedTuple):
    """A device is still there; None: unchanged.

    `queue_mode` is False where a binding without `Q` was given; that says something in LwM2M 1.0 only, where the
    letter is part of the binding.
    """

    handle: str
    lifetime: int | None = None
    binding: str | None = None
    queue_mode: bool | None = None
    links: str | None = None

    @property
    def changes_nothing(self) -> bool:
        """Whether it says no more than that the device is there."""
        return self == (self.handle, None, None, None, None)


class Deregister(NamedTuple):
    """A device leaves."""

    handle: str


@dataclass(frozen=True, slots=True)
class _Parameters:
    """A query without `ep`. What is not known (`sms`, `pid`, …) is left alone."""

    lifetime: int | None
    version: str
    binding: str | None
    queue_mode: bool | None


def parse(request: Request) -> Register | Update | Deregister:
    """Tell what a request to the registration interface asks for; raises a `CoapError` that says what is wrong."""
    path = request.path
    if len(path) == 2 and path[0] == PATH:
        if request.method is _POST:
            return _update(path[1], request)
        if request.method is Code.DELETE:
            return Deregister(path[1])
        raise MethodNotAllowed("update with POST, deregister with DELETE")
    if len(path) != 1 or path[0] != PATH:
        raise NotFound("the registration interface is /rd")
    if request.method is not _POST:
        raise MethodNotAllowed("register with POST /rd")
    return _register(request)


def _register(request: Request) -> Register:
    endpoint = None
    others = []
    for item in request.query:
        if not item.startswith("ep="):
            others.append(item)
        elif endpoint is not None:
            raise BadRequest("ep is given twice")
        else:
            endpoint = _endpoint(item[3:])
    query = _parameters(tuple(others))
    links = _links(request)
    if links is None:
        raise BadRequest("a registration lists the device's objects")
    lifetime = DEFAULT_LIFETIME if query.lifetime is None else query.lifetime
    return Register(endpoint, lifetime, query.version, query.binding or "U", bool(query.queue_mode), links)


def _update(handle: str, request: Request) -> Update:
    if not request.query and not request.payload:
        return Update(handle)
    query = _parameters(request.query)
    return Update(handle, query.lifetime, query.binding, query.queue_mode, _links(request))


def _endpoint(name: str) -> str:
    if not 1 <= len(name) <= MAX_ENDPOINT or not name.isprintable():
        raise BadRequest(f"ep must be 1 to {MAX_ENDPOINT} printable characters")
    return name


@lru_cache(_KINDS_KEPT)
def _parameters(query: tuple[str, ...]) -> _Parameters:
    """Parameters by name; unknown ones are left alone, a repeated one is refused as ambiguous."""
    if len(query) > MAX_QUERY:
        raise BadRequest("too many query parameters")
    found: dict[str, str] = {}
    for item in query:
        name, _, value = item.partition("=")
        if name in found:
            raise BadRequest("a query parameter is given twice")
        found[name] = value
    version = found.get("lwm2m", "1.0")
    if version not in VERSIONS:
        raise PreconditionFailed("this server speaks LwM2M 1.0, 1.1 and 1.2")
    binding, queue_mode = _binding(found.get("b"))
    return _Parameters(_lifetime(found.get("lt")), version, binding, True if "Q" in found else queue_mode)


def _lifetime(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 1 <= int(text) <= MAX_LIFETIME):
        raise BadRequest(f"lt must be 1..{MAX_LIFETIME} seconds")
    return int(text)


def _binding(text: str | None) -> tuple[str | None, bool | None]:
    """The transports, and whether the letter of queue mode stands among them (LwM2M 1.0: `UQ`, `SQ`, `UQS`)."""
    if text is None:
        return None, None
    if not _BINDING.fullmatch(text):
        raise BadRequest("b must be made of U, M, H, T, S, N, Q")
    return text.replace("Q", "") or "U", "Q" in text


def _links(request: Request) -> str | None:
    if not request.payload:
        return None
    if request.content_format not in _LINK_FORMATS:
        raise UnsupportedContentFormat("the objects are listed in application/link-format (40)")
    if len(request.payload) > MAX_BODY:
        raise RequestEntityTooLarge(f"at most {MAX_BODY} bytes of links")
    return _known_links(request.payload)


@lru_cache(_KINDS_KEPT)
def _known_links(payload: bytes) -> str:
    """The list as text, once it is known to be one; equal lists share one string."""
    try:
        text = payload.decode()
        links_of(text)
    except (UnicodeDecodeError, ObjectsError) as error:
        raise BadRequest("the list of objects is no link format") from error
    return text
