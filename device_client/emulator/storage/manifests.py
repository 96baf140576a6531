"""Verified SUIT envelopes, each in a file named by its manifest's digest."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from device_client.emulator.storage.files import Files

FOLDER: Final = "manifests"
MAX_MANIFESTS: Final = 8
"""Manifests kept; the oldest written gives way."""


class Manifests:
    """The kept envelopes of one device, or of one of its components: their names begin with `place`."""

    def __init__(self, files: Files, place: str = "") -> None:
        self._files = files
        self._folder = f"{place}{FOLDER}"

    def keep(self, digest: bytes, envelope: bytes, pinned: Collection[bytes]) -> None:
        """Make an envelope durable; the oldest one not pinned gives way when there are too many."""
        self._files.write(self._name(digest), envelope)
        free = [name for name in self.names() if name != digest and name not in pinned]
        free.sort(key=lambda name: self._files.written_at(self._name(name)))
        surplus = len(self.names()) - MAX_MANIFESTS
        self.erase(free[: max(surplus, 0)])

    def get(self, digest: bytes) -> bytes | None:
        """The envelope whose manifest has this digest, or None."""
        name = self._name(digest)
        return self._files.read(name) if self._files.exists(name) else None

    def names(self) -> list[bytes]:
        """Digests of the kept manifests."""
        return [bytes.fromhex(name.partition(".")[0]) for name in self._files.names(self._folder)]

    def erase(self, digests: Collection[bytes]) -> None:
        for digest in digests:
            self._files.erase(self._name(digest))

    def erase_leftovers(self) -> None:
        """Remove what writes that were cut short left behind."""
        self._files.erase_leftovers(self._folder)

    def _name(self, digest: bytes) -> str:
        return f"{self._folder}/{digest.hex()}.suit"
