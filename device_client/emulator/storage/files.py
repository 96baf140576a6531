"""Durable files of one device: every write is whole or absent after a power cut, every erase is repeated until done.

A write goes to a temporary name, is flushed to the disk, takes its place by rename, and the directory is flushed too.
Names are relative to the device's own directory and never leave it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

MAX_FILE = 16 * 1024 * 1024
"""Largest file read back, bytes."""
_TEMPORARY = ".new"
_PRIVATE = 0o600
_PRIVATE_DIRECTORY = 0o700


class StorageError(OSError):
    """The device cannot keep or find what it must: the message names the file and what to do."""


class Files(Protocol):
    """Files by relative names. Every method raises StorageError when it cannot do its work."""

    def write(self, name: str, data: bytes) -> None:
        """Replace the file in one durable step."""

    def append(self, name: str, data: bytes) -> None:
        """Add to a file, not durably: a power cut may lose the end of it."""

    def read(self, name: str) -> bytes:
        """The whole file, which is there."""

    def size(self, name: str) -> int:
        """Bytes of the file; 0 when it is not there."""

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""

    def written_at(self, name: str) -> int:
        """Orders the files that are there by when they were written last."""

    def names(self, folder: str) -> Iterator[str]:
        """Names of the files in a folder, sorted."""

    def erase(self, name: str) -> None:
        """Remove the file for good; nothing happens when it is gone already."""

    def erase_leftovers(self, folder: str) -> None:
        """Remove what writes that were cut short left behind."""


class DeviceFiles:
    """The directory of one device."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def make(self) -> None:
        """Make the directory, unless it is there. Raises StorageError."""
        with _storage_errors(self.root):
            _make_directory(self.root)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the device while it runs; the kernel lets go when the process dies. Raises StorageError if it runs."""
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise StorageError(f"{self.root} is run by another process: a device lives once") from error
        finally:
            os.close(descriptor)

    def path(self, name: str) -> Path:
        """The file behind a relative name. Raises StorageError for a name that would leave the directory."""
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise StorageError(f"not a file name of a device: {name!r}")
        return self.root.joinpath(*parts)

    def write(self, name: str, data: bytes) -> None:
        """Replace the file in one durable step, readable by its owner only.

        Raises StorageError when the disk is full or broken; the file is as it was then.
        """
        path = self.path(name)
        temporary = path.with_name(path.name + _TEMPORARY)
        with _storage_errors(path):
            _make_directory(path.parent)
            try:
                _write_durably(temporary, data)
                temporary.replace(path)
                _flush_directory(path.parent)
            except OSError:
                # What was to be written may be a secret; what stays all the same is erased at the next start.
                with contextlib.suppress(OSError):
                    _overwrite_and_unlink(temporary)
                raise

    def append(self, name: str, data: bytes) -> None:
        """Add to a file, not durably: a power cut may lose the end of it. Raises StorageError."""
        path = self.path(name)
        with _storage_errors(path):
            _make_directory(path.parent)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _PRIVATE)
            try:
                _write_all(descriptor, data)
            finally:
                os.close(descriptor)

    def read(self, name: str) -> bytes:
        """The whole file. Raises StorageError when it is missing or larger than any file this device writes."""
        path = self.path(name)
        try:
            if path.stat().st_size > MAX_FILE:
                raise StorageError(f"{path} is larger than {MAX_FILE} bytes: no device wrote it")
            return path.read_bytes()
        except FileNotFoundError as error:
            raise StorageError(
                f"{path} is missing: make and install the device first (lwm2m-device factory)"
            ) from error

    def size(self, name: str) -> int:
        """Bytes of the file; 0 when it is not there."""
        return self.path(name).stat().st_size if self.exists(name) else 0

    def exists(self, name: str) -> bool:
        return self.path(name).exists()

    def written_at(self, name: str) -> int:
        """Nanoseconds since 1970."""
        return self.path(name).stat().st_mtime_ns

    def names(self, folder: str) -> Iterator[str]:
        """Names of the finished files in a folder, sorted; a write cut short does not count."""
        directory = self.path(folder)
        if directory.is_dir():
            for path in sorted(directory.iterdir()):
                if path.is_file() and not path.name.endswith(_TEMPORARY):
                    yield path.name

    def erase(self, name: str) -> None:
        """Overwrite and remove the file and what a cut write left of it; nothing happens when it is gone already."""
        path = self.path(name)
        with _storage_errors(path):
            for victim in (path.with_name(path.name + _TEMPORARY), path):
                _overwrite_and_unlink(victim)
            if path.parent.is_dir():
                _flush_directory(path.parent)

    def erase_leftovers(self, folder: str) -> None:
        """Remove what writes that were cut short left behind."""
        directory = self.path(folder)
        if directory.is_dir():
            for path in directory.glob(f"*{_TEMPORARY}"):
                with _storage_errors(path):
                    _overwrite_and_unlink(path)


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """What the operating system refuses, as this device's own error."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}") from error


def _make_directory(directory: Path) -> None:
    """For the owner only, missing parents too: `mkdir` alone would make those by the umask."""
    if not directory.is_dir():
        _make_directory(directory.parent)
        directory.mkdir(mode=_PRIVATE_DIRECTORY, exist_ok=True)
        _flush_directory(directory.parent)


def _write_durably(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
    try:
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _overwrite_and_unlink(path: Path) -> None:
    """Zeros over the old blocks first: as much as a file system lets a program promise."""
    try:
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        return
    finally:
        path.unlink(missing_ok=True)
