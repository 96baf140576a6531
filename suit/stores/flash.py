"""Flash as bootloaders see it: erased by sectors to 0xFF, written once in aligned units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

ERASED: Final = 0xFF


class Flash(Protocol):
    """One area of a flash. Every method may raise OSError; a power cut inside one leaves it done in part."""

    @property
    def size(self) -> int:
        """Bytes of the area, a multiple of `sector`."""

    @property
    def sector(self) -> int:
        """Bytes that are erased together."""

    @property
    def unit(self) -> int:
        """Bytes that are written together; every offset of a write is a multiple of it."""

    def read(self, offset: int, count: int) -> bytes:
        """These bytes."""

    def write(self, offset: int, data: bytes) -> None:
        """Write whole units that are erased."""

    def erase(self, offset: int, count: int) -> None:
        """Erase whole sectors."""


@dataclass
class MemoryFlash:
    """A flash in memory that insists on the rules of real ones."""

    size: int = 64 * 1024
    sector: int = 4096
    unit: int = 8
    content: bytearray = field(init=False)

    def __post_init__(self) -> None:
        if self.size % self.sector or self.sector % self.unit:
            raise ValueError("sectors fill a flash, and units fill a sector")
        self.content = bytearray([ERASED]) * self.size

    def read(self, offset: int, count: int) -> bytes:
        """See `Flash`."""
        if offset < 0 or offset + count > self.size:
            raise OSError("beyond the end of the flash")
        return bytes(self.content[offset : offset + count])

    def write(self, offset: int, data: bytes) -> None:
        """See `Flash`."""
        if offset % self.unit or len(data) % self.unit:
            raise OSError(f"writes are in units of {self.unit} bytes")
        if any(byte != ERASED for byte in self.read(offset, len(data))):
            raise OSError("written before it was erased")
        self.content[offset : offset + len(data)] = data

    def erase(self, offset: int, count: int) -> None:
        """See `Flash`."""
        if offset % self.sector or count % self.sector:
            raise OSError(f"sectors have {self.sector} bytes")
        self.read(offset, count)
        self.content[offset : offset + count] = bytes([ERASED]) * count


def padded(data: bytes, unit: int) -> bytes:
    """The data, filled up to whole units as if the rest were still erased."""
    return data + bytes([ERASED]) * (-len(data) % unit)


def sectors(count: int, sector: int) -> int:
    """Bytes of the sectors that so many bytes need."""
    return -(-count // sector) * sector
