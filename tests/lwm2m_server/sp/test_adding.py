"""What an operator adds, and what the own CA answers to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from cose import cbor
from enrollment.ca_client import CaClient, LabelResult
from lwm2m_server.fleet.ca_registration import register_certificates
from lwm2m_server.fleet.errors import Rejected
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
