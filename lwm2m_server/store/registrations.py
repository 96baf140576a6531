"""Registrations at rest: what is on the disk when a device is told so, and what may lag a few seconds behind.

A registration, a change of one and its end are stored before they are answered, but not one by one: whatever has come
in while one transaction was on its way to the disk goes into the next (group commit), so a lone registration waits for
nothing and a thousand of them share one sync. Each is a new row at the end of the table, with a higher serial number
than the one it replaces; rows that are replaced are cleared away later.

That a device is still there changes memory only and is stored `FLUSH` seconds later at the latest. After a crash every
registration therefore lasts that much longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from sys import intern
from typing import Any, Final

import structlog
from sqlalchemy import select

from lwm2m_server.protocol.registrations import Registration
from lwm2m_server.store.batches import Row, Work
from lwm2m_server.store.database import Database
from lwm2m_server.store.tables import registrations
from secure_coap.association import Transport

log = structlog.get_logger()

FLUSH: Final = 5.0
"""Seconds by which the stored time of the last Update may lag behind."""
GATHER: Final = 0.005
"""Seconds to wait between two transactions while many devices register."""
_MANY: Final = 8

_COLUMNS: Final = tuple(registrations.c.keys())
_PUT: Final = f"INSERT INTO registrations ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_TOUCH: Final = "UPDATE registrations SET updated_at = ? WHERE serial = ?"
_REMOVE: Final = "DELETE FROM registrations WHERE serial = ?"

Stored = Callable[[Exception | None], None]
"""Told that a change is on the disk, or why it is not."""


class RegistrationStore:
    """The durable copy of a `RegistrationTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._serials = count(1)
        self._new: dict[int, Registration] = {}
        self._touched: dict[int, Registration] = {}
        self._replaced: list[int] = []
        self._ended = False
        self._waiting: list[Stored] = []
        self._writing: asyncio.Task[None] | None = None
        self._flush: asyncio.TimerHandle | None = None

    async def load(self) -> list[Registration]:
        """All registrations; each may have been updated up to `FLUSH` seconds after its `updated_at`."""
        found: dict[str, Registration] = {}
        async with self._database.reading() as connection:
            for row in await connection.execute(select(registrations).order_by(registrations.c.serial)):
                registration = _registration(row)
                replaced = found.pop(registration.endpoint, None)
                if replaced is not None:
                    self._replaced.append(replaced.serial)
                found[registration.endpoint] = registration
        newest = max((registration.serial for registration in found.values()), default=0)
        self._serials = count(newest + 1)
        return list(found.values())

    def put(
        self, registration: Registration, stored: Stored | None = None, *, former: Registration | None = None
    ) -> None:
        """Store a registration that is new, in place of the device's former one, or that has changed."""
        self._replace(registration if former is None else former)
        registration.serial = next(self._serials)
        self._new[registration.serial] = registration
        self._write_now(stored)

    def remove(self, registration: Registration, stored: Stored | None = None) -> None:
        """Store that a registration has ended."""
        self._replace(registration)
        self._ended = True
        self._write_now(stored)

    def touch(self, registration: Registration) -> None:
        """Store soon that the device is still there."""
        self._touched[registration.serial] = registration
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(FLUSH, self._start_flush)

    async def flush(self) -> None:
        """Store everything that is not stored yet, and return when it is."""
        self._start_flush()
        while self._writing is not None:
            await asyncio.wait([self._writing])

    @property
    def waiting(self) -> int:
        """Changes on their way to the disk."""
        return len(self._waiting)

    def _replace(self, registration: Registration) -> None:
        """A row that is not written yet never will be; one that is, or is being written, is cleared away later."""
        self._touched.pop(registration.serial, None)
        if registration.serial and self._new.pop(registration.serial, None) is None:
            self._replaced.append(registration.serial)

    def _write_now(self, stored: Stored | None) -> None:
        if stored is not None:
            self._waiting.append(stored)
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="registration store")

    def _start_flush(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
        self._flush = None
        self._ended = True
        self._write_now(None)

    async def _write(self) -> None:
        """Transaction after transaction, until nothing is waiting."""
        try:
            while self._new or self._waiting or self._ended:
                waiting, self._waiting = self._waiting, []
                failure = await self._commit(self._take_work())
                for stored in waiting:
                    stored(failure)
                if len(waiting) > _MANY:
                    await asyncio.sleep(GATHER)
        finally:
            self._writing = None

    def _take_work(self) -> Work:
        """What the next transaction does. Replaced rows go when one without successor does, or at a flush."""
        new, self._new = self._new, {}
        work: list[tuple[str, Sequence[Row]]] = [(_PUT, [_row(registration) for registration in new.values()])]
        if self._ended:
            replaced, self._replaced, self._ended = self._replaced, [], False
            work.append((_REMOVE, [(serial,) for serial in replaced]))
        if self._flush is None:
            touched, self._touched = self._touched, {}
            work.append((_TOUCH, [(registration.updated_at, serial) for serial, registration in touched.items()]))
        return work

    async def _commit(self, work: Work) -> Exception | None:
        try:
            await self._database.write_many(work)
        except Exception as error:
            log.exception("registrations_not_stored", changes=sum(len(rows) for _, rows in work))
            return error
        return None


def _row(one: Registration) -> Row:
    """In the order of the table's columns."""
    return (
        one.serial,
        one.endpoint,
        one.handle,
        one.owner,
        one.credential,
        *one.remote,
        one.transport.value,
        one.lifetime,
        one.version,
        one.binding,
        one.queue_mode,
        one.links,
        one.registered_at,
        one.updated_at,
    )


def _registration(row: Sequence[Any]) -> Registration:
    """What is equal in many rows becomes one object again."""
    serial, endpoint, handle, owner, credential, address, port, transport, lifetime, *rest = row
    version, binding, queue_mode, links, registered_at, updated_at = rest
    return Registration(
        endpoint,
        handle,
        endpoint if owner == endpoint else owner,
        credential,
        (address, port),
        Transport(transport),
        lifetime,
        intern(version),
        intern(binding),
        bool(queue_mode),
        intern(links),
        registered_at,
        updated_at,
        serial,
    )
