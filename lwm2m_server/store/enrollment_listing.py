"""What a CA's register holds, page by page: labels with their counts, certificates by device, label or serial number.

Pages follow each other by a key of the last row, so that they cost the same at any depth and nothing is listed twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from cryptography import x509
from sqlalchemy import ColumnElement, func, select, tuple_

from enrollment.register import IssuedCertificate, Label, LabelPolicy
from lwm2m_server.store import enrollment_rules as rules
from lwm2m_server.store.ca_tables import certificates, entries, labels, revocations
from lwm2m_server.store.ca_tables import factory_certificates as issued_at_the_factory
from lwm2m_server.store.database import Database

PAGE: Final = 100
"""Rows of a page nobody asked another size for."""

Cursor = tuple[int, bytes]
"""Where a page of certificates ended: seconds and fingerprint."""


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """A label, what it allows, and what is in it."""

    label: Label
    policy: LabelPolicy
    created_at: datetime
    devices: int
    open_devices: int
    certificates: int
    """Issued under it, expired and revoked ones too."""


@dataclass(frozen=True, slots=True)
class ListedCertificate:
    """An operational certificate with the device it was issued to."""

    issued: IssuedCertificate
    endpoint: str
    issued_at: datetime

    @property
    def cursor(self) -> Cursor:
        """Give it as `after` for the page that follows."""
        return rules.to_seconds(self.issued_at), self.issued.fingerprint


@dataclass(frozen=True, slots=True)
class CertificateFilter:
    """Which certificates are wanted: those that fit everything given."""

    label: str | None = None
    device: bytes | None = None
    """Fingerprint of the factory certificate."""
    endpoint: str | None = None
    serial_number: int | None = None


async def list_labels(database: Database, *, after: str = "", limit: int = PAGE) -> list[LabelSummary]:
    """Return up to `limit` labels by their text, those behind `after`."""
    in_label = entries.c.label == labels.c.label
    devices = select(func.count()).where(in_label).scalar_subquery()
    opened = select(func.count()).where(in_label, entries.c.open).scalar_subquery()
    issued = select(func.count()).where(certificates.c.label == labels.c.label).scalar_subquery()
    statement = (
        select(labels, devices.label("devices"), opened.label("open_devices"), issued.label("certificates"))
        .where(labels.c.label > after)
        .order_by(labels.c.label)
        .limit(limit)
    )
    async with database.reading() as connection:
        rows = (await connection.execute(statement)).all()
    return [
        LabelSummary(
            label=Label(row.label, row.provider, UUID(row.uuid)),
            policy=rules.policy_in(row),
            created_at=rules.time_of(row.created_at),
            devices=row.devices,
            open_devices=row.open_devices,
            certificates=row.certificates,
        )
        for row in rows
    ]


async def factory_certificates(database: Database) -> AsyncIterator[bytes]:
    """The factory certificate (DER) of every entry, of a device in several labels more than once."""
    async with database.reading() as connection:
        async for row in await connection.stream(select(entries.c.certificate)):
            yield row.certificate


@dataclass(frozen=True, slots=True)
class FactoryCertificate:
    """What a permanent CA issued to a device."""

    endpoint: str
    certificate: x509.Certificate
    issued_at: datetime


async def list_factory_certificates(
    database: Database, *, endpoint: str | None = None, limit: int = PAGE
) -> list[FactoryCertificate]:
    """Return up to `limit` factory certificates, the oldest first."""
    columns = issued_at_the_factory.c
    statement = select(issued_at_the_factory).order_by(columns.issued_at, columns.thumbprint).limit(limit)
    if endpoint is not None:
        statement = statement.where(columns.endpoint == endpoint)
    async with database.reading() as connection:
        rows = (await connection.execute(statement)).all()
    return [
        FactoryCertificate(row.endpoint, x509.load_der_x509_certificate(row.der), rules.time_of(row.issued_at))
        for row in rows
    ]


async def list_certificates(
    database: Database,
    wanted: CertificateFilter = CertificateFilter(),
    *,
    after: Cursor = (-1, b""),
    limit: int = PAGE,
) -> list[ListedCertificate]:
    """Return up to `limit` certificates, the oldest first, those behind `after`."""
    statement = (
        select(certificates, entries.c.endpoint, revocations.c.revoked_at)
        .join_from(
            certificates,
            entries,
            (certificates.c.label == entries.c.label) & (certificates.c.device == entries.c.fingerprint),
        )
        .join(revocations, certificates.c.serial_number == revocations.c.serial_number, isouter=True)
        .where(tuple_(certificates.c.issued_at, certificates.c.fingerprint) > after, *_conditions(wanted))
        .order_by(certificates.c.issued_at, certificates.c.fingerprint)
        .limit(limit)
    )
    async with database.reading() as connection:
        rows = (await connection.execute(statement)).all()
    return [ListedCertificate(rules.issued_of(row), row.endpoint, rules.time_of(row.issued_at)) for row in rows]


def _conditions(wanted: CertificateFilter) -> Sequence[ColumnElement[bool]]:
    serial = None if wanted.serial_number is None else rules.serial_text(wanted.serial_number)
    asked = (
        (certificates.c.label, wanted.label),
        (certificates.c.device, wanted.device),
        (entries.c.endpoint, wanted.endpoint),
        (certificates.c.serial_number, serial),
    )
    return [column == value for column, value in asked if value is not None]
