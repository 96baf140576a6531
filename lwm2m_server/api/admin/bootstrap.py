"""Bootstrap: profiles, who gets which, how it went. Keys go in and never come out again."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, model_validator

from lwm2m_server.api.admin.common import Server
from lwm2m_server.api.body import bounded_body
from lwm2m_server.fleet.errors import Rejected, Unknown
from lwm2m_server.protocol.bootstrap.profile import MAX_PROFILE, Profile
from lwm2m_server.server.bootstrapping import Bootstrapper
from lwm2m_server.store import bootstrap as store

router = APIRouter()

View = dict[str, Any]


def _bootstrapper(request: Request) -> Bootstrapper:
    bootstrapper = request.app.state.bootstrapper
    assert isinstance(bootstrapper, Bootstrapper)
    return bootstrapper


Bootstrap = Annotated[Bootstrapper, Depends(_bootstrapper)]


class Subject(BaseModel):
    """Whom a profile is for: a device, a group, or, when neither is named, everyone else."""

    model_config = ConfigDict(extra="forbid")

    device: str | None = Field(default=None, min_length=1, max_length=255)
    group: str | None = Field(default=None, min_length=1, max_length=64)

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.device is not None and self.group is not None:
            raise ValueError("name a device or a group, not both")
        return self

    @property
    def name(self) -> str:
        """As it is stored."""
        if self.device is not None:
            return store.device_subject(self.device)
        return store.EVERYONE if self.group is None else store.group_subject(self.group)


class Wait(BaseModel):
    """`wait`: seconds to wait for a device that is not connected."""

    model_config = ConfigDict(extra="forbid")

    wait: float = Field(default=0, ge=0, le=120)


@router.get("/bootstrap/profiles")
async def list_profiles(server: Server) -> list[View]:
    """Profiles, and who gets each."""
    async with server.database.reading() as connection:
        profiles, assigned = await store.profiles(connection), await store.assignments(connection)
    return [
        {
            "profile": name,
            "servers": [account.uri for account in profile.accounts],
            "for": [subject for subject, given in assigned.items() if given == name],
        }
        for name, profile in profiles.items()
    ]


@router.put("/bootstrap/profiles/{name}")
async def put_profile(server: Server, name: str, request: Request) -> View:
    """Store a profile (JSON); one of that name is replaced for everyone who gets it."""
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise Rejected("a profile's name has 1 to 64 printable characters")
    profile = Profile.parse(await bounded_body(request, MAX_PROFILE))
    async with server.database.transaction() as connection:
        await store.put_profile(connection, name, profile)
    return {"profile": name, **profile.view()}


@router.get("/bootstrap/profiles/{name}")
async def show_profile(server: Server, name: str) -> View:
    """One profile, without its keys."""
    async with server.database.reading() as connection:
        profile = await store.profile(connection, name)
    if profile is None:
        raise Unknown(f"bootstrap profile {name!r}")
    return {"profile": name, **profile.view()}


@router.delete("/bootstrap/profiles/{name}")
async def remove_profile(server: Server, name: str) -> View:
    """Remove a profile; nobody gets it any more."""
    async with server.database.transaction() as connection:
        if await store.profile(connection, name) is None:
            raise Unknown(f"bootstrap profile {name!r}")
        await store.remove_profile(connection, name)
    return {"removed": name}


@router.put("/bootstrap/profiles/{name}/for")
async def assign_profile(server: Server, name: str, subject: Subject) -> View:
    """Give a profile to a device, a group or everyone else."""
    async with server.database.transaction() as connection:
        if await store.profile(connection, name) is None:
            raise Unknown(f"bootstrap profile {name!r}")
        await store.assign(connection, subject.name, name)
    return {"profile": name, "for": subject.name}


@router.post("/bootstrap/unassign")
async def unassign_profile(server: Server, subject: Subject) -> View:
    """Take the profile of its own from a device, a group or everyone else."""
    async with server.database.transaction() as connection:
        await store.unassign(connection, subject.name)
    return {"profile": None, "for": subject.name}


@router.get("/bootstrap/outcomes")
async def list_outcomes(server: Server) -> list[View]:
    """How the last bootstrap of each device ended, newest first."""
    async with server.database.reading() as connection:
        return [
            {
                "endpoint": one.endpoint,
                "profile": one.profile,
                "at": one.at,
                "success": one.success,
                "detail": one.detail,
            }
            for one in await store.outcomes(connection)
        ]


@router.post("/bootstrap/trigger/{endpoint:path}")
async def trigger_bootstrap(bootstrapper: Bootstrap, endpoint: str, wait: Wait) -> View:
    """Have a registered device bootstrap again. `asked`: it will come; one too old to be asked is served at once."""
    return {"endpoint": endpoint, "asked": await bootstrapper.trigger(endpoint, wait=wait.wait)}
