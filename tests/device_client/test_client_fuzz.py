"""Whatever a server or a bootstrap server sends a standard client gets an answer, and a refused one changes nothing."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator

import pytest
from aiocoap.message import Message  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device_client.emulator.log import device_logger
from device_client.emulator.lwm2m.caller import Caller
from device_client.emulator.lwm2m.observing import MAX_OBSERVATIONS, Observations
from device_client.emulator.plain.bootstrap.interface import BootstrapInterface
from device_client.emulator.plain.device import PlainDevice
from device_client.emulator.transport.coap import Origin
from objects.attributes import Attributes
from objects.formats import Format, composite, encode
from objects.model import MODEL
from objects.nodes import ObjectInstance, ObjectNode
from objects.path import Path
from secure_coap.exchange import Request
from secure_coap.numbers.codes import Code
from tests.device_client.plain_world import quick

OBJECTS = ("0", "1", "2", "3", "4", "5", "6", "7", "21", "3303", "3442", "33629", "33001", "65535", "x")
BODIES = (
    b"",
    b"1",
    b"0='1'",
    b"\x80",
    encode(Format.TLV, Path(3442), ObjectNode(3442, {0: ObjectInstance.of(0, {120: 5})}), MODEL),
    encode(Format.TLV, Path(3442, 0), ObjectInstance.of(0, {120: 5, 1120: {3: 4}}), MODEL),
    encode(Format.SENML_CBOR, Path(1, 0), ObjectInstance.of(0, {1: 60}), MODEL),
    composite.encode_values(Format.SENML_JSON, {Path(3442, 0, 110): "x", Path(1, 0, 1): 9}, MODEL),
    composite.encode_values(Format.LWM2M_CBOR, {Path(3442, 0, 1120, 1): None}, MODEL),
    composite.encode_paths(Format.SENML_CBOR, [Path(3), Path(3442, 0), Path(0)]),
)
FORMATS = (None, 0, 40, 42, 60, 110, 112, 11542, 11543, 11544, 65000)
QUERIES = ("pmin=1", "pmax=2", "gt=1.5", "lt", "st=-1", "con=1", "edge=2", "epmin=x", "depth=9", "depth=1", "=", "")

requests = st.builds(
    Request,
    method=st.sampled_from([Code.GET, Code.PUT, Code.POST, Code.DELETE, Code.FETCH, Code.IPATCH, Code.PATCH]),
    path=st.lists(
        st.sampled_from(OBJECTS) | st.sampled_from(["0", "1", "120", "1120", "5700"]) | st.integers(0, 30).map(str),
        max_size=5,
    ).map(tuple),
    query=st.lists(st.sampled_from(QUERIES), max_size=3).map(tuple),
    payload=st.sampled_from(BODIES) | st.binary(max_size=48),
    content_format=st.sampled_from(FORMATS),
    accept=st.sampled_from(FORMATS),
    observe=st.sampled_from([None, 0, 1]),
)


@pytest.fixture(scope="module")
def device() -> Iterator[PlainDevice]:
    async def make() -> PlainDevice:
        members = quick(server="coap://127.0.0.1", bootstrap="coap://127.0.0.1:5783", version="1.2")
        return PlainDevice("sensor", members, device_logger("sensor"), random.Random(1))

    yield asyncio.run(make())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(st.tuples(requests, st.integers(0, 3)), min_size=1, max_size=4))
def test_a_servers_requests(device: PlainDevice, sent: list[tuple[Request, int]]) -> None:
    told = Observations(
        device.dispatcher, Caller, clock=time.monotonic, now=time.time, defaults=lambda: Attributes(pmin=0)
    )
    for request, token in sent:
        before = device.accounts._encoded()
        response = told.answer(request, Origin(bytes([token]), Message()))
        assert (
            response.code.is_response and response.code.code_class != 5
        ) or response.code is Code.SERVICE_UNAVAILABLE
        if not response.code.is_success:
            assert device.accounts._encoded() == before
        assert response.observe is None or (request.observe == 0 and response.code.is_success)
        told.touch()
        told.look()
    assert len(told) <= min(MAX_OBSERVATIONS, 4)


@settings(max_examples=200, deadline=None)
@given(sent=st.lists(requests, min_size=1, max_size=5))
def test_a_bootstrap_servers_requests(device: PlainDevice, sent: list[Request]) -> None:
    interface = BootstrapInterface(device.accounts, device.dispatcher.tree, "1.2", insecure=False)
    before = device.accounts._encoded()
    for request in sent:
        response = interface.answer(request, Origin(b"\1", Message()))
        assert response.code.is_response and response.code.code_class != 5
        if request.path[:1] in (("33001",), ("33002",), ("33003",)):
            assert not response.code.is_success
    assert interface.finished or device.accounts._encoded() == before
