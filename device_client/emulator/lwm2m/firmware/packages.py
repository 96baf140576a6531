"""What a package is to a component, and where it lies while it grows."""

from __future__ import annotations

from hashlib import sha256
from typing import Final, Protocol

from device_client.emulator.storage.files import Files
from objects.firmware import UpdateResult

MAX_PACKAGE: Final = 16 << 20
"""Bytes of a package that is fetched; one that is written is bounded by the body of a request."""


class PackageRefused(Exception):
    """The package is none for this component. `result` is for resource 5."""

    def __init__(self, result: UpdateResult, detail: str) -> None:
        super().__init__(detail)
        self.result = result


class Packages(Protocol):
    """Knows what to do with the packages of a component."""

    def accept(self, package: bytes) -> None:
        """A package has arrived as a whole. Raises PackageRefused, StorageError."""

    async def install(self, package: bytes) -> str:
        """Install one that was accepted; gives its version. May be repeated. Raises PackageRefused, StorageError."""


class PlainPackages:
    """Any bytes are an image; its version is the beginning of its SHA-256."""

    def accept(self, package: bytes) -> None:
        """See `Packages`."""

    async def install(self, package: bytes) -> str:
        """See `Packages`."""
        return sha256(package).hexdigest()[:12]


class Scratch:
    """Where a package lies while it is fetched and until it is installed.

    In files it survives a power cut but for the last blocks, which are fetched again.
    """

    def __init__(self, files: Files, name: str) -> None:
        self._files = files
        self._name = name

    def size(self) -> int:
        return self._files.size(self._name)

    def append(self, data: bytes) -> None:
        """Raises StorageError."""
        self._files.append(self._name, data)

    def read(self) -> bytes:
        return self._files.read(self._name) if self._files.exists(self._name) else b""

    def clear(self) -> None:
        self._files.erase(self._name)
