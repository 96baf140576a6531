"""Serial numbers that a CA counts, so that they are short: three octets for the first sixteen million.

The file holds the first number that nobody has reserved. A process reserves a few ahead, so that not every certificate
waits for the disk; what it does not use is never used.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cose.files import write_durably

FIRST: Final = 1 << 16
_AHEAD: Final = 64
_MAX: Final = 1 << 63
"""Where random numbers of eight octets end."""


class SerialNumbersError(OSError):
    """The file cannot be used; the text says what helps."""


class SerialNumbers:
    """The numbers of one CA, for any number of processes and threads. The file is in a folder that is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reserved: Iterator[int] = iter(())
        self._lock = threading.Lock()

    def next(self) -> int:
        """Return a number that no certificate has. Raises `SerialNumbersError`, `OSError`."""
        with self._lock:
            number = next(self._reserved, None)
            if number is None:
                self._reserved = iter(self._reserve())
                number = next(self._reserved)
            return number

    def _reserve(self) -> range:
        with _locked(self._path.parent):
            first = self._unreserved()
            write_durably(self._path, f"{first + _AHEAD}\n".encode(), 0o600)
        return range(first, first + _AHEAD)

    def _unreserved(self) -> int:
        if not self._path.exists():
            return FIRST
        try:
            first = int(self._path.read_text(encoding="ascii"))
        except ValueError as error:
            raise SerialNumbersError(
                f"{self._path} holds no number: restore it, or write one above all issued"
            ) from error
        if not FIRST <= first < _MAX:
            raise SerialNumbersError(f"{self._path} holds {first}: write a number above all issued")
        return first


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
