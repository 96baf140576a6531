"""Images of firmware, at rest: what each is. Its bytes are in a file of `lwm2m_server.server.firmware.images`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.store.firmware_tables import images
from lwm2m_server.store.suit_tables import manifests
from lwm2m_server.store.tables import transfers


class Kind(StrEnum):
    """What an image's bytes are."""

    BINARY = "binary"
    """Whatever the device takes."""
    SUIT = "suit"
    """A signed SUIT envelope."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image. `digest` names it: a SUIT envelope by its manifest's SHA-256, any other by that of its bytes."""

    digest: bytes
    kind: Kind
    name: str
    """What the operator calls it; may be empty."""
    sha256: bytes
    size: int
    """Bytes."""
    sequence_number: int | None
    """Of a SUIT manifest."""
    added_at: int


async def add(connection: AsyncConnection, image: Image) -> None:
    """Store what an image is; the same digest again changes nothing."""
    await connection.execute(insert(images).values(**asdict(image)).on_conflict_do_nothing())


async def get(connection: AsyncConnection, digest: bytes) -> Image | None:
    """The image of that name."""
    row = (await connection.execute(select(images).where(images.c.digest == digest))).one_or_none()
    return None if row is None else _image(row)


async def everything(connection: AsyncConnection, kind: Kind | None = None) -> list[Image]:
    """All images, or those of one kind, oldest first."""
    statement = select(images).order_by(images.c.added_at, images.c.sequence_number, images.c.digest)
    if kind is not None:
        statement = statement.where(images.c.kind == kind)
    return [_image(row) for row in await connection.execute(statement)]


async def remove(connection: AsyncConnection, digest: bytes) -> None:
    """Forget an image, and who signed it."""
    for table in (images, manifests):
        await connection.execute(delete(table).where(table.c.digest == digest))


async def shares_file(connection: AsyncConnection, image: Image) -> bool:
    """Whether another image has the same bytes."""
    same = select(images.c.digest).where(images.c.sha256 == image.sha256, images.c.digest != image.digest)
    return (await connection.execute(same)).first() is not None


async def in_transfer(connection: AsyncConnection, digest: bytes) -> bool:
    """Whether a transfer names it: its evidence needs it for good."""
    named = or_(transfers.c.agreed_state == digest, transfers.c.update_first == digest)
    return (await connection.execute(select(transfers.c.transfer_id).where(named))).first() is not None


def _image(row: Any) -> Image:
    return Image(**{**row._mapping, "kind": Kind(row.kind)})
