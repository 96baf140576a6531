"""What devices fetch: an image at a URI with a token that nobody guesses, for one device, as long as its update runs.

The store has only the token's digest. Over an authenticated session the image is for the device the token was given
to and for nobody else; whatever is wrong is answered 4.04, so that nothing is learned from asking.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from lwm2m_server.clock import Clock
from lwm2m_server.protocol.firmware import MAX_URI, Update
from lwm2m_server.server.firmware.packages import Package, Packages
from lwm2m_server.store.images import Image
from objects.firmware import PullProtocol
from secure_coap.association import Association, Transport
from secure_coap.errors import MethodNotAllowed, NotFound
from secure_coap.exchange import Download, Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from secure_coap.numbers.options import Option

PATH: Final = "fw"
"""First segment of the path images are fetched from."""
TOKEN_BYTES: Final = 16
_PROTOCOL: Final = {
    Transport.UDP: PullProtocol.COAP,
    Transport.OSCORE: PullProtocol.COAP,
    Transport.DTLS: PullProtocol.COAPS,
    Transport.TCP: PullProtocol.COAP_TCP,
    Transport.TLS: PullProtocol.COAPS_TCP,
}


@dataclass(frozen=True, slots=True)
class Served:
    """A package as one device may fetch it."""

    endpoint: str
    package: Package
    protocol: PullProtocol
    expires_at: float
    opened_at: float
    download: Download = field(default_factory=Download)

    @property
    def etag(self) -> bytes:
        """Names the bytes, whoever serves them: after a restart a device goes on where it was."""
        return self.package.sha256[:8]


class Pulls:
    """Packages being fetched. `bases`: for each protocol served, the URI all paths begin with (`coaps://host:port`).

    `belongs`: whether an authenticated association is that of a device, by endpoint name.
    """

    def __init__(
        self,
        packages: Packages,
        clock: Clock,
        bases: Mapping[PullProtocol, str],
        belongs: Callable[[Association, str], bool],
    ) -> None:
        self._packages = packages
        self._clock = clock
        self._belongs = belongs
        self.bases = dict(bases)
        self.oscore_base = ""
        """What paths begin with for devices that are here by OSCORE: `coap://` where nothing is said without it."""
        self._served: dict[bytes, Served] = {}

    def bases_for(self, *, oscore: bool) -> Mapping[PullProtocol, str]:
        """What is open to a device, by OSCORE or not."""
        if not oscore:
            return self.bases
        return {PullProtocol.COAP: self.oscore_base} if self.oscore_base else {}

    def open(self, update: Update, image: Image, protocol: PullProtocol, *, oscore: bool = False) -> tuple[str, bytes]:
        """Let a device fetch its package; returns the URI, and the digest of its token. Raises OSError, ValueError."""
        token, base = secrets.token_urlsafe(TOKEN_BYTES), self.bases_for(oscore=oscore)[protocol]
        uri = f"{base.rstrip('/')}/{PATH}/{token}"
        if len(uri) > MAX_URI:
            raise ValueError(f"a Package URI has at most {MAX_URI} characters: shorten {base}")
        digest = _digest(token)
        self.restore(digest, update, image, protocol)
        return uri, digest

    def restore(self, token: bytes, update: Update, image: Image, protocol: PullProtocol) -> None:
        """Serve what was served before a restart. Raises OSError."""
        if token not in self._served:
            package = self._packages.hold(image, update.left_out)
            endpoint, expires_at = update.order.endpoint, update.expires_at
            self._served[token] = Served(endpoint, package, protocol, expires_at, self._clock.now())

    def close(self, token: bytes | None) -> None:
        """The device has it, or shall not have it any more."""
        if token is not None and (served := self._served.pop(token, None)) is not None:
            self._packages.release(served.package)

    def progress(self, token: bytes | None) -> int | None:
        """Bytes the device has fetched; None when it cannot fetch it here."""
        served = None if token is None else self._served.get(token)
        return None if served is None else served.download.sent

    def opened_at(self, token: bytes | None) -> float:
        """When the device was told, or this process began to serve it."""
        served = None if token is None else self._served.get(token)
        return self._clock.now() if served is None else served.opened_at

    def find(self, token: str, protocol: PullProtocol) -> Served | None:
        """What that token opens over that protocol."""
        served = self._served.get(_digest(token))
        if served is None or served.expires_at <= self._clock.now():
            return None
        if served.protocol.authenticated and not protocol.authenticated:
            return None
        return served

    def handle(self, request: Request, association: Association) -> Response:
        """Answer a device's GET, block by block out of the one buffer; raises `CoapError`."""
        if request.method is not Code.GET:
            raise MethodNotAllowed("firmware is read with GET")
        token = request.path[1] if len(request.path) == 2 else ""
        served = self.find(token, _PROTOCOL[association.transport])
        known = association.peer is None or served is None or self._belongs(association, served.endpoint)
        if served is None or not known:
            raise NotFound("no such firmware")
        return Response(
            Code.CONTENT,
            served.package.body,
            content_format=ContentFormat.OCTET_STREAM,
            options=((int(Option.ETAG), served.etag),),
            download=served.download,
        )


def _digest(token: str) -> bytes:
    """Looked up by digest: how long that takes says nothing about the token."""
    return hashlib.sha256(token.encode()).digest()
