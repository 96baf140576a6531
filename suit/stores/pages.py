"""A record on flash that is replaced in one durable step: two pages take turns, and the newest whole one counts.

Page: counter (4 bytes) | length (4) | SHA-256 of counter, length and data (32) | data. A page that was cut while it was
written does not have its hash, so the other one still counts.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final

from suit.stores.flash import Flash, padded, sectors

_HEAD: Final = struct.Struct(">II32s")


class Pages:
    """The record in an area of two pages of the same size."""

    def __init__(self, flash: Flash) -> None:
        """Raises OSError for an area that is too small."""
        self._flash = flash
        self._page = flash.size // 2 // flash.sector * flash.sector
        if self._page < flash.sector:
            raise OSError("a record needs two sectors")
        found = [page for page in map(self._read, (0, 1)) if page is not None]
        self._counter, self.data = max(found, default=(0, b""))
        """`data`: the record, empty when there is none yet."""

    def replace(self, data: bytes) -> None:
        """Make this the record. Raises OSError; the old one stays then."""
        counter = self._counter + 1
        if _HEAD.size + len(data) > self._page:
            raise OSError(f"a record has at most {self._page - _HEAD.size} bytes")
        page = padded(_HEAD.pack(counter, len(data), _hash(counter, data)) + data, self._flash.unit)
        offset = counter % 2 * self._page
        self._flash.erase(offset, sectors(len(page), self._flash.sector))
        self._flash.write(offset, page)
        self._counter, self.data = counter, data

    def _read(self, number: int) -> tuple[int, bytes] | None:
        counter, length, digest = _HEAD.unpack(self._flash.read(number * self._page, _HEAD.size))
        if length > self._page - _HEAD.size:
            return None
        data = self._flash.read(number * self._page + _HEAD.size, length)
        return (counter, data) if digest == _hash(counter, data) and counter % 2 == number else None


def _hash(counter: int, data: bytes) -> bytes:
    return hashlib.sha256(struct.pack(">II", counter, len(data)) + data).digest()
