"""Where packages and payloads are fetched from: CoAP servers the device trusts, and web servers.

What comes is believed for what is signed in it. So whom a web server is certified by matters only for privacy, and the
machine's own anchors are good enough.
"""

from __future__ import annotations

from typing import Final

from device_client.emulator.life.credentials import Credentials
from device_client.emulator.life.host import TransferHost
from device_client.emulator.life.provider import is_moving, judged_like_its_server
from device_client.emulator.life.sessions import TEMPORARY, Sessions
from device_client.emulator.lwm2m.firmware.fetching import CoapSource, HttpSource, Source, parse_uri
from device_client.emulator.lwm2m.firmware.packages import PackageRefused
from device_client.emulator.transport.coap import CoapSession
from objects.firmware import UpdateResult

SCHEMES: Final = frozenset({"coap", "coaps"})
"""Over OSCORE with keys from EDHOC, and over DTLS: never without either."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Sources:
    """Opens the sources of one device. With `lab` web servers may be unprotected, as they may be on this machine."""

    def __init__(self, host: TransferHost, credentials: Credentials, sessions: Sessions, *, lab: bool) -> None:
        self._host = host
        self._credentials = credentials
        self._sessions = sessions
        self._lab = lab

    def source(self, uri: str) -> Source:
        """Raises PackageRefused: INVALID_URI for a place this device may not go to, UNSUPPORTED_PROTOCOL."""
        parts = parse_uri(uri)
        if parts.scheme in SCHEMES:
            if parts.scheme not in self._sessions.schemes():
                raise PackageRefused(
                    UpdateResult.UNSUPPORTED_PROTOCOL, f"{parts.scheme} is not of the device's profile"
                )
            return CoapSource(parts, lambda: self._open(f"{parts.scheme}://{parts.netloc}"))
        if parts.scheme == "http" and not self._lab and parts.hostname not in _LOOPBACK:
            raise PackageRefused(UpdateResult.INVALID_URI, "unprotected, and not on this machine")
        return HttpSource(uri)

    async def _open(self, uri: str) -> CoapSession:
        """A server is judged like the provider's own."""
        record = self._host.record
        operational = None if is_moving(record) else self._credentials.operational()
        try:
            server = judged_like_its_server(record, uri)
            return await self._sessions.open(server, operational or self._credentials.factory())
        except TEMPORARY as error:
            raise ConnectionError(str(error)) from error
