"""Transfers, the documents that go between providers, and the messages to devices, at rest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.store.tables import documents, messages, transfers


class Kind(StrEnum):
    """What a document is; also its name in the partner API."""

    DEVICES = "devices"
    BAG = "bags"
    TEMPLATE = "template"
    RECEIPTS = "receipts"
    RELEASES = "releases"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer, seen from one side. `outgoing`: this provider is the old one."""

    transfer_id: bytes
    outgoing: bool
    partner: str
    group_name: str | None
    form: int | None
    agreed_state: bytes | None
    """Manifest digest (SHA-256)."""
    update_first: bytes | None
    """Digest of the manifest the new provider installs before enrollment."""
    label: str | None
    """UUID of the label at the new provider's CA."""
    created_at: int


@dataclass(frozen=True, slots=True)
class Document:
    """One document, byte for byte. `jws`: detached signature, where the kind has one."""

    transfer_id: bytes
    kind: Kind
    number: int
    outgoing: bool
    body: bytes
    jws: str | None
    stored_at: int
    acknowledged_at: int | None


@dataclass(frozen=True, slots=True)
class Message:
    """A TransferMessage made here. `start`: to be begun as soon as its window is open."""

    transfer_id: bytes
    endpoint: str
    seq: int
    body: bytes
    start: bool = False


async def add_transfer(connection: AsyncConnection, transfer: Transfer) -> None:
    """Store a transfer; one that exists stays as it is."""
    await connection.execute(insert(transfers).values(**asdict(transfer)).on_conflict_do_nothing())


async def change_transfer(connection: AsyncConnection, transfer_id: bytes, **changes: Any) -> None:
    """Set some columns of a transfer."""
    await connection.execute(update(transfers).where(transfers.c.transfer_id == transfer_id).values(**changes))


async def get_transfer(connection: AsyncConnection, transfer_id: bytes) -> Transfer | None:
    """One transfer."""
    row = (await connection.execute(select(transfers).where(transfers.c.transfer_id == transfer_id))).one_or_none()
    return None if row is None else Transfer(**row._mapping)


async def all_transfers(connection: AsyncConnection) -> list[Transfer]:
    """Every transfer, oldest first."""
    rows = await connection.execute(select(transfers).order_by(transfers.c.created_at, transfers.c.transfer_id))
    return [Transfer(**row._mapping) for row in rows]


async def add_document(connection: AsyncConnection, document: Document) -> None:
    """Store a document under a name not used before."""
    await connection.execute(insert(documents).values(**asdict(document)))


async def get_document(connection: AsyncConnection, transfer_id: bytes, kind: Kind, number: int) -> Document | None:
    """One document by its name."""
    found = await find_documents(connection, transfer_id, kind, documents.c.number == number)
    return found[0] if found else None


async def find_documents(
    connection: AsyncConnection, transfer_id: bytes, kind: Kind | None = None, condition: Any = None
) -> list[Document]:
    """The documents of a transfer, by kind and number."""
    statement = select(documents).where(documents.c.transfer_id == transfer_id)
    if kind is not None:
        statement = statement.where(documents.c.kind == kind)
    if condition is not None:
        statement = statement.where(condition)
    rows = await connection.execute(statement.order_by(documents.c.kind, documents.c.number))
    return [_document(row) for row in rows]


async def next_number(connection: AsyncConnection, transfer_id: bytes, kind: Kind) -> int:
    """The lowest number not used by a document of that kind."""
    same = and_(documents.c.transfer_id == transfer_id, documents.c.kind == kind)
    highest = (await connection.execute(select(func.max(documents.c.number)).where(same))).scalar()
    return 0 if highest is None else int(highest) + 1


async def unacknowledged(connection: AsyncConnection) -> list[Document]:
    """Every outgoing document its partner has not acknowledged, in the order they were stored."""
    due = and_(documents.c.outgoing, documents.c.acknowledged_at.is_(None))
    order = (documents.c.stored_at, documents.c.kind, documents.c.number)
    return [_document(row) for row in await connection.execute(select(documents).where(due).order_by(*order))]


async def acknowledge(connection: AsyncConnection, document: Document, now: int) -> None:
    """Note that the partner has stored a document."""
    await connection.execute(update(documents).where(_named(document)).values(acknowledged_at=now))


async def remove_document(connection: AsyncConnection, document: Document) -> None:
    """Forget a document that others have taken the place of."""
    await connection.execute(delete(documents).where(_named(document)))


async def add_message(connection: AsyncConnection, message: Message) -> None:
    """Keep a TransferMessage."""
    await connection.execute(insert(messages).values(**asdict(message)))


async def find_messages(
    connection: AsyncConnection, *, transfer_id: bytes | None = None, endpoint: str | None = None
) -> list[Message]:
    """Messages of a transfer, or to a device, or both; by device and seq."""
    statement = select(messages).order_by(messages.c.endpoint, messages.c.seq)
    for name, value in {"transfer_id": transfer_id, "endpoint": endpoint}.items():
        if value is not None:
            statement = statement.where(messages.c[name] == value)
    return [Message(**row._mapping) for row in await connection.execute(statement)]


async def set_start(connection: AsyncConnection, message: Message, start: bool) -> None:
    """Order or finish the start of a message."""
    name = and_(messages.c.endpoint == message.endpoint, messages.c.seq == message.seq)
    name = and_(name, messages.c.transfer_id == message.transfer_id)
    await connection.execute(update(messages).where(name).values(start=start))


def _named(document: Document) -> ColumnElement[bool]:
    return and_(
        documents.c.transfer_id == document.transfer_id,
        documents.c.kind == document.kind,
        documents.c.number == document.number,
    )


def _document(row: Any) -> Document:
    return Document(**{**row._mapping, "kind": Kind(row.kind)})
