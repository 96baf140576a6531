"""Images: streamed to a file of their own, named by their digest, read once for all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from lwm2m_server.clock import Clock
from lwm2m_server.protocol.firmware import Order
from lwm2m_server.server.firmware.errors import ImageInUse, ImageTooLarge, UnknownFirmware
from lwm2m_server.server.firmware.images import Images
from lwm2m_server.store import firmware as updates
from lwm2m_server.store.database import Database
from lwm2m_server.store.images import Kind
from objects.path import Path as ObjectPath

BODY = bytes(range(256)) * 64


async def parts(body: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "server.db")
    yield database
    await database.close()


@pytest.fixture
def images(database: Database, tmp_path: Path) -> Images:
    return Images(database, tmp_path / "firmware", Clock(), max_size=len(BODY))


async def test_an_image_is_named_by_its_digest(images: Images, tmp_path: Path) -> None:
    image = await images.add(parts(BODY), "meter 2.1")
    assert image.digest == image.sha256 == sha256(BODY).digest()
    assert (image.kind, image.size, image.name) == (Kind.BINARY, len(BODY), "meter 2.1")
    (file,) = (tmp_path / "firmware").iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == (image.sha256.hex(), 0o600)
    assert images.read(image) == BODY
    assert await images.add(parts(BODY), "again") == image
    assert await images.everything() == [image]


async def test_a_manifest_is_named_by_its_own_digest(images: Images) -> None:
    image = await images.add_suit(b"envelope", b"\x07" * 32, 9)
    assert (image.digest, image.kind, image.sequence_number) == (b"\x07" * 32, Kind.SUIT, 9)
    assert await images.get(b"\x07" * 32) == image
    assert await images.everything(Kind.BINARY) == []


async def test_too_large_or_broken_off_leaves_nothing(images: Images, tmp_path: Path) -> None:
    with pytest.raises(ImageTooLarge, match="max_image"):
        await images.add(parts(BODY + b"x"))

    async def breaks_off() -> AsyncIterator[bytes]:
        yield b"some"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await images.add(breaks_off())
    assert list((tmp_path / "firmware").iterdir()) == []
    with pytest.raises(UnknownFirmware):
        await images.get(bytes(32))


@pytest.mark.parametrize("size", [1, 4096, 16_384])
async def test_one_buffer_for_all_who_read_it(images: Images, size: int) -> None:
    image = await images.add(parts(BODY[:size]))
    with images.holding(image) as one, images.holding(image) as other:
        assert one is other
        assert len(one) == size
        assert one[:size] == BODY[:size]
        assert isinstance(one[1:3], bytes)
    with images.holding(image) as later:
        assert later is not one


async def test_removing(images: Images, database: Database, tmp_path: Path) -> None:
    image = await images.add(parts(BODY))
    order = Order("ep", ObjectPath(5, 0), image.digest)
    async with database.transaction() as connection:
        await updates.order(connection, [order], now=1, expires_at=2)
    with pytest.raises(ImageInUse):
        await images.remove(image.digest)
    async with database.transaction() as connection:
        await updates.end(connection, "ep", 1)
    with images.holding(image) as body:
        await images.remove(image.digest)
        assert body[:4] == BODY[:4]
    assert list((tmp_path / "firmware").iterdir()) == []
    with pytest.raises(UnknownFirmware):
        await images.remove(image.digest)
