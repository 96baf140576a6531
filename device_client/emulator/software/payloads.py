"""Payloads that a manifest names by URI: fetched with patience, and on from where an earlier try ended.

What comes is believed for its digest, which the manifest signs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from device_client.emulator.log import Logger
from device_client.emulator.lwm2m.firmware.fetching import FetchInterrupted, OpenSource, fetch
from device_client.emulator.lwm2m.firmware.packages import PackageRefused, Scratch
from device_client.emulator.settings import Pauses
from device_client.emulator.storage.memory import MemoryFiles
from objects.firmware import UpdateResult

TRIES: Final = 8
"""Interrupted tries in a row, without a byte in between."""


class Payloads:
    """Fetches for one device."""

    def __init__(self, open_source: OpenSource, pauses: Callable[[], Pauses], log: Logger) -> None:
        self._open_source = open_source
        self._pauses = pauses
        self._log = log

    async def fetch(self, uri: str) -> bytes:
        """The bytes at `uri`.

        Raises PackageRefused: INVALID_URI, UNSUPPORTED_PROTOCOL, NOT_ENOUGH_STORAGE, CONNECTION_LOST.
        """
        scratch, pauses, tries, tag = Scratch(MemoryFiles(), "payload"), self._pauses(), 0, b""

        def progress(etag: bytes, there: int, total: int | None) -> None:
            nonlocal tag
            tag = etag

        while True:
            before = scratch.size()
            try:
                await fetch(self._open_source(uri), scratch, tag, progress)
            except FetchInterrupted as problem:
                tries = 1 if scratch.size() > before else tries + 1
                self._log.warning("payload_interrupted", problem=str(problem), bytes=scratch.size(), tries=tries)
                if tries >= TRIES:
                    raise PackageRefused(UpdateResult.CONNECTION_LOST, str(problem)) from problem
                await asyncio.sleep(pauses.next())
            else:
                self._log.info("payload_fetched", uri=uri, bytes=scratch.size())
                return scratch.read()
