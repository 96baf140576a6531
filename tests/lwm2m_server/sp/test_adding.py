"""What an operator adds, and what the own CA answers to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from cose import cbor
from enrollment.ca_client import CaClient, LabelResult
from lwm2m_server.fleet.ca_registration import CaPlace, register_certificates
from lwm2m_server.fleet.errors import Rejected
from lwm2m_server.fleet.profiles import Profile
from lwm2m_server.settings import CaClientSettings
from tests.lwm2m_server.sp.transfer import ENDPOINT, Stage, order, stage
from tests.lwm2m_server.sp.world import bag_of


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as set_up:
        yield set_up


async def test_devices_of_a_transfer_are_not_added_beside_it(scene: Stage) -> None:
    """They would be in a second label of the CA's, which nothing closes when they leave (rule 16)."""
    bag = bag_of(scene.factory)
    await order(scene.sp1.admin, "/groups/others/devices", bag)
    assert (await scene.sp1.admin.get(f"/devices/{ENDPOINT}")).json()["group"] == "others"
    await order(scene.sp1.admin, "/groups/meters/devices", bag)
    transfer = scene.transfer()
    seq = await transfer.begin()
    expected = await scene.sp2.admin.post("/groups/meters/devices", content=bag)
    moved = await transfer.commit(seq)
    owned = await scene.sp2.admin.post("/groups/meters/devices", content=bag)
    left = await scene.sp1.admin.post("/groups/meters/devices", content=bag)
    assert [answer.status_code for answer in (expected, owned, left)] == [409, 409, 409]
    await moved.close()


class ForeignCa(CaClient):
    """A CA that was taken over, and names another place to enroll at."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    async def put_label(self, _label: object, _bag: bytes) -> LabelResult:
        return LabelResult(self.uri, (), (), ())


@pytest.mark.parametrize(
    ("uri", "believed"),
    [
        ("coaps://ca1.example:7001/est/AAAAAAAAAAAAAAAAAAAAAA", True),
        ("coaps://ca1.example:7002/est/AAAAAAAAAAAAAAAAAAAAAA", False),
        ("coaps://ca1.example.evil:7001/est/AAAAAAAAAAAAAAAAAAAAAA", False),
        ("coaps://good@evil/est", False),
        ("", False),
    ],
)
async def test_a_ca_uri_is_believed_beneath_the_agreed_one_only(uri: str, believed: bool) -> None:
    settings = CaClientSettings(
        api="https://ca1.example", certificate=Path("ca.pem"), public_uri="coaps://ca1.example:7001", label=uuid4()
    )
    if believed:
        place = await register_certificates(ForeignCa(uri), settings, uuid4(), [b"certificate"])
        assert place.dtls_uri == uri
        return
    with pytest.raises(Rejected):
        await register_certificates(ForeignCa(uri), settings, uuid4(), [b"certificate"])


class CountingCa(CaClient):
    """Notes how large the bags are that it is given."""

    def __init__(self) -> None:
        self.bags: list[list[bytes]] = []

    async def put_label(self, _label: object, bag: bytes) -> LabelResult:
        items = cbor.decode(bag, max_size=1024 * 1024)
        self.bags.append(items if isinstance(items, list) else [items])
        return LabelResult("coaps://ca1.example:7001/est/AAAAAAAAAAAAAAAAAAAAAA", (), (), ())


@pytest.mark.parametrize(("count", "size", "calls"), [(1, 500, 1), (1000, 500, 1), (1001, 500, 2), (1000, 2000, 3)])
async def test_a_large_fleet_is_registered_in_parts_the_ca_takes(count: int, size: int, calls: int) -> None:
    settings = CaClientSettings(
        api="https://ca1.example", certificate=Path("ca.pem"), public_uri="coaps://ca1.example:7001", label=uuid4()
    )
    certificates = [number.to_bytes(4) + bytes(size - 4) for number in range(count)]
    ca = CountingCa()
    await register_certificates(ca, settings, uuid4(), certificates)
    assert len(ca.bags) == calls
    assert [item for bag in ca.bags for item in bag] == certificates


class CompactCa(CaClient):
    """One that serves both profiles and has a key to pin."""

    def __init__(self, compact_uri: str | None, key: bytes | None = None) -> None:
        self._answer = LabelResult(f"{CA}/est/A", (), (), (), compact_uri, key)

    async def put_label(self, label: UUID, bag: bytes) -> LabelResult:
        return self._answer


CA = "coaps://ca1.example:7001"
OSCORE = "coap://ca1.example:7003"


async def place_of(ca: CompactCa, oscore_uri: str = OSCORE) -> CaPlace:
    settings = CaClientSettings(
        api="https://ca1.example", certificate=Path("ca.pem"), public_uri=CA, oscore_uri=oscore_uri, label=uuid4()
    )
    return await register_certificates(ca, settings, uuid4(), [b"certificate"])


async def test_where_devices_enroll_depends_on_the_profile() -> None:
    place = await place_of(CompactCa(f"{OSCORE}/est/A", b"key"))
    assert [place.uri(profile) for profile in Profile] == [f"{CA}/est/A", f"{OSCORE}/est/A", f"{OSCORE}/est/A"]
    assert [place.pinned_key(profile) for profile in Profile] == [None, None, b"key"]


@pytest.mark.parametrize("ca", [CompactCa(None), CompactCa(f"{OSCORE}/est/A")])
async def test_a_ca_that_cannot_do_it_is_not_named(ca: CompactCa) -> None:
    place = await place_of(ca)
    assert place.uri(Profile.DTLS) == f"{CA}/est/A"
    with pytest.raises(Rejected):
        place.pinned_key(Profile.LEAN)
    unknown = await place_of(ca, oscore_uri="")
    with pytest.raises(Rejected, match="compact profile"):
        unknown.uri(Profile.COMPACT)


async def test_a_compact_ca_uri_is_believed_beneath_the_agreed_one_only() -> None:
    with pytest.raises(Rejected, match="oscore_uri"):
        await place_of(CompactCa("coap://elsewhere.example:7003/est/A"))
