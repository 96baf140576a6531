"""Devices and groups at rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar

from sqlalchemy import and_, or_, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.store.tables import devices, groups
from trust_transfer.provider import codec
from trust_transfer.provider.book import BookEntry
from trust_transfer.provider.duties import CloseAndRevoke, RevokeAttemptKey, SendReceipt, SendRelease, duties

MAX_PARAMETERS: Final = 10_000
"""Values in one statement."""

T = TypeVar("T")

_DERIVED: Final = ("partner_duty", "ca_duty", "window_begin", "window_end")
"""Columns that repeat a part of the book."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device of this provider's: added by its operator, or received from a partner."""

    endpoint: str
    fingerprint: bytes
    """SHA-256 of the factory certificate's DER."""
    certificate: bytes
    """The factory certificate's DER."""
    group_name: str | None
    label: str
    """UUID of the label at the CA under which its operator registered it."""
    ca_uri: str | None
    book: BookEntry
    state: int | None = None
    """Resource 33001/1 as last read."""
    result: int | None = None
    """Resource 33001/2 as last read."""


async def add_group(connection: AsyncConnection, name: str) -> None:
    """Create a group; one that exists stays as it is."""
    await connection.execute(insert(groups).values(name=name).on_conflict_do_nothing())


async def group_names(connection: AsyncConnection) -> list[str]:
    """All groups, by name."""
    return [row.name for row in await connection.execute(select(groups).order_by(groups.c.name))]


async def add_device(connection: AsyncConnection, new: Device, now: int) -> None:
    """Store a device that is not known yet."""
    values = {field.name: getattr(new, field.name) for field in fields(new)} | _book_columns(new.book, now)
    await connection.execute(insert(devices).values(**values))


async def put_book(connection: AsyncConnection, book: BookEntry, now: int) -> None:
    """Store the book of a known device."""
    columns = _book_columns(book, now)
    await connection.execute(update(devices).where(devices.c.endpoint == book.endpoint).values(**columns))


async def change_device(connection: AsyncConnection, endpoint: str, **changes: Any) -> None:
    """Set columns other than the book."""
    await connection.execute(update(devices).where(devices.c.endpoint == endpoint).values(**changes))


async def device(connection: AsyncConnection, endpoint: str) -> Device | None:
    """One device by its endpoint name."""
    return await _one(connection, devices.c.endpoint == endpoint)


async def device_of(connection: AsyncConnection, fingerprint: bytes) -> Device | None:
    """One device by its factory certificate's fingerprint."""
    return await _one(connection, devices.c.fingerprint == fingerprint)


async def endpoints_of(connection: AsyncConnection, fingerprints: Collection[bytes]) -> dict[bytes, str]:
    """The endpoint names of those factory certificates that are stored, by their fingerprints."""
    found: dict[bytes, str] = {}
    for part in _parts(sorted(fingerprints)):
        statement = select(devices.c.fingerprint, devices.c.endpoint).where(devices.c.fingerprint.in_(part))
        found |= {row.fingerprint: row.endpoint for row in await connection.execute(statement)}
    return found


async def find_devices(
    connection: AsyncConnection,
    *,
    group: str | None = None,
    endpoints: Collection[str] | None = None,
    partner_duty: bool | None = None,
    ca_duty: bool | None = None,
) -> list[Device]:
    """Devices by any of these, by endpoint; all of them when nothing is asked for."""
    statement = select(devices).order_by(devices.c.endpoint)
    for name, value in {"group_name": group, "partner_duty": partner_duty, "ca_duty": ca_duty}.items():
        if value is not None:
            statement = statement.where(devices.c[name] == value)
    if endpoints is None:
        return [_device(row) for row in await connection.execute(statement)]
    found: list[Device] = []
    for names in _parts(sorted(endpoints)):
        part = statement.where(devices.c.endpoint.in_(names))
        found.extend(_device(row) for row in await connection.execute(part))
    return found


def _parts(values: list[T]) -> Iterator[list[T]]:
    """A database takes only so many parameters in one statement."""
    for start in range(0, len(values), MAX_PARAMETERS):
        yield values[start : start + MAX_PARAMETERS]


async def factory_certificates(connection: AsyncConnection) -> AsyncIterator[bytes]:
    """The factory certificate (DER) of every device."""
    async for row in await connection.stream(select(devices.c.certificate)):
        yield row.certificate


async def endpoints_at_window(connection: AsyncConnection, after: int, until: int) -> list[str]:
    """Devices with an open offer whose window began or ended later than `after` and not later than `until`."""
    edges = (and_(column > after, column <= until) for column in (devices.c.window_begin, devices.c.window_end))
    return [row.endpoint for row in await connection.execute(select(devices.c.endpoint).where(or_(*edges)))]


async def _one(connection: AsyncConnection, condition: Any) -> Device | None:
    row = (await connection.execute(select(devices).where(condition))).one_or_none()
    return None if row is None else _device(row)


def _device(row: Any) -> Device:
    values = dict(row._mapping)
    for name in _DERIVED:
        del values[name]
    return Device(**{**values, "book": codec.decode(row.book)})


def _book_columns(book: BookEntry, now: int) -> dict[str, Any]:
    """The book, and what of it is asked for without reading every book; none of it depends on the time."""
    due = duties(book, now)
    offers = () if book.tenure is None else book.tenure.open_offers
    return {
        "book": codec.encode(book),
        "partner_duty": any(isinstance(duty, SendReceipt | SendRelease) for duty in due),
        "ca_duty": any(isinstance(duty, CloseAndRevoke | RevokeAttemptKey) for duty in due),
        "window_begin": min((offer.not_before for offer in offers), default=None),
        "window_end": min((offer.not_after for offer in offers), default=None),
    }
