"""Registrations at rest: what is on the disk when a device is told so, and what may lag a few seconds behind.

A registration, a change of one and its end are stored before they are answered. They are not stored one by one:
whatever has come in while one transaction was on its way to the disk goes into the next (group commit), so a lone
registration waits for nothing and a thousand of them share one sync. That a device is still there changes memory only
and is stored `FLUSH` seconds later at the latest; after a crash every registration therefore gets that much longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from sys import intern
from typing import Any, Final

import structlog
from sqlalchemy import select

from lwm2m_server.protocol.registrations import Registration
from lwm2m_server.store.database import Database
from lwm2m_server.store.tables import registrations
from secure_coap.association import Transport

log = structlog.get_logger()

FLUSH: Final = 5.0
"""Seconds by which the stored time of the last Update may lag behind."""

_COLUMNS: Final = tuple(registrations.c.keys())
_PUT: Final = f"INSERT OR REPLACE INTO registrations ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 - no value in it
_REMOVE: Final = "DELETE FROM registrations WHERE endpoint = ?"

Stored = Callable[[Exception | None], None]
"""Told that a change is on the disk, or why it is not."""


class RegistrationStore:
    """The durable copy of a `RegistrationTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed: dict[str, Registration | None] = {}
        self._touched: dict[str, Registration] = {}
        self._waiting: list[Stored] = []
        self._writing: asyncio.Task[None] | None = None
        self._flush: asyncio.TimerHandle | None = None

    async def load(self) -> list[Registration]:
        """All registrations; each may have been updated up to `FLUSH` seconds after its `updated_at`."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(registrations))
            return [_registration(row) for row in rows]

    def put(self, registration: Registration, stored: Stored) -> None:
        """Store a registration, new or changed; the device's earlier one ends."""
        self._touched.pop(registration.endpoint, None)
        self._change(registration.endpoint, registration, stored)

    def remove(self, registration: Registration, stored: Stored | None = None) -> None:
        """Store that a registration has ended."""
        self._touched.pop(registration.endpoint, None)
        self._change(registration.endpoint, None, stored)

    def touch(self, registration: Registration) -> None:
        """Store soon that the device is still there."""
        self._touched[registration.endpoint] = registration
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(FLUSH, self._write_soon)

    async def flush(self) -> None:
        """Store everything that is not stored yet, and return when it is."""
        self._write_soon()
        while self._writing is not None:
            await asyncio.wait([self._writing])

    @property
    def waiting(self) -> int:
        """Changes on their way to the disk."""
        return len(self._waiting)

    def _change(self, endpoint: str, now: Registration | None, stored: Stored | None) -> None:
        self._changed[endpoint] = now
        if stored is not None:
            self._waiting.append(stored)
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="registration store")

    def _write_soon(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        for endpoint, registration in self._touched.items():
            self._changed.setdefault(endpoint, registration)
        self._touched = {}
        if self._writing is None and self._changed:
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="registration store")

    async def _write(self) -> None:
        """Transaction after transaction, until nothing is waiting."""
        try:
            while self._changed:
                changed, self._changed = self._changed, {}
                waiting, self._waiting = self._waiting, []
                await self._commit(changed, waiting)
        finally:
            self._writing = None

    async def _commit(self, changed: dict[str, Registration | None], waiting: list[Stored]) -> None:
        kept = [_row(registration) for registration in changed.values() if registration is not None]
        ended = [(endpoint,) for endpoint, registration in changed.items() if registration is None]
        failure: Exception | None = None
        try:
            async with self._database.transaction() as connection:
                if kept:
                    await connection.exec_driver_sql(_PUT, kept)
                if ended:
                    await connection.exec_driver_sql(_REMOVE, ended)
        except Exception as error:
            log.exception("registrations_not_stored", changes=len(changed))
            failure = error
        for stored in waiting:
            stored(failure)


def _row(one: Registration) -> tuple[Any, ...]:
    """In the order of the table's columns."""
    return (
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
    endpoint, handle, owner, credential, address, port, transport, lifetime, version, binding, queue, links, *times = (
        row
    )
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
        bool(queue),
        intern(links),
        *times,
    )
