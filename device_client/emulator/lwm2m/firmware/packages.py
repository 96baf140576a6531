"""What a package is to a component: any bytes, or a SUIT envelope; and where it lies while it grows."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final, Protocol, TypeAlias

from cose.keys import public_key_of
from device_client.emulator.storage.files import DeviceFiles
from objects.firmware import UpdateResult
from suit.envelope import parse_envelope
from suit.errors import SuitError, SuitReason

MAX_PACKAGE: Final = 16 << 20
"""Bytes of a package that is fetched; one that is written is bounded by the body of a request."""


class PackageRefused(Exception):
    """The package is none for this component. `result` is for resource 5."""

    def __init__(self, result: UpdateResult, detail: str) -> None:
        super().__init__(detail)
        self.result = result


Kind: TypeAlias = Callable[[bytes], str]
"""Looks at a package and gives the version it would install. Raises PackageRefused."""


def plain(package: bytes) -> str:
    """Any bytes are an image; its version is the beginning of its SHA-256."""
    return sha256(package).hexdigest()[:12]


def suit(authority: bytes) -> Kind:
    """SUIT envelopes signed by this authority key; the version is the manifest's sequence number."""

    def look(package: bytes) -> str:
        try:
            return str(parse_envelope(package).verify(public_key_of(authority)).sequence_number)
        except SuitError as error:
            signed = error.reason in {SuitReason.SIGNATURE, SuitReason.DIGEST}
            result = UpdateResult.INTEGRITY_CHECK_FAILED if signed else UpdateResult.UNSUPPORTED_PACKAGE
            raise PackageRefused(result, str(error)) from error

    return look


class Scratch(Protocol):
    """Where a package lies while it is fetched and until it is installed."""

    def size(self) -> int: ...

    def append(self, data: bytes) -> None:
        """Raises StorageError."""

    def read(self) -> bytes: ...

    def clear(self) -> None: ...


class MemoryScratch:
    """Gone at a restart of the process."""

    def __init__(self) -> None:
        self._data = bytearray()

    def size(self) -> int:
        return len(self._data)

    def append(self, data: bytes) -> None:
        self._data += data

    def read(self) -> bytes:
        return bytes(self._data)

    def clear(self) -> None:
        self._data.clear()


class FileScratch:
    """Survives a power cut but for the last blocks, which are fetched again."""

    def __init__(self, files: DeviceFiles, name: str) -> None:
        self._files = files
        self._name = name

    def size(self) -> int:
        return self._files.path(self._name).stat().st_size if self._files.exists(self._name) else 0

    def append(self, data: bytes) -> None:
        self._files.append(self._name, data)

    def read(self) -> bytes:
        return self._files.read(self._name) if self._files.exists(self._name) else b""

    def clear(self) -> None:
        self._files.erase(self._name)
