"""The images of firmware: what each is in the store, its bytes in a file named by their SHA-256.

A file is written beside its place, synced, and renamed, before the store knows of it; it is read by mapping it once
for all devices that get it at the same time.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from cose.files import sync_folder
from lwm2m_server.clock import Clock
from lwm2m_server.server.firmware.errors import ImageInUse, ImageTooLarge, UnknownFirmware
from lwm2m_server.store import firmware as updates
from lwm2m_server.store import images as store
from lwm2m_server.store.database import Database
from lwm2m_server.store.images import Image, Kind

MAX_NAME: Final = 64


@dataclass(slots=True)
class _Held:
    body: bytes
    holders: int = 0


class Images:
    """Images in `folder`, which only its owner may read."""

    def __init__(self, database: Database, folder: Path, clock: Clock, *, max_size: int) -> None:
        self._database = database
        self._folder = folder
        self._clock = clock
        self._max_size = max_size
        self._held: dict[bytes, _Held] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def add(self, body: AsyncIterable[bytes], name: str = "") -> Image:
        """Keep an image that arrives part by part; the same bytes again change nothing. Raises `ImageTooLarge`."""
        temporary, sha256, size = await self._receive(body)
        return await self._keep(temporary, Image(sha256, Kind.BINARY, name, sha256, size, None, self._clock.seconds()))

    async def add_suit(self, envelope: bytes, digest: bytes, sequence_number: int, name: str = "") -> Image:
        """Keep a SUIT envelope, verified before, under its manifest's digest. Raises `ImageTooLarge`."""
        temporary, sha256, size = await self._receive(_one(envelope))
        image = Image(digest, Kind.SUIT, name, sha256, size, sequence_number, self._clock.seconds())
        return await self._keep(temporary, image)

    async def _receive(self, body: AsyncIterable[bytes]) -> tuple[Path, bytes, int]:
        descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=".part")
        path, digest, size = Path(name), hashlib.sha256(), 0
        try:
            with os.fdopen(descriptor, "wb") as file:
                async for part in body:
                    size += len(part)
                    self._check_size(size)
                    digest.update(part)
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path, digest.digest(), size

    def _check_size(self, size: int) -> None:
        if size > self._max_size:
            raise ImageTooLarge(self._max_size)

    async def _keep(self, temporary: Path, image: Image) -> Image:
        temporary.replace(self._path(image))
        sync_folder(self._folder)
        async with self._database.transaction() as connection:
            await store.add(connection, image)
            known = await store.get(connection, image.digest)
        assert known is not None, "stored in this transaction"
        return known

    async def get(self, digest: bytes) -> Image:
        """The image of that name. Raises `UnknownFirmware`."""
        async with self._database.reading() as connection:
            image = await store.get(connection, digest)
        if image is None:
            raise UnknownFirmware(f"image {digest.hex()} is not known here; add it with `lwm2m-server images add`")
        return image

    async def everything(self, kind: Kind | None = None) -> list[Image]:
        """All images, or those of one kind, oldest first."""
        async with self._database.reading() as connection:
            return await store.everything(connection, kind)

    async def remove(self, digest: bytes) -> None:
        """Forget an image and delete its file. Raises `UnknownFirmware`, `ImageInUse`."""
        image = await self.get(digest)
        async with self._database.transaction() as connection:
            if await updates.uses(connection, digest):
                raise ImageInUse("an update needs this image; wait for it or cancel it")
            if await store.in_transfer(connection, digest):
                raise ImageInUse("a transfer names this manifest; it is kept as evidence")
            await store.remove(connection, digest)
            shared = await store.shares_file(connection, image)
        if not shared:
            self._path(image).unlink(missing_ok=True)

    def read(self, image: Image) -> bytes:
        """The whole image. Raises OSError."""
        return self._path(image).read_bytes()

    @contextmanager
    def holding(self, image: Image) -> Iterator[bytes]:
        """The image's bytes, one buffer for all who hold it at the same time. Raises OSError."""
        body = self.hold(image)
        try:
            yield body
        finally:
            self.release(image)

    def hold(self, image: Image) -> bytes:
        """Like `holding`, until `release`."""
        held = self._held.get(image.sha256)
        if held is None:
            held = self._held[image.sha256] = _Held(_mapped(self._path(image)))
        held.holders += 1
        return held.body

    def release(self, image: Image) -> None:
        """Give back what `hold` gave; the last one frees the memory."""
        held = self._held[image.sha256]
        held.holders -= 1
        if not held.holders:
            del self._held[image.sha256]

    def _path(self, image: Image) -> Path:
        return self._folder / image.sha256.hex()


def _mapped(path: Path) -> bytes:
    """The file's bytes, mapped: a slice of a map is bytes, and nothing but slices of large bodies is ever taken."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size <= mmap.PAGESIZE:
            file.seek(0)
            return file.read()
        return cast(bytes, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


async def _one(body: bytes) -> AsyncIterable[bytes]:
    yield body
