"""CA-URIs, and the paths of EST's operations below them (RFC 9148 4.1, RFC 7030 3.2.2, docs/reference/registry.md)."""

from __future__ import annotations

import base64
import enum
import re
import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

EST_ROOT: Final = "est"
"""First path segment of every CA-URI."""
WELL_KNOWN: Final = ".well-known"
"""May stand before it: the root of EST that every client knows."""

_PORTS: Final = {"coaps": 5684, "coap": 5683}
_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)


class EstOperation(enum.StrEnum):
    """The operations offered, by their short path segment over CoAP; `https_name` is the one over HTTPS."""

    CA_CERTIFICATES = "crts"
    SIMPLE_ENROLL = "sen"
    SIMPLE_REENROLL = "sren"
    SERVER_KEY = "skg"
    """A key made by the CA; its certificate in a PKCS#7 bundle."""
    SERVER_KEY_BARE = "skc"
    """The same with the bare certificate; over CoAP only."""
    CSR_ATTRIBUTES = "att"

    @property
    def https_name(self) -> str:
        """The path segment of RFC 7030."""
        return _HTTPS_NAMES[self]


_HTTPS_NAMES: Final = {
    EstOperation.CA_CERTIFICATES: "cacerts",
    EstOperation.SIMPLE_ENROLL: "simpleenroll",
    EstOperation.SIMPLE_REENROLL: "simplereenroll",
    EstOperation.SERVER_KEY: "serverkeygen",
    EstOperation.CSR_ATTRIBUTES: "csrattrs",
}


class CaUriError(ValueError):
    """A text that is no CA-URI."""


@dataclass(frozen=True, slots=True)
class CaUri:
    """Where a device enrolls: `coaps://host[:port][/est[/<label>]]` over DTLS, `coap://…` protected by OSCORE."""

    host: str
    port: int
    path: tuple[str, ...]

    @classmethod
    def parse(cls, uri: str) -> CaUri:
        """Return the parts of a CA-URI; raise `CaUriError` for any other URI. The label is opaque to a device."""
        try:
            parts = urlsplit(uri)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise CaUriError("not a URI") from error
        segments = tuple(parts.path.removesuffix("/").split("/")[1:])
        if parts.scheme not in _PORTS or not host or parts.username is not None or parts.query or parts.fragment:
            raise CaUriError("a CA-URI is coaps:// or coap://host[:port]/path without user, query and fragment")
        if any(segment in {"", ".", ".."} for segment in segments):
            raise CaUriError("the path of a CA-URI has no empty or dot segments")
        return cls(host, port or _PORTS[parts.scheme], segments)

    def below(self, operation: EstOperation) -> tuple[str, ...]:
        """Return the path of an operation."""
        return (*self.path, operation.value)


def new_label() -> str:
    """Return a fresh unguessable label: 128 random bits in 22 characters of base64url."""
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode("ascii")


def is_label(text: str) -> bool:
    """Has `text` the form of a label?"""
    return _LABEL.fullmatch(text) is not None
