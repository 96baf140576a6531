"""The enrollment register in SQLite. Each changing method is one transaction, on the disk before it returns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from cryptography import x509
from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from cose.keys import thumbprint
from device_pki.fingerprints import der, fingerprint
from device_pki.keys import public_key
from device_pki.names import endpoint_name
from enrollment.est.paths import new_label
from enrollment.register import (
    MAX_KEYS,
    DeviceEntry,
    EndpointTaken,
    EnrollmentRefused,
    IssuedCertificate,
    Label,
    PublishedList,
    RefusalReason,
    Revocations,
    RevokeAll,
    UnknownEntry,
)
from lwm2m_server.store.ca_tables import (
    certificates,
    entries,
    factory_certificates,
    keys,
    labels,
    lists,
    revocations,
)
from lwm2m_server.store.database import Database


def _seconds(time: datetime) -> int:
    return int(time.timestamp())


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _serial(number: int) -> str:
    return f"{number:040x}"


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
            label = await _ensure_label(connection, provider, uuid, now)
            common = {"label": label.text, "open": True, "changed_at": _seconds(now)}
            if rows:
                statement = upsert(entries).on_conflict_do_nothing()
                await connection.execute(statement, [row | common for row in rows])
        return label

    async def label(self, provider: str, uuid: UUID) -> Label:
        """Return the provider's label; raise `UnknownEntry`."""
        async with self._database.reading() as connection:
            text = await _label_text(connection, provider, uuid)
        if text is None:
            raise UnknownEntry
        return Label(text, provider, uuid)

    async def all_labels(self) -> list[tuple[Label, int, int]]:
        """Return every label with the number of its entries and of the open ones among them."""
        opened = func.count().filter(entries.c.open)
        statement = (
            select(labels, func.count(entries.c.fingerprint).label("devices"), opened.label("opened"))
            .join_from(labels, entries, isouter=True)
            .group_by(labels.c.label)
            .order_by(labels.c.created_at, labels.c.label)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement)).all()
        return [(Label(row.label, row.provider, UUID(row.uuid)), int(row.devices), int(row.opened)) for row in rows]

    async def entries(self, label: str) -> list[DeviceEntry]:
        """Return the entries of a label, by endpoint name."""
        statement = select(entries).where(entries.c.label == label).order_by(entries.c.endpoint)
        async with self._database.reading() as connection:
            return [_entry(row) for row in (await connection.execute(statement)).all()]

    async def entry(self, label: str, device: bytes) -> DeviceEntry:
        """Return a device's entry; raise `EnrollmentRefused`."""
        async with self._database.reading() as connection:
            found = await _find_entry(connection, label, device)
        if found is None:
            raise EnrollmentRefused(RefusalReason.UNKNOWN)
        return found

    async def set_entry(
        self, label: str, device: bytes, *, open_: bool, revoke: bytes | RevokeAll | None, now: datetime
    ) -> None:
        """Open or close an entry and revoke; raise `UnknownEntry`."""
        async with self._database.transaction() as connection:
            if await _find_entry(connection, label, device) is None:
                raise UnknownEntry
            where = and_(entries.c.label == label, entries.c.fingerprint == device, entries.c.open != open_)
            await connection.execute(update(entries).where(where).values(open=open_, changed_at=_seconds(now)))
            if revoke is not None:
                await _release(connection, label, device, revoke=revoke, now=now)

    async def certificate_for(self, entry: DeviceEntry, key: bytes, now: datetime) -> bytes | None:
        """Return the certificate a repeated request gets, or None; raise `EnrollmentRefused`."""
        async with self._database.reading() as connection:
            return await _certificate_for(connection, entry, key, now)

    async def record(self, entry: DeviceEntry, key: bytes, certificate: x509.Certificate, now: datetime) -> bytes:
        """Store an issued certificate; return the one that counts. Raise `EnrollmentRefused`."""
        async with self._database.transaction() as connection:
            known = await _certificate_for(connection, entry, key, now)
            if known is not None:
                return known
            await _store_issued(connection, entry, key, certificate=certificate, now=now)
        return der(certificate)

    async def issued(self, certificate: bytes) -> IssuedCertificate:
        """Return an operational certificate of this CA; raise `EnrollmentRefused`."""
        statement = (
            select(certificates, revocations.c.revoked_at)
            .join_from(
                certificates, revocations, certificates.c.serial_number == revocations.c.serial_number, isouter=True
            )
            .where(certificates.c.fingerprint == certificate)
        )
        async with self._database.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise EnrollmentRefused(RefusalReason.UNKNOWN)
        return _issued(row)

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
            return [_issued(row) for row in (await connection.execute(statement)).all()]

    async def revoke_serial(self, serial_number: int, not_after: datetime, now: datetime) -> None:
        """Revoke one certificate by serial number."""
        async with self._database.transaction() as connection:
            await _revoke(connection, [(_serial(serial_number), _seconds(not_after))], now)

    async def revocations(self, now: datetime) -> Revocations:
        """Return the revocations of certificates that have not expired."""
        async with self._database.reading() as connection:
            mark = (await connection.execute(select(func.coalesce(func.max(revocations.c.mark), 0)))).scalar_one()
            statement = select(revocations).where(revocations.c.not_after >= _seconds(now))
            rows = (await connection.execute(statement)).all()
        return Revocations(mark, {int(row.serial_number, 16): _time(row.revoked_at) for row in rows})

    async def published_list(self) -> PublishedList | None:
        """Return the newest list."""
        async with self._database.reading() as connection:
            row = (await connection.execute(select(lists).order_by(lists.c.number.desc()).limit(1))).one_or_none()
        if row is None:
            return None
        return PublishedList(row.number, row.mark, row.der, _time(row.this_update), _time(row.next_update))

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
                    this_update=_seconds(published.this_update),
                    next_update=_seconds(published.next_update),
                )
            )
        return True

    async def factory_certificate(self, key: bytes) -> bytes | None:
        """Return the factory certificate issued for a key."""
        statement = select(factory_certificates.c.der).where(factory_certificates.c.thumbprint == key)
        async with self._database.reading() as connection:
            return (await connection.execute(statement)).scalar_one_or_none()

    async def endpoint_key(self, endpoint: str) -> bytes | None:
        """Return the key certified for an endpoint name."""
        statement = select(factory_certificates.c.thumbprint).where(factory_certificates.c.endpoint == endpoint)
        async with self._database.reading() as connection:
            return (await connection.execute(statement)).scalar_one_or_none()

    async def record_factory_batch(self, batch: Sequence[x509.Certificate], now: datetime) -> None:
        """Store factory certificates, all or none; a name that another key has raises `EndpointTaken`."""
        async with self._database.transaction() as connection:
            for certificate in batch:
                await _record_factory(connection, certificate, now)


async def _ensure_label(connection: AsyncConnection, provider: str, uuid: UUID, now: datetime) -> Label:
    text = await _label_text(connection, provider, uuid)
    if text is None:
        text = new_label()
        await connection.execute(
            insert(labels).values(label=text, provider=provider, uuid=str(uuid), created_at=_seconds(now))
        )
    return Label(text, provider, uuid)


async def _label_text(connection: AsyncConnection, provider: str, uuid: UUID) -> str | None:
    statement = select(labels.c.label).where(labels.c.provider == provider, labels.c.uuid == str(uuid))
    return (await connection.execute(statement)).scalar_one_or_none()


async def _find_entry(connection: AsyncConnection, label: str, device: bytes) -> DeviceEntry | None:
    statement = select(entries).where(entries.c.label == label, entries.c.fingerprint == device)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _entry(row)


async def _certificate_for(connection: AsyncConnection, entry: DeviceEntry, key: bytes, now: datetime) -> bytes | None:
    """The rules of the register, in one place: an open entry, a key not released, at most `MAX_KEYS` live keys."""
    current = await _find_entry(connection, entry.label, entry.fingerprint)
    if current is None:
        raise EnrollmentRefused(RefusalReason.UNKNOWN)
    if not current.open:
        raise EnrollmentRefused(RefusalReason.CLOSED)
    own = and_(keys.c.label == entry.label, keys.c.fingerprint == entry.fingerprint)
    known = (await connection.execute(select(keys).where(own, keys.c.thumbprint == key))).one_or_none()
    if known is not None and known.released:
        raise EnrollmentRefused(RefusalReason.RELEASED)
    if known is not None and known.not_after >= _seconds(now):
        statement = select(certificates.c.der).where(certificates.c.fingerprint == known.certificate)
        return bytes((await connection.execute(statement)).scalar_one())
    live = select(func.count()).select_from(keys).where(own, keys.c.not_after >= _seconds(now))
    if (await connection.execute(live)).scalar_one() >= MAX_KEYS:
        raise EnrollmentRefused(RefusalReason.TOO_MANY_KEYS)
    return None


async def _store_issued(
    connection: AsyncConnection, entry: DeviceEntry, key: bytes, *, certificate: x509.Certificate, now: datetime
) -> None:
    not_after = _seconds(certificate.not_valid_after_utc)
    await connection.execute(
        insert(certificates).values(
            fingerprint=fingerprint(certificate),
            serial_number=_serial(certificate.serial_number),
            label=entry.label,
            device=entry.fingerprint,
            thumbprint=key,
            der=der(certificate),
            issued_at=_seconds(now),
            not_after=not_after,
        )
    )
    counted = {"certificate": fingerprint(certificate), "not_after": not_after}
    row = {"label": entry.label, "fingerprint": entry.fingerprint, "thumbprint": key, "released": False} | counted
    await connection.execute(
        upsert(keys)
        .values(row)
        .on_conflict_do_update(index_elements=["label", "fingerprint", "thumbprint"], set_=counted)
    )


async def _release(
    connection: AsyncConnection, label: str, device: bytes, *, revoke: bytes | RevokeAll, now: datetime
) -> None:
    """Mark keys as released and put their certificates on the list."""
    issued = and_(certificates.c.label == label, certificates.c.device == device)
    own = and_(keys.c.label == label, keys.c.fingerprint == device)
    if isinstance(revoke, bytes):
        row = {"label": label, "fingerprint": device, "thumbprint": revoke, "released": True}
        await connection.execute(upsert(keys).values(row).on_conflict_do_nothing())
        issued, own = and_(issued, certificates.c.thumbprint == revoke), and_(own, keys.c.thumbprint == revoke)
    await connection.execute(update(keys).where(own).values(released=True))
    statement = select(certificates.c.serial_number, certificates.c.not_after).where(issued)
    rows = (await connection.execute(statement)).all()
    await _revoke(connection, [(row.serial_number, row.not_after) for row in rows], now)


async def _revoke(connection: AsyncConnection, serials: Sequence[tuple[str, int]], now: datetime) -> None:
    if serials:
        rows = [{"serial_number": s, "revoked_at": _seconds(now), "not_after": end} for s, end in serials]
        await connection.execute(upsert(revocations).on_conflict_do_nothing(index_elements=["serial_number"]), rows)


async def _record_factory(connection: AsyncConnection, certificate: x509.Certificate, now: datetime) -> None:
    name, key = endpoint_name(certificate), thumbprint(public_key(certificate))
    row = {"thumbprint": key, "endpoint": name, "der": der(certificate), "issued_at": _seconds(now)}
    stored = await connection.execute(upsert(factory_certificates).values(row).on_conflict_do_nothing())
    if stored.rowcount == 0:
        raise EndpointTaken(name)


def _entry(row: Row[tuple[object, ...]]) -> DeviceEntry:
    return DeviceEntry(row.label, row.fingerprint, row.endpoint, row.certificate, row.open)


def _issued(row: Row[tuple[object, ...]]) -> IssuedCertificate:
    return IssuedCertificate(
        fingerprint=row.fingerprint,
        serial_number=int(row.serial_number, 16),
        label=row.label,
        device=row.device,
        key_thumbprint=row.thumbprint,
        certificate=row.der,
        not_after=_time(row.not_after),
        revoked_at=None if row.revoked_at is None else _time(row.revoked_at),
    )
