"""The enrollment register in SQLite. Each changing method is one transaction, on the disk before it returns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from cryptography import x509
from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from device_pki.fingerprints import der, fingerprint
from device_pki.names import endpoint_name
from device_pki.ocsp.responder import SerialStatus
from enrollment.register import (
    DeviceEntry,
    IssuedCertificate,
    Label,
    LabelPolicy,
    PublishedList,
    Revocations,
    RevokeAll,
    UnknownEntry,
)
from lwm2m_server.store import enrollment_issuing as issuing
from lwm2m_server.store import enrollment_rules as rules
from lwm2m_server.store.ca_tables import (
    certificates,
    entries,
    factory_certificates,
    labels,
    lists,
    revocations,
)
from lwm2m_server.store.database import Database


class SqlEnrollmentRegister:
    """An `EnrollmentRegister` on the server's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_devices(self, provider: str, uuid: UUID, devices: Sequence[x509.Certificate], now: datetime) -> Label:
        """Create the label if it is new and add entries; those already there stay as they are."""
        rows = [
            {"fingerprint": fingerprint(device), "endpoint": endpoint_name(device), "certificate": der(device)}
            for device in devices
        ]
        async with self._database.transaction() as connection:
            label = await rules.ensure_label(connection, provider, uuid, now)
            common = {"label": label.text, "open": True, "changed_at": rules.to_seconds(now)}
            if rows:
                statement = upsert(entries).on_conflict_do_nothing()
                await connection.execute(statement, [row | common for row in rows])
                await rules.check_room(connection, label.text)
        return label

    async def label(self, provider: str, uuid: UUID) -> Label:
        """Return the provider's label; raise `UnknownEntry`."""
        async with self._database.reading() as connection:
            text = await rules.label_text(connection, provider, uuid)
        if text is None:
            raise UnknownEntry
        return Label(text, provider, uuid)

    async def set_policy(self, provider: str, uuid: UUID, policy: LabelPolicy, now: datetime) -> Label:
        """Set what a label allows, and create it if it is new."""
        async with self._database.transaction() as connection:
            label = await rules.ensure_label(connection, provider, uuid, now)
            where = labels.c.label == label.text
            await connection.execute(update(labels).where(where).values(rules.policy_row(policy)))
        return label

    async def policy(self, label: str) -> LabelPolicy:
        """Return what a label allows; raise `UnknownEntry`."""
        async with self._database.reading() as connection:
            return await rules.policy_of(connection, label)

    async def open_labels(self, device: bytes) -> list[str]:
        """Return the labels in which a device has an open entry, the newest first."""
        return await self._database.look_up(lambda connection: issuing.open_labels(connection, device))

    async def entries(self, label: str) -> list[DeviceEntry]:
        """Return the entries of a label, by endpoint name."""
        async with self._database.reading() as connection:
            return await rules.entries_of(connection, label)

    async def entry(self, label: str, device: bytes) -> DeviceEntry:
        """Return a device's entry; raise `EnrollmentRefused`."""
        return await self._database.look_up(lambda connection: issuing.find_entry(connection, label, device))

    async def set_entry(
        self, label: str, device: bytes, *, open_: bool, revoke: bytes | RevokeAll | None, now: datetime
    ) -> None:
        """Open or close an entry and revoke; raise `UnknownEntry`."""
        async with self._database.transaction() as connection:
            if not await rules.has_entry(connection, label, device):
                raise UnknownEntry
            where = and_(entries.c.label == label, entries.c.fingerprint == device, entries.c.open != open_)
            await connection.execute(update(entries).where(where).values(open=open_, changed_at=rules.to_seconds(now)))
            if revoke is not None:
                await rules.release_keys(connection, label, device, revoke=revoke, now=now)

    async def certificate_for(self, entry: DeviceEntry, key: bytes, now: datetime) -> bytes | None:
        """Return the certificate a repeated request gets, or None; raise `EnrollmentRefused`."""
        return await self._database.look_up(lambda connection: issuing.certificate_for(connection, entry, key, now))

    async def record(self, entry: DeviceEntry, key: bytes, certificate: x509.Certificate, now: datetime) -> bytes:
        """Store an issued certificate; return the one that counts. Raise `EnrollmentRefused`."""
        return await self._database.change(
            lambda connection: issuing.record(connection, entry, key, certificate=certificate, now=now)
        )

    async def issued(self, certificate: bytes) -> IssuedCertificate:
        """Return an operational certificate of this CA; raise `EnrollmentRefused`."""
        return await self._database.look_up(lambda connection: issuing.find_issued(connection, certificate))

    async def certificates(self, label: str, device: bytes) -> list[IssuedCertificate]:
        """Return every certificate issued to a device under a label, oldest first."""
        statement = (
            select(certificates, revocations.c.revoked_at)
            .join_from(
                certificates, revocations, certificates.c.serial_number == revocations.c.serial_number, isouter=True
            )
            .where(certificates.c.label == label, certificates.c.device == device)
            .order_by(certificates.c.issued_at)
        )
        async with self._database.reading() as connection:
            return [rules.issued_of(row) for row in (await connection.execute(statement)).all()]

    async def revoke_serial(self, serial_number: int, not_after: datetime, now: datetime) -> None:
        """Revoke one certificate by serial number."""
        async with self._database.transaction() as connection:
            await rules.put_on_list(connection, [(rules.serial_text(serial_number), rules.to_seconds(not_after))], now)

    async def serial_status(self, serial_number: int) -> SerialStatus:
        """Return what is known about a serial number."""
        async with self._database.reading() as connection:
            return await rules.serial_status(connection, rules.serial_text(serial_number))

    async def mark(self) -> int:
        """Return the mark of the newest revocation, 0 before the first."""
        async with self._database.reading() as connection:
            return await rules.newest_mark(connection)

    async def revocations(self, now: datetime) -> Revocations:
        """Return the revocations of certificates that have not expired."""
        async with self._database.reading() as connection:
            mark = await rules.newest_mark(connection)
            statement = select(revocations).where(revocations.c.not_after >= rules.to_seconds(now))
            rows = (await connection.execute(statement)).all()
        return Revocations(mark, {int(row.serial_number, 16): rules.time_of(row.revoked_at) for row in rows})

    async def published_list(self) -> PublishedList | None:
        """Return the newest list."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(lists).order_by(lists.c.number.desc()).limit(1))).one_or_none()
        if row is None:
            return None
        return PublishedList(
            row.number, row.mark, row.der, rules.time_of(row.this_update), rules.time_of(row.next_update)
        )

    async def publish(self, published: PublishedList) -> bool:
        """Store a list unless one of its number or a higher one is there."""
        async with self._database.transaction() as connection:
            newest = (await connection.execute(select(func.max(lists.c.number)))).scalar()
            if newest is not None and newest >= published.number:
                return False
            await connection.execute(lists.delete())
            await connection.execute(
                insert(lists).values(
                    number=published.number,
                    mark=published.mark,
                    der=published.der,
                    this_update=rules.to_seconds(published.this_update),
                    next_update=rules.to_seconds(published.next_update),
                )
            )
        return True

    async def factory_certificates(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the factory certificates issued for keys."""
        table = factory_certificates.c
        async with self._database.reading() as connection:
            return await rules.lookup(connection, table.thumbprint, table.der, keys)

    async def endpoint_keys(self, endpoints: Collection[str]) -> dict[str, bytes]:
        """Return the keys certified for endpoint names."""
        table = factory_certificates.c
        async with self._database.reading() as connection:
            return await rules.lookup(connection, table.endpoint, table.thumbprint, endpoints)

    async def record_factory_batch(self, batch: Sequence[x509.Certificate], now: datetime) -> None:
        """Store factory certificates, all or none; a name that another key has raises `EndpointTaken`."""
        async with self._database.transaction() as connection:
            await rules.record_factory(connection, batch, now)
