"""Which session is a device's: the newest, and only as long as it lasts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from device_pki.identity import PskIdentity
from lwm2m_server.server.sessions import DeviceOffline, Sessions
from secure_coap.association import Association


@dataclass(eq=False)
class Session:
    """As much of an association as is looked at here."""

    peer: PskIdentity | None = field(default_factory=lambda: PskIdentity("id", "dev-1"))


@dataclass
class Endpoint:
    """As much of a CoAP endpoint."""

    dropped: list[object] = field(default_factory=list)

    def holds(self, _association: Association) -> bool:
        return True

    def drop(self, association: Association) -> None:
        self.dropped.append(association)


def session(*, secured: bool = True) -> Association:
    return cast(Association, Session() if secured else Session(None))


@pytest.fixture
def coap() -> Endpoint:
    return Endpoint()


@pytest.fixture
def sessions(coap: Endpoint) -> Sessions:
    known = Sessions()
    known.add(cast(Any, coap))
    return known


async def test_a_new_session_ends_the_old_one(sessions: Sessions, coap: Endpoint) -> None:
    first, second = session(), session()
    sessions.attach("dev-1", first)
    sessions.attach("dev-1", first)
    assert coap.dropped == []
    sessions.attach("dev-1", second)
    assert coap.dropped == [first]
    sessions.detach(first)
    assert sessions.session("dev-1") is second
    sessions.detach(second)
    assert not sessions.is_online("dev-1")


async def test_an_anonymous_association_may_stand_for_others_and_is_not_closed(
    sessions: Sessions, coap: Endpoint
) -> None:
    shared = session(secured=False)
    sessions.attach("dev-1", shared)
    sessions.attach("dev-2", shared)
    sessions.attach("dev-1", session(secured=False))
    assert coap.dropped == []
    assert sessions.session("dev-2") is shared


async def test_a_device_that_left_leaves_nothing(sessions: Sessions) -> None:
    kept = session()
    sessions.attach("dev-1", kept)
    assert sessions.endpoint_of(kept) == "dev-1"
    sessions.forget("dev-1")
    assert sessions.endpoint_of(kept) is None
    assert not sessions._endpoints


async def test_whoever_waits_for_a_device_is_told_at_once(sessions: Sessions) -> None:
    arriving = session()
    waiting = [asyncio.create_task(sessions.appear("dev-1", 30)) for _ in range(2)]
    await asyncio.sleep(0)
    sessions.attach("dev-1", arriving)
    assert await asyncio.gather(*waiting) == [arriving, arriving]
    assert not sessions._waiting


async def test_whoever_waits_in_vain_leaves_nothing(sessions: Sessions) -> None:
    with pytest.raises(DeviceOffline):
        await sessions.appear("nobody", 0.01)
    impatient = asyncio.create_task(sessions.appear("nobody", 30))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    assert not sessions._waiting
