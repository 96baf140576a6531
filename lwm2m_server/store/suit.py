"""Who signed the manifests, and what devices reported, at rest."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from cose.sign1 import Sign1
from lwm2m_server.protocol.firmware import ENDED, Phase
from lwm2m_server.store.firmware_tables import firmware_updates, images
from lwm2m_server.store.images import Kind
from lwm2m_server.store.suit_tables import manifests, suit_reports
from suit.digest import Digest
from suit.numbers import ParameterKey
from suit.report import MAX_SIZE, Report

_REPORTED: Final = (Phase.INSTALLED, Phase.FAILED)
_ON_DEVICE: Final = (Phase.INSTALLED, Phase.KEPT)


@dataclass(frozen=True, slots=True)
class Signed:
    """Who vouches for a manifest, as it was verified when it was added."""

    digest: bytes
    signer: bytes
    """Thumbprint of the key."""
    signer_role: str
    texts: bytes | None
    """Severed texts for people, which devices are not sent."""


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A device's signed word on one update. `reason` is None after success."""

    update_id: int
    endpoint: str
    digest: bytes
    reason: int | None
    code: int | None
    received_at: int
    body: bytes


async def add_signed(connection: AsyncConnection, signed: Signed) -> None:
    """Store who signed a manifest; the first word on it stays."""
    await connection.execute(insert(manifests).values(**asdict(signed)).on_conflict_do_nothing())


async def signed(connection: AsyncConnection, digest: bytes) -> Signed | None:
    """Who signed a manifest; None for one that was added before that was kept."""
    row = (await connection.execute(select(manifests).where(manifests.c.digest == digest))).one_or_none()
    return None if row is None else Signed(**row._mapping)


async def add_report(connection: AsyncConnection, report: StoredReport) -> None:
    """Store a report; there is one of each update."""
    await connection.execute(insert(suit_reports).values(**asdict(report)).on_conflict_do_nothing())


async def reports(
    connection: AsyncConnection, *, endpoint: str | None = None, digest: bytes | None = None
) -> list[StoredReport]:
    """All reports, or those of a device, or about a manifest; oldest first."""
    statement = select(suit_reports).order_by(suit_reports.c.received_at, suit_reports.c.update_id)
    if endpoint is not None:
        statement = statement.where(suit_reports.c.endpoint == endpoint)
    if digest is not None:
        statement = statement.where(suit_reports.c.digest == digest)
    return [StoredReport(**row._mapping) for row in await connection.execute(statement)]


async def report(connection: AsyncConnection, update_id: int) -> StoredReport | None:
    """The report on one update."""
    row = (await connection.execute(select(suit_reports).where(suit_reports.c.update_id == update_id))).one_or_none()
    return None if row is None else StoredReport(**row._mapping)


async def last_report(connection: AsyncConnection, endpoint: str) -> StoredReport | None:
    """What a device has signed last."""
    newest = (suit_reports.c.received_at.desc(), suit_reports.c.update_id.desc())
    statement = select(suit_reports).where(suit_reports.c.endpoint == endpoint).order_by(*newest).limit(1)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else StoredReport(**row._mapping)


async def under_way(connection: AsyncConnection, endpoint: str | None = None) -> list[bytes]:
    """The manifests on their way to a device, or to any; each once."""
    updates = firmware_updates
    named = [updates.c.phase.not_in(tuple(ENDED)), images.c.kind == Kind.SUIT]
    named += [] if endpoint is None else [updates.c.endpoint == endpoint]
    joined = select(updates.c.digest).distinct().join(images, images.c.digest == updates.c.digest)
    return [bytes(digest) for digest in (await connection.execute(joined.where(*named))).scalars()]


async def measured(connection: AsyncConnection, endpoint: str, count: int) -> set[Digest]:
    """The digests of what was on the device according to its latest so many reports of success."""
    newest = (suit_reports.c.received_at.desc(), suit_reports.c.update_id.desc())
    successes = (suit_reports.c.endpoint == endpoint, suit_reports.c.reason.is_(None))
    statement = select(suit_reports.c.body).where(*successes).order_by(*newest).limit(count)
    found: set[Digest] = set()
    for body in (await connection.execute(statement)).scalars():
        payload = Sign1.parse(body, max_size=MAX_SIZE).payload
        assert payload is not None, "it was verified before it was stored"
        digests = (entry.properties.get(ParameterKey.IMAGE_DIGEST) for entry in Report.decode(payload).entries)
        found |= {digest for digest in digests if isinstance(digest, Digest)}
    return found


async def delivered(connection: AsyncConnection, endpoint: str, count: int) -> list[bytes]:
    """The latest so many manifests that were brought to a device and installed, or kept."""
    updates = firmware_updates
    complete = (updates.c.endpoint == endpoint, updates.c.phase.in_(_ON_DEVICE), images.c.kind == Kind.SUIT)
    statement = (
        select(updates.c.digest)
        .join(images, images.c.digest == updates.c.digest)
        .where(*complete)
        .order_by(updates.c.since.desc(), updates.c.id.desc())
        .limit(count)
    )
    return [bytes(digest) for digest in (await connection.execute(statement)).scalars()]


async def unreported(connection: AsyncConnection, endpoint: str, since: float) -> tuple[int, bytes] | None:
    """The last update with a manifest that ended on a device, with its digest, unless its report is here already."""
    last = (
        _ended(since)
        .where(firmware_updates.c.endpoint == endpoint)
        .order_by(firmware_updates.c.since.desc(), firmware_updates.c.id.desc())
        .limit(1)
    )
    row = (await connection.execute(last)).one_or_none()
    return None if row is None or row.update_id is not None else (int(row.id), bytes(row.digest))


async def unreported_endpoints(connection: AsyncConnection, since: float) -> set[str]:
    """Devices on which an update with a manifest ended that has no report."""
    rows = await connection.execute(_ended(since).where(suit_reports.c.update_id.is_(None)))
    return {row.endpoint for row in rows}


def _ended(since: float) -> Select[Any]:
    """Updates with a manifest that have ended, with the reports on them."""
    updates = firmware_updates
    return (
        select(updates.c.id, updates.c.endpoint, updates.c.digest, suit_reports.c.update_id)
        .join(images, images.c.digest == updates.c.digest)
        .join(suit_reports, suit_reports.c.update_id == updates.c.id, isouter=True)
        .where(updates.c.phase.in_(_REPORTED), updates.c.since >= since, images.c.kind == Kind.SUIT)
    )
