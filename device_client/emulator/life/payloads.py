"""Payloads that a manifest names by URI: fetched from CoAP servers the device trusts, and from web servers.

What comes is believed for its digest, which the manifest signs. So whom a web server is certified by matters only for
privacy, and the machine's own anchors are good enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from device_client.emulator.life.sessions import TEMPORARY, Sessions
from device_client.emulator.life.trust import Identity, Peer
from device_client.emulator.log import Logger
from device_client.emulator.lwm2m.firmware.fetching import (
    CoapSource,
    FetchInterrupted,
    HttpSource,
    Source,
    fetch,
    parse_uri,
)
from device_client.emulator.lwm2m.firmware.packages import MemoryScratch, PackageRefused
from device_client.emulator.settings import Pauses
from device_client.emulator.transport.coap import CoapSession
from objects.firmware import UpdateResult

TRIES: Final = 8
"""Interrupted tries in a row, without a byte in between."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Payloads:
    """Fetches for one device. With `lab` web servers may be unprotected, as they may be on this machine."""

    def __init__(self, sessions: Sessions, pauses: Callable[[], Pauses], log: Logger, *, lab: bool) -> None:
        self._sessions = sessions
        self._pauses = pauses
        self._log = log
        self._lab = lab

    async def fetch(self, uri: str, server: Peer, identity: Identity) -> bytes:
        """The bytes at `uri`. A CoAP server there must be one that is judged like `server`.

        Raises PackageRefused: INVALID_URI, UNSUPPORTED_PROTOCOL, NOT_ENOUGH_STORAGE, CONNECTION_LOST.
        """
        scratch, pauses, tries, tag = MemoryScratch(), self._pauses(), 0, b""

        def progress(etag: bytes, there: int, total: int | None) -> None:
            nonlocal tag
            tag = etag

        while True:
            before = scratch.size()
            try:
                await fetch(self._source(uri, server, identity), scratch, tag, progress)
            except FetchInterrupted as problem:
                tries = 1 if scratch.size() > before else tries + 1
                self._log.warning("payload_interrupted", problem=str(problem), bytes=scratch.size(), tries=tries)
                if tries >= TRIES:
                    raise PackageRefused(UpdateResult.CONNECTION_LOST, str(problem)) from problem
                await asyncio.sleep(pauses.next())
            else:
                self._log.info("payload_fetched", uri=uri, bytes=scratch.size())
                return scratch.read()

    def _source(self, uri: str, server: Peer, identity: Identity) -> Source:
        parts = parse_uri(uri)
        if parts.scheme == "coap":
            raise PackageRefused(UpdateResult.UNSUPPORTED_PROTOCOL, "this device speaks CoAP over DTLS only")
        if parts.scheme == "coaps":
            there = Peer(f"coaps://{parts.netloc}", server.role, server.anchors, server.beneath_permanent)
            return CoapSource(parts, lambda: self._open(there, identity))
        if parts.scheme == "http" and not self._lab and parts.hostname not in _LOOPBACK:
            raise PackageRefused(UpdateResult.INVALID_URI, "unprotected, and not on this machine")
        return HttpSource(uri)

    async def _open(self, server: Peer, identity: Identity) -> CoapSession:
        try:
            return await self._sessions.open(server, identity)
        except TEMPORARY as error:
            raise ConnectionError(str(error)) from error
