"""Bootstrap profiles at rest, for whom they are, and how the last bootstrap of each device ended.

Profiles hold keys: nothing here is for people's eyes before `Profile.view`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from lwm2m_server.protocol.bootstrap.profile import Profile
from lwm2m_server.store import groups
from lwm2m_server.store.tables import bootstrap_assignments, bootstrap_outcomes, bootstrap_profiles

EVERYONE: Final = "*"
"""The subject of the profile for devices that have none of their own and none of their group's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a device's last bootstrap ended. `at`: seconds since 1970."""

    endpoint: str
    profile: str
    at: int
    success: bool
    detail: str


def device_subject(endpoint: str) -> str:
    """One device as the subject of an assignment."""
    return f"device {endpoint}"


def group_subject(group: str) -> str:
    """A group as the subject of an assignment."""
    return f"group {group}"


async def put_profile(connection: AsyncConnection, name: str, profile: Profile) -> None:
    """Store a profile; an earlier one of that name is replaced for everyone it is assigned to."""
    values = {"profile": profile.to_json()}
    statement = insert(bootstrap_profiles).values(name=name, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


async def profiles(connection: AsyncConnection) -> dict[str, Profile]:
    """All profiles by name."""
    rows = await connection.execute(select(bootstrap_profiles).order_by(bootstrap_profiles.c.name))
    return {row.name: Profile.parse(row.profile) for row in rows}


async def profile(connection: AsyncConnection, name: str) -> Profile | None:
    """One profile."""
    statement = select(bootstrap_profiles.c.profile).where(bootstrap_profiles.c.name == name)
    text = (await connection.execute(statement)).scalar_one_or_none()
    return None if text is None else Profile.parse(text)


async def remove_profile(connection: AsyncConnection, name: str) -> None:
    """Remove a profile and its assignments."""
    await connection.execute(delete(bootstrap_assignments).where(bootstrap_assignments.c.profile == name))
    await connection.execute(delete(bootstrap_profiles).where(bootstrap_profiles.c.name == name))


async def assign(connection: AsyncConnection, subject: str, profile_name: str) -> None:
    """From now on `subject` gets that profile."""
    values = {"profile": profile_name}
    statement = insert(bootstrap_assignments).values(subject=subject, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["subject"], set_=values))


async def unassign(connection: AsyncConnection, subject: str) -> None:
    """`subject` has no profile of its own any more."""
    await connection.execute(delete(bootstrap_assignments).where(bootstrap_assignments.c.subject == subject))


async def assignments(connection: AsyncConnection) -> dict[str, str]:
    """Profile names by subject."""
    rows = await connection.execute(select(bootstrap_assignments).order_by(bootstrap_assignments.c.subject))
    return {row.subject: row.profile for row in rows}


async def profile_of(connection: AsyncConnection, endpoint: str) -> tuple[str, Profile] | None:
    """The profile a device gets: its own, else its group's, else everyone's."""
    group = await groups.group_of(connection, endpoint)
    subjects = [device_subject(endpoint), *([] if group is None else [group_subject(group)]), EVERYONE]
    table = bootstrap_assignments
    rows = await connection.execute(select(table).where(table.c.subject.in_(subjects)))
    names = {row.subject: row.profile for row in rows}
    name = next((names[subject] for subject in subjects if subject in names), None)
    found = None if name is None else await profile(connection, name)
    return None if name is None or found is None else (name, found)


async def put_outcome(connection: AsyncConnection, outcome: Outcome) -> None:
    """Store how a bootstrap ended; the device's earlier one is replaced."""
    values = asdict(outcome)
    changed = {name: value for name, value in values.items() if name != "endpoint"}
    statement = insert(bootstrap_outcomes).values(**values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["endpoint"], set_=changed))


async def outcomes(connection: AsyncConnection) -> list[Outcome]:
    """The last bootstrap of each device, newest first."""
    table = bootstrap_outcomes
    rows = await connection.execute(select(table).order_by(table.c.at.desc(), table.c.endpoint))
    return [Outcome(**row._mapping) for row in rows]
