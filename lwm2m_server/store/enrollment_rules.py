"""The rules of the enrollment register, as statements inside a caller's transaction (protocol.md rules 11, 16, 19)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Final, TypeVar
from uuid import UUID

from cryptography import x509
from sqlalchemy import Column, and_, exists, func, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from cose.keys import thumbprint
from device_pki.fingerprints import der
from device_pki.keys import public_key
from device_pki.names import endpoint_name
from device_pki.ocsp.responder import SerialStatus
from enrollment.est.paths import new_label
from enrollment.register import (
    DeviceEntry,
    EndpointTaken,
    IssuedCertificate,
    Label,
    LabelFull,
    LabelPolicy,
    RevokeAll,
    UnknownEntry,
)
from lwm2m_server.store.ca_tables import certificates, entries, factory_certificates, keys, labels, revocations

K = TypeVar("K")
V = TypeVar("V")

_MAX_PARAMETERS: Final = 10_000
"""Values in one statement."""
_POLICY: Final = tuple(labels.c[field.name] for field in fields(LabelPolicy))
"""The columns of a label's policy."""
_ENTRIES: Final = select(entries, *_POLICY).join_from(entries, labels, entries.c.label == labels.c.label)


def to_seconds(time: datetime) -> int:
    """Return whole seconds since 1970."""
    return int(time.timestamp())


def time_of(seconds: int) -> datetime:
    """Return the aware time of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def serial_text(number: int) -> str:
    """Return a serial number as it is stored."""
    return f"{number:040x}"


async def ensure_label(connection: AsyncConnection, provider: str, uuid: UUID, now: datetime) -> Label:
    """Return the provider's label, made now if it is new."""
    text = await label_text(connection, provider, uuid)
    if text is None:
        text = new_label()
        await connection.execute(
            insert(labels).values(label=text, provider=provider, uuid=str(uuid), created_at=to_seconds(now))
        )
    return Label(text, provider, uuid)


async def label_text(connection: AsyncConnection, provider: str, uuid: UUID) -> str | None:
    """Return the text of a provider's label, or None."""
    statement = select(labels.c.label).where(labels.c.provider == provider, labels.c.uuid == str(uuid))
    return (await connection.execute(statement)).scalar_one_or_none()


async def policy_of(connection: AsyncConnection, label: str) -> LabelPolicy:
    """Return what a label allows; raise `UnknownEntry`."""
    row = (await connection.execute(select(*_POLICY).where(labels.c.label == label))).one_or_none()
    if row is None:
        raise UnknownEntry
    return policy_in(row)


async def check_room(connection: AsyncConnection, label: str) -> None:
    """Raise `LabelFull` when a label has more entries than its policy allows."""
    policy = await policy_of(connection, label)
    if policy.max_devices is not None:
        count = select(func.count()).select_from(entries).where(entries.c.label == label)
        if (await connection.execute(count)).scalar_one() > policy.max_devices:
            raise LabelFull(policy)


async def has_entry(connection: AsyncConnection, label: str, device: bytes) -> bool:
    """Is a device in a label?"""
    statement = select(exists().where(entries.c.label == label, entries.c.fingerprint == device))
    return bool((await connection.execute(statement)).scalar_one())


async def entries_of(connection: AsyncConnection, label: str) -> list[DeviceEntry]:
    """Return the entries of a label, by endpoint name."""
    statement = _ENTRIES.where(entries.c.label == label).order_by(entries.c.endpoint)
    return [entry_of(row) for row in (await connection.execute(statement)).all()]


async def release_keys(
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
    await put_on_list(connection, [(row.serial_number, row.not_after) for row in rows], now)


async def serial_status(connection: AsyncConnection, serial: str) -> SerialStatus:
    """Three look-ups by index, however much was issued and revoked."""
    revoked = select(revocations.c.revoked_at).where(revocations.c.serial_number == serial)
    revoked_at = (await connection.execute(revoked)).scalar_one_or_none()
    if revoked_at is not None:
        return SerialStatus(True, time_of(revoked_at))
    operational = exists().where(certificates.c.serial_number == serial)
    factory = exists().where(factory_certificates.c.serial_number == serial)
    return SerialStatus(bool((await connection.execute(select(or_(operational, factory)))).scalar_one()))


async def newest_mark(connection: AsyncConnection) -> int:
    """Return the mark of the newest revocation, 0 before the first."""
    return int((await connection.execute(select(func.coalesce(func.max(revocations.c.mark), 0)))).scalar_one())


async def put_on_list(connection: AsyncConnection, serials: Sequence[tuple[str, int]], now: datetime) -> None:
    """Revoke serial numbers, given with the ends of their certificates; those already revoked stay as they are."""
    if serials:
        rows = [{"serial_number": s, "revoked_at": to_seconds(now), "not_after": end} for s, end in serials]
        await connection.execute(upsert(revocations).on_conflict_do_nothing(index_elements=["serial_number"]), rows)


async def record_factory(connection: AsyncConnection, batch: Sequence[x509.Certificate], now: datetime) -> None:
    """Store factory certificates, unless their keys have one; raise `EndpointTaken`."""
    rows = [
        {
            "thumbprint": thumbprint(public_key(certificate)),
            "endpoint": endpoint_name(certificate),
            "der": der(certificate),
            "issued_at": to_seconds(now),
            "serial_number": serial_text(certificate.serial_number),
        }
        for certificate in batch
    ]
    await connection.execute(upsert(factory_certificates).on_conflict_do_nothing(), rows)
    table = factory_certificates.c
    holders = await lookup(connection, table.endpoint, table.thumbprint, [str(row["endpoint"]) for row in rows])
    for row in rows:
        if holders.get(str(row["endpoint"])) != row["thumbprint"]:
            raise EndpointTaken(str(row["endpoint"]))


async def lookup(connection: AsyncConnection, key: Column[K], value: Column[V], wanted: Collection[K]) -> dict[K, V]:
    """Return the values in the rows with these keys, by key."""
    found: dict[K, V] = {}
    ordered = list(wanted)
    for start in range(0, len(ordered), _MAX_PARAMETERS):
        part = ordered[start : start + _MAX_PARAMETERS]
        found |= {row[0]: row[1] for row in await connection.execute(select(key, value).where(key.in_(part)))}
    return found


def entry_of(row: Row[tuple[object, ...]]) -> DeviceEntry:
    """Return the entry in a row joined with its label's policy."""
    return DeviceEntry(row.label, row.fingerprint, row.endpoint, row.certificate, row.open, policy_in(row))


def policy_in(row: Row[tuple[object, ...]]) -> LabelPolicy:
    """Return the policy in a row of labels."""
    return LabelPolicy(
        max_devices=row.max_devices,
        max_keys=row.max_keys,
        not_after=None if row.not_after is None else time_of(row.not_after),
        server_keys=row.server_keys,
        device_rate=row.device_rate,
        label_rate=row.label_rate,
    )


def policy_row(policy: LabelPolicy) -> dict[str, object]:
    """Return a policy as columns."""
    return asdict(policy) | {"not_after": None if policy.not_after is None else to_seconds(policy.not_after)}


def issued_of(row: Row[tuple[object, ...]]) -> IssuedCertificate:
    """Return the certificate in a row joined with its revocation."""
    return IssuedCertificate(
        fingerprint=row.fingerprint,
        serial_number=int(row.serial_number, 16),
        label=row.label,
        device=row.device,
        key_thumbprint=row.thumbprint,
        certificate=row.der,
        not_after=time_of(row.not_after),
        revoked_at=None if row.revoked_at is None else time_of(row.revoked_at),
    )
