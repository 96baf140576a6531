"""Partner profiles at rest, as the text that was added."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from device_pki.fingerprints import fingerprint
from lwm2m_server.fleet.partners import PartnerProfile
from lwm2m_server.store.tables import partners


async def put(connection: AsyncConnection, profile: PartnerProfile) -> None:
    """Store a profile; an earlier one of the same name is replaced."""
    values = {"profile": profile.render(), "https_fingerprint": fingerprint(profile.https_certificate)}
    statement = insert(partners).values(name=profile.name, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


async def find(connection: AsyncConnection, name: str) -> PartnerProfile | None:
    """A partner by name."""
    text = (await connection.execute(select(partners.c.profile).where(partners.c.name == name))).scalar_one_or_none()
    return None if text is None else PartnerProfile.parse(text)


async def get(connection: AsyncConnection, name: str) -> PartnerProfile:
    """The partner of a stored transfer."""
    profile = await find(connection, name)
    assert profile is not None, "a transfer refers to a stored partner"
    return profile


async def by_https(connection: AsyncConnection, https_fingerprint: bytes) -> PartnerProfile | None:
    """The partner that authenticates with this TLS certificate."""
    condition = partners.c.https_fingerprint == https_fingerprint
    text = (await connection.execute(select(partners.c.profile).where(condition))).scalar_one_or_none()
    return None if text is None else PartnerProfile.parse(text)


async def everyone(connection: AsyncConnection) -> list[PartnerProfile]:
    """All partners, by name."""
    rows = await connection.execute(select(partners.c.profile).order_by(partners.c.name))
    return [PartnerProfile.parse(row.profile) for row in rows]
