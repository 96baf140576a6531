"""Operations of our server on Leshan's client, without security, with a pre-shared key and with certificates.

Update, by itself and on demand. Read of object, instance, resource and resource instance in every content format.
Write: replace, partial update, a single resource, of every type. Execute with arguments. Create and Delete. Discover
and Write-Attributes. Observe and Cancel. Read-, Write- and Observe-Composite. Send. A firmware image pushed in blocks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest
import pytest_asyncio

from lwm2m_server.protocol.errors import DeviceRefused
from lwm2m_server.server.device import Device
from lwm2m_server.server.events import Updated
from lwm2m_server.server.sending import Sent
from lwm2m_server.server.server import Lwm2mServer
from objects.attributes import Attributes
from objects.formats import Format, decode
from objects.path import Path
from objects.values import ObjectLink
from secure_coap.exchange import Request
from secure_coap.numbers import Code
from tests.interop.leshan_peer import LeshanClient, LeshanPeer
from tests.interop.security import Security, client_members

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEST = "/3442/0"
"""Leshan's test object: a resource of every type, each single and multiple."""
WAIT = 20.0


@dataclass
class Meeting:
    """A client registered at the server."""

    server: Lwm2mServer
    device: Device
    client: LeshanClient
    ports: dict[Security, int]
    happened: asyncio.Queue[Any]

    async def event(self, kind: type) -> Any:
        """The next event of that type."""
        async with asyncio.timeout(WAIT):
            while not isinstance(event := await self.happened.get(), kind):
                pass
        return event


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(Security))
async def meeting(
    request: pytest.FixtureRequest, leshan: LeshanPeer, server: Lwm2mServer, ports: dict[Security, int]
) -> AsyncIterator[Meeting]:
    security: Security = request.param
    happened: asyncio.Queue[Any] = asyncio.Queue()
    ends = [server.events.on(kind, happened.put_nowait) for kind in (Updated, Sent)]
    client = await leshan.client(security.endpoint, **client_members(security, ports), old_formats=True)
    await client.event("registered")
    yield Meeting(server, server.device(security.endpoint, wait=WAIT), client, ports, happened)
    await client.do("stop")
    for end in ends:
        end()


# --- registration ---


async def test_it_registers_with_its_objects(meeting: Meeting) -> None:
    registration = meeting.server.registrations.get(meeting.device.endpoint)
    assert registration is not None
    assert (registration.version, registration.lifetime, registration.binding) == ("1.1", 300, "U")
    assert "</3303/1>" in registration.links


async def test_it_updates(meeting: Meeting) -> None:
    await meeting.client.do("update registration")
    await meeting.client.event("updated")
    assert (await meeting.event(Updated)).endpoint == meeting.device.endpoint


async def test_the_server_asks_for_an_update(meeting: Meeting) -> None:
    await meeting.device.execute("/1/0/8")
    assert (await meeting.event(Updated)).endpoint == meeting.device.endpoint


# --- operations ---


@pytest.mark.parametrize(
    "content_format", [Format.TLV, Format.SENML_JSON, Format.SENML_CBOR, Format.LWM2M_JSON], ids=lambda one: one.name
)
@pytest.mark.parametrize("path", ["/3442", TEST, f"{TEST}/1110", f"{TEST}/110"])
async def test_it_answers_in_every_format_of_nodes(meeting: Meeting, content_format: Format, path: str) -> None:
    place = Path.parse(path)
    response = await meeting.server.sessions.request(
        meeting.device.endpoint,
        Request(Code.GET, tuple(map(str, place.ids)), accept=content_format),
    )
    assert (response.code, response.content_format) == (Code.CONTENT, content_format)
    await meeting.device.execute(f"{TEST}/0")  # the values of the beginning
    node = decode(content_format, place, response.payload, meeting.server.model)
    assert "initial value" in str(node)


@pytest.mark.parametrize(
    ("resource", "content_format", "payload"),
    [(110, Format.TEXT, b"initial value"), (150, Format.OPAQUE, bytes.fromhex("0123456789abcdef"))],
)
async def test_it_answers_in_every_format_of_values(
    meeting: Meeting, resource: int, content_format: Format, payload: bytes
) -> None:
    await meeting.device.execute(f"{TEST}/0")
    request = Request(Code.GET, ("3442", "0", str(resource)), accept=content_format)
    response = await meeting.server.sessions.request(meeting.device.endpoint, request)
    assert (response.code, response.payload) == (Code.CONTENT, payload)


@pytest.mark.parametrize(
    ("resource", "value"),
    [
        (110, "grüß dich"),
        (120, -(2**40)),
        (125, 2**64 - 1),
        (130, -0.125),
        (140, False),
        (150, bytes(range(64))),
        (160, 1_700_000_000),
        (170, ObjectLink(3303, 1)),
        (1110, {0: "a", 7: "b"}),
        (1120, {1: 2**33}),
        (1150, {0: b"", 2: b"\x00\xff"}),
    ],
)
async def test_values_of_every_type_come_back_as_written(meeting: Meeting, resource: int, value: Any) -> None:
    await meeting.device.write(f"{TEST}/{resource}", value)
    assert await meeting.device.read(f"{TEST}/{resource}") == value


async def test_read_on_every_level(meeting: Meeting) -> None:
    assert await meeting.device.read("/3303/0/5701") == "Cel"
    instance = await meeting.device.read("/3303/1")
    assert isinstance(instance, dict)
    assert instance[5701] == "Cel"
    whole = await meeting.device.read("/3303")
    assert isinstance(whole, dict)
    assert set(whole) == {0, 1}
    await meeting.device.write(f"{TEST}/1110", {0: "a", 7: "b"})
    assert await meeting.device.read(f"{TEST}/1110/7") == "b"


async def test_replace_and_partial_update(meeting: Meeting) -> None:
    await meeting.device.write(f"{TEST}/1110", {3: "three"})
    await meeting.device.update(TEST, {110: "partly"})
    await meeting.device.update(TEST, {120: 5})
    assert (await meeting.device.read(f"{TEST}/110"), await meeting.device.read(f"{TEST}/120")) == ("partly", 5)
    await meeting.device.update(f"{TEST}/1110", {4: "four"})
    assert await meeting.device.read(f"{TEST}/1110") == {3: "three", 4: "four"}
    await meeting.device.write(f"{TEST}/1110", {9: "nine"})
    assert await meeting.device.read(f"{TEST}/1110") == {9: "nine"}


async def test_execute_with_arguments(meeting: Meeting) -> None:
    await meeting.device.execute("/3/0/4", "now", "5")
    told = await meeting.client.event("executed")
    assert (told["path"], told["arguments"]) == ("/3/0/4", "0='now',1='5'")


async def test_create_and_delete(meeting: Meeting) -> None:
    made = await meeting.device.create("/3442", {110: "numbered by the device"})
    assert await meeting.device.read(f"{made}/110") == "numbered by the device"
    await meeting.device.create("/3442/17", {110: "seventeen"})
    assert await meeting.device.read("/3442/17/110") == "seventeen"
    for path in (made, "/3442/17"):
        await meeting.device.delete(path)
        with pytest.raises(DeviceRefused) as refused:
            await meeting.device.read(path)
        assert refused.value.code == Code.NOT_FOUND


async def test_what_it_refuses(meeting: Meeting) -> None:
    with pytest.raises(DeviceRefused) as refused:
        await meeting.device.read("/7/0")
    assert refused.value.code == Code.NOT_FOUND


async def test_discover_and_write_attributes(meeting: Meeting) -> None:
    await meeting.device.write_attributes("/3303/0/5700", Attributes(pmin=1, pmax=60, gt=30.5))
    found = {str(one.path): one.attributes for one in await meeting.device.discover("/3303/0/5700")}
    assert found["/3303/0/5700"] == Attributes(pmin=1, pmax=60, gt=30.5)
    await meeting.device.write_attributes("/3303/0/5700", Attributes.parse(["pmin", "pmax", "gt"]))
    assert {"/3303", "/3303/0", "/3303/1"} <= {str(one.path) for one in await meeting.device.discover("/3303")}


async def test_observe_and_cancel(meeting: Meeting) -> None:
    await meeting.client.do("measure", value=20.0)
    subscription = await meeting.device.observe("/3303/0/5700")
    async with asyncio.timeout(WAIT), subscription:
        assert (await anext(subscription)).value == 20.0
        for value in (25.5, -4.0):
            await meeting.client.do("measure", value=value)
            assert (await anext(subscription)).value == value


async def test_observe_an_instance(meeting: Meeting) -> None:
    await meeting.client.do("measure", value=20.0)
    async with asyncio.timeout(WAIT), await meeting.device.observe("/3303/0") as subscription:
        assert (await anext(subscription)).values[Path.parse("/3303/0/5701")] == "Cel"
        await meeting.client.do("measure", value=1.5)
        assert (await anext(subscription)).values[Path.parse("/3303/0/5700")] == 1.5


async def test_composite_operations(meeting: Meeting) -> None:
    await meeting.device.write_composite({f"{TEST}/110": "both", f"{TEST}/120": 7})
    values = await meeting.device.read_composite(f"{TEST}/110", f"{TEST}/120", "/3303/0/5701")
    assert {str(path): value for path, value in values.items()} == {
        f"{TEST}/110": "both",
        f"{TEST}/120": 7,
        "/3303/0/5701": "Cel",
    }


async def test_observe_composite(meeting: Meeting) -> None:
    await meeting.client.do("measure", value=20.0)
    place = Path.parse("/3303/0/5700")
    async with asyncio.timeout(WAIT), await meeting.device.observe_composite(place, "/3/0/0") as subscription:
        assert (await anext(subscription)).values == {place: 20.0, Path.parse("/3/0/0"): "Example"}
        await meeting.client.do("measure", value=8.0)
        assert (await anext(subscription)).values[place] == 8.0


@pytest.mark.parametrize("content_format", ["SENML_CBOR", "SENML_JSON"])
async def test_send(meeting: Meeting, content_format: str) -> None:
    await meeting.client.do("measure", value=3.25)
    assert await meeting.client.do("send", paths=["/3303/0/5700", "/3/0/0"], format=content_format) == 204
    sent = await meeting.event(Sent)
    assert {str(sample.path): sample.value for sample in sent.samples} == {"/3303/0/5700": 3.25, "/3/0/0": "Example"}


async def test_firmware_is_pushed_in_blocks(meeting: Meeting) -> None:
    image = bytes(range(256)) * 160
    await meeting.device.write("/5/0/0", image)
    told = await meeting.client.event("package")
    assert (told["size"], told["sha256"]) == (len(image), sha256(image).hexdigest())
    assert await meeting.device.read("/5/0/3") == 2
    await meeting.device.execute("/5/0/2")
    await meeting.client.event("installed")
    assert await meeting.device.read("/5/0/5") == 1
