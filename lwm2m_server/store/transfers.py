"""Transfers, the documents that go between providers, and the books, at rest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.store.tables import books, documents, transfers


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
class BookRow:
    """One device in one transfer. `batch`: number of the receipts or releases document that carries its report."""

    transfer_id: bytes
    endpoint: str
    fingerprint: bytes
    record: bytes
    settled: bool
    batch: int | None


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
    name = and_(
        documents.c.transfer_id == document.transfer_id,
        documents.c.kind == document.kind,
        documents.c.number == document.number,
    )
    await connection.execute(update(documents).where(name).values(acknowledged_at=now))


async def put_book(connection: AsyncConnection, row: BookRow) -> None:
    """Store a device's book, or replace it."""
    values = asdict(row)
    changed = {name: values[name] for name in ("record", "settled", "batch")}
    statement = insert(books).values(**values)
    key = ["transfer_id", "endpoint"]
    await connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changed))


async def find_books(
    connection: AsyncConnection,
    *,
    transfer_id: bytes | None = None,
    endpoint: str | None = None,
    settled: bool | None = None,
) -> list[BookRow]:
    """Books by any of transfer, device and whether nothing is left to do."""
    statement = select(books).order_by(books.c.transfer_id, books.c.endpoint)
    wanted = {"transfer_id": transfer_id, "endpoint": endpoint, "settled": settled}
    for name, value in wanted.items():
        if value is not None:
            statement = statement.where(books.c[name] == value)
    return [BookRow(**row._mapping) for row in await connection.execute(statement)]


def _document(row: Any) -> Document:
    return Document(**{**row._mapping, "kind": Kind(row.kind)})
