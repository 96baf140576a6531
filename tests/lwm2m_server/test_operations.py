"""LwM2M operations as CoAP requests, and operations on a device in terms of the data model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from secrets import token_bytes
from typing import cast

import pytest

from lwm2m_server.protocol import operations
from lwm2m_server.server.device import ENROLLMENT, FIRMWARE, TRANSFER, Device, DeviceRefused
from lwm2m_server.server.sessions import DeviceOffline, Sessions
from objects.formats import Format, encode
from objects.model import MODEL
from objects.nodes import MultipleResource
from objects.path import Path
from secure_coap.association import Association
from secure_coap.errors import NotFound, RequestTimeout
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat

OPAQUE = ContentFormat.OCTET_STREAM


def test_requests() -> None:
    path = Path(33001, 0, 0)
    segments = ("33001", "0", "0")
    assert operations.read(path, OPAQUE) == Request(Code.GET, segments, accept=OPAQUE)
    assert operations.discover(Path(3)) == Request(Code.GET, ("3",), accept=ContentFormat.LINK_FORMAT)
    assert operations.write(path, b"x", OPAQUE) == Request(Code.PUT, segments, payload=b"x", content_format=OPAQUE)
    assert operations.write_partial(path, b"x", OPAQUE).method is Code.POST
    assert operations.execute(path) == Request(Code.POST, segments)
    assert operations.execute(path, {0: "7"}).payload == b"0='7'"


def test_execute_arguments() -> None:
    assert operations.execute_arguments({1: "b", 0: "a"}) == "0='a',1='b'"
    for wrong in ({10: "x"}, {0: "it's"}, {0: "a b"}, {0: "\n"}, {0: "é"}):
        with pytest.raises(ValueError, match="argument"):
            operations.execute_arguments(wrong)


class Sender:
    """Answers requests by a function; remembers them."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self.answer = answer
        self.asked: list[Request] = []
        self.dropped: list[object] = []

    def holds(self, _association: Association) -> bool:
        return True

    async def request(self, association: Association, request: Request) -> Response:
        self.asked.append(request)
        return self.answer(request)

    def drop(self, association: Association) -> None:
        self.dropped.append(association)


class Peer:
    endpoint = "dev-1"


class Session:
    """As much of an association as the sessions look at."""

    peer = Peer()

    def __init__(self) -> None:
        self.key = token_bytes(16)


def session() -> Association:
    return cast(Association, Session())


def device(answer: Callable[[Request], Response]) -> tuple[Device, Sender]:
    sender = Sender(answer)
    sessions = Sessions()
    sessions.add(sender)
    sessions.attach("dev-1", session())
    return Device(sessions, "dev-1"), sender


def content(payload: bytes, content_format: int) -> Callable[[Request], Response]:
    return lambda _: Response(Code.CONTENT, payload, content_format)


def not_found(_: Request) -> Response:
    return Response.of_error(NotFound("gone"))


async def test_single_values_are_read_in_the_format_of_their_type() -> None:
    reading, sender = device(content(b"3", Format.TEXT))
    assert await reading.read_value(TRANSFER["State"]) == 3
    assert sender.asked[0].accept == Format.TEXT
    reading, sender = device(content(b"\x01\x02", Format.OPAQUE))
    assert await reading.read_value(TRANSFER["Report"]) == b"\x01\x02"
    assert sender.asked[0].accept == Format.OPAQUE


async def test_what_is_not_there_is_none_or_empty() -> None:
    reading, _ = device(not_found)
    assert await reading.read_value(TRANSFER["Report"]) is None
    assert await reading.read_values(ENROLLMENT["Trust Anchors"]) == {}


async def test_multiple_values() -> None:
    anchors = ENROLLMENT["Trust Anchors"]
    payload = encode(Format.TLV, anchors.path(0), MultipleResource(6, {0: b"a", 4: b"b"}), MODEL)
    reading, sender = device(content(payload, Format.TLV))
    assert await reading.read_values(anchors) == {0: b"a", 4: b"b"}
    await reading.add_values(anchors, {5: b"c"})
    added = sender.asked[-1]
    assert (added.method, added.path, added.content_format) == (Code.POST, ("33002", "0"), Format.TLV)


async def test_writing_and_executing() -> None:
    writing, sender = device(lambda _: Response(Code.CHANGED))
    await writing.write(FIRMWARE["Package"], b"suit")
    await writing.execute(TRANSFER["Cancel"].path(), "65537")
    assert (sender.asked[0].payload, sender.asked[0].content_format) == (b"suit", Format.OPAQUE)
    assert sender.asked[1].payload == b"0='65537'"


async def test_a_refusal_carries_code_and_diagnostic() -> None:
    writing, _ = device(lambda _: Response(Code.BAD_REQUEST, b"8 replay"))
    with pytest.raises(DeviceRefused) as refused:
        await writing.write(TRANSFER["Transfer Message"], b"x")
    assert (refused.value.code, refused.value.diagnostic) == (Code.BAD_REQUEST, "8 replay")


def silent(_: Request) -> Response:
    raise RequestTimeout("no answer")


async def test_a_silent_device_is_offline_until_it_is_heard_again() -> None:
    reading, sender = device(silent)
    sessions = reading._sessions
    with pytest.raises(DeviceOffline):
        await reading.read_value(TRANSFER["State"])
    assert not sessions.is_online("dev-1")
    assert sender.dropped == []  # it may still use the session
    sessions.attach("dev-1", session())
    assert sessions.is_online("dev-1")


async def test_a_request_waits_for_a_device_to_appear() -> None:
    sender = Sender(content(b"1", Format.TEXT))
    sessions = Sessions()
    sessions.add(sender)
    with pytest.raises(DeviceOffline):
        await Device(sessions, "dev-1", wait=0.01).read_value(TRANSFER["State"])
    waiting = asyncio.create_task(Device(sessions, "dev-1", wait=5).read_value(TRANSFER["State"]))
    await asyncio.sleep(0)
    sessions.attach("dev-1", session())
    assert await waiting == 1


async def test_a_new_session_ends_the_old_one() -> None:
    sender = Sender(silent)
    sessions = Sessions()
    sessions.add(sender)
    first, second = session(), session()
    sessions.attach("dev-1", first)
    sessions.attach("dev-1", first)
    assert sender.dropped == []
    sessions.attach("dev-1", second)
    assert sender.dropped == [first]
    sessions.detach(first)
    assert sessions.session("dev-1") is second
    sessions.detach(second)
    assert not sessions.is_online("dev-1")
