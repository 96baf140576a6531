"""Files in memory, for devices that need not survive their process."""

from __future__ import annotations

from collections.abc import Iterator

from device_client.emulator.storage.files import StorageError


class MemoryFiles:
    """See `Files`. Gone when the process ends."""

    def __init__(self) -> None:
        self._files: dict[str, bytearray] = {}

    def write(self, name: str, data: bytes) -> None:
        self._files.pop(name, None)
        self._files[name] = bytearray(data)

    def append(self, name: str, data: bytes) -> None:
        self._files.setdefault(name, bytearray()).extend(data)

    def read(self, name: str) -> bytes:
        if name not in self._files:
            raise StorageError(f"{name} is missing")
        return bytes(self._files[name])

    def size(self, name: str) -> int:
        return len(self._files.get(name, b""))

    def exists(self, name: str) -> bool:
        return name in self._files

    def written_at(self, name: str) -> int:
        """Its place: what is written goes to the end."""
        return list(self._files).index(name)

    def names(self, folder: str) -> Iterator[str]:
        found = (name.rpartition("/") for name in sorted(self._files))
        yield from (name for parent, _, name in found if parent == folder)

    def erase(self, name: str) -> None:
        self._files.pop(name, None)

    def erase_leftovers(self, folder: str) -> None:
        """Nothing is ever cut short here."""
