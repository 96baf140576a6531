"""URIs that providers name to each other and to devices, in the narrow form everybody reads the same way.

`scheme://host[:port][/path]` (RFC 3986) and nothing else: no user information, query or fragment, no dot or empty path
segments, no percent-encoding, ASCII only. A host is a DNS name, an IPv4 address in four decimal parts or an IPv6
address in brackets; the other spellings of addresses that resolvers accept (`127.1`, `0x7f000001`) are refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Result
from trust_transfer.messages.values import MAX_URI

DEFAULT_PORTS: Final = {"coap": 5683, "coaps": 5684, "http": 80, "https": 443}

_URI: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:-]+)*/?)",
    re.ASCII,
)
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NUMERIC_LABEL: Final = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_MAX_NAME: Final = 253
_MAX_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port; two URIs with equal origins address the same server. IPv6 hosts are without brackets."""

    scheme: str
    host: str
    port: int


def check_uri(uri: str, *, schemes: Collection[str], lab: bool) -> Origin:
    """Check `uri` and return its origin.

    `lab` allows loopback and link-local hosts; multicast and unspecified addresses are never allowed. Raises
    `MessageError` (URI) with what is wrong.
    """
    origin, _ = _parse(uri)
    if origin.scheme not in schemes:
        raise _refused(f"scheme {origin.scheme} is not one of {', '.join(sorted(schemes))}")
    _check_host(origin.host, lab=lab)
    return origin


def within(uri: str, prefix: str) -> bool:
    """Whether `uri` has the origin of `prefix` and its path begins with that of `prefix`, whole segments.

    Raises `MessageError` (URI) when either is not in the narrow form.
    """
    origin, path = _parse(uri)
    prefix_origin, prefix_path = _parse(prefix)
    return origin == prefix_origin and path[: len(prefix_path)] == prefix_path


def _parse(uri: str) -> tuple[Origin, tuple[str, ...]]:
    parts = _URI.fullmatch(uri)
    if parts is None or len(uri) > MAX_URI:
        raise _refused(f"not scheme://host[:port][/path] within {MAX_URI} plain characters")
    segments = tuple(parts["path"].strip("/").split("/")) if parts["path"].strip("/") else ()
    if {".", ".."} & set(segments):
        raise _refused("dot segments")
    return Origin(parts["scheme"], _host(parts["host"]), _port(parts["scheme"], parts["port"])), segments


def _port(scheme: str, given: str | None) -> int:
    port = DEFAULT_PORTS.get(scheme) if given is None else int(given)
    if port is None or port > _MAX_PORT:
        raise _refused("no valid port")
    return port


def _host(host: str) -> str:
    """The host in lower case; an address in its shortest form, without brackets."""
    try:
        if host.startswith("["):
            return str(IPv6Address(host[1:-1]))
        if _NUMERIC_LABEL.fullmatch(host.lower().rsplit(".", 1)[-1]):
            return str(IPv4Address(host))
    except ValueError as error:
        raise _refused("not a valid address") from error
    name = host.lower()
    if len(name) > _MAX_NAME or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise _refused("not a valid host name")
    return name


def _check_host(host: str, *, lab: bool) -> None:
    if host == "localhost" or host.endswith(".localhost"):
        local = True
    else:
        address = _address(host)
        if address is None:
            return
        if address.is_multicast or address.is_unspecified:
            raise _refused("multicast and unspecified addresses name no server")
        local = address.is_loopback or address.is_link_local
    if local and not lab:
        raise _refused("loopback and link-local hosts are for devices with the lab flag")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _refused(detail: str) -> MessageError:
    return MessageError(Result.URI, detail)
