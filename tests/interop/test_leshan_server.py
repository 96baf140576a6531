"""Our emulated device at Leshan's server, without security, with a pre-shared key and with certificates.

Register, Update, Deregister. Read of object, instance, resource and resource instance in every content format. Write:
replace, partial update, a single resource, of every type. Execute with arguments. Create and Delete. Discover,
Write-Attributes. Observe, Cancel, and Reset of a forgotten observation. Read-, Write- and Observe-Composite. A firmware
image pushed in blocks.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.interop.leshan_peer import LeshanPeer, LeshanServer
from tests.interop.security import Security, emulator_options, server_members
from tests.secure_coap.pki import HOST

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEST = "/3442/0"
LEVELS = ["/3442", TEST, f"{TEST}/1110", f"{TEST}/110"]
Do = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(leshan: LeshanPeer) -> LeshanServer:
    """Leshan's."""
    return await leshan.server("server", **server_members())


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=list(Security))
async def do(
    request: pytest.FixtureRequest, server: LeshanServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Do]:
    """An operation on our device, which is registered; at the end it leaves."""
    security: Security = request.param
    folder: Path = tmp_path_factory.mktemp("device")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from device_client.emulator.cli import main; main()", "run",
        "--server", f"{security.scheme}://{HOST}:{server.ports[security.scheme]}", "--endpoint", security.endpoint,
        "--objects", "temperature,test,firmware", "--lifetime", "300", "--period", "0.2",
        *emulator_options(security, folder), stderr=DEVNULL,
    )  # fmt: skip
    registered = await server.event("registered")
    assert registered["endpoint"] == security.endpoint
    assert (registered["registration"]["version"], registered["registration"]["lifetime"]) == ("1.1", 300)

    async def operation(order: str, path: str = "", **members: object) -> Any:
        return await server.do(security.endpoint, order, path=path, **members)

    yield operation
    process.send_signal(signal.SIGTERM)
    assert (await server.event("deregistered"))["endpoint"] == security.endpoint
    await process.wait()


@pytest.mark.parametrize("content_format", ["TLV", "SENML_JSON", "SENML_CBOR"])
@pytest.mark.parametrize("path", LEVELS)
async def test_read_in_every_format_of_nodes(do: Do, content_format: str, path: str) -> None:
    told = await do("read", path, format=content_format)
    assert told["code"] == 205
    plain = await do("read", path)
    assert told["value"] == plain["value"]


async def test_read_as_text_and_opaque(do: Do) -> None:
    await do("write", f"{TEST}/150", value="00ff10", format="OPAQUE")
    assert await do("read", f"{TEST}/150", format="OPAQUE") == {"code": 205, "value": "00ff10"}
    await do("write", f"{TEST}/120", value=-77, format="TEXT")
    assert await do("read", f"{TEST}/120", format="TEXT") == {"code": 205, "value": -77}


@pytest.mark.parametrize("content_format", ["TLV", "SENML_JSON", "SENML_CBOR"])
@pytest.mark.parametrize(
    ("resource", "value"),
    [
        (110, "grüß dich"),
        (120, -(2**40)),
        (125, 2**64 - 1),
        (130, -0.125),
        (140, True),
        (150, "0001fe"),
        (160, 1_700_000_000),
        (170, "3303:0"),
        (180, "</3303/0>"),
        (1110, {"0": "a", "7": "b"}),
        (1120, {"1": 2**33}),
    ],
)
async def test_values_of_every_type_come_back_as_written(
    do: Do, resource: int, value: object, content_format: str
) -> None:
    path = f"{TEST}/{resource}"
    assert await do("write", path, value=value, format=content_format) == {"code": 204}
    assert await do("read", path, format=content_format) == {"code": 205, "value": value}


async def test_replace_and_partial_update(do: Do) -> None:
    await do("write", f"{TEST}/1110", value={"3": "three"}, format="TLV")
    assert await do("update", TEST, value={"110": "partly", "1110": {"4": "four"}}, format="SENML_CBOR") == {
        "code": 204
    }
    assert (await do("read", f"{TEST}/110"))["value"] == "partly"
    assert (await do("read", f"{TEST}/1110"))["value"] == {"3": "three", "4": "four"}
    await do("write", f"{TEST}/1110", value={"9": "nine"}, format="TLV")
    assert (await do("read", f"{TEST}/1110"))["value"] == {"9": "nine"}
    assert await do("write", TEST, value={"110": "replaced"}, format="TLV") == {"code": 204}
    assert (await do("read", f"{TEST}/110"))["value"] == "replaced"


async def test_execute_with_arguments(do: Do) -> None:
    assert await do("execute", f"{TEST}/3", arguments="0='now',1") == {"code": 204}
    assert (await do("read", f"{TEST}/4"))["value"] == {"0": "now", "1": ""}


async def test_create_and_delete(do: Do) -> None:
    made = await do("create", "/3442", value={"110": "numbered by the device"}, format="TLV")
    assert made["code"] == 201
    path = "/" + made["location"].removeprefix("/")
    assert (await do("read", f"{path}/110"))["value"] == "numbered by the device"
    assert (await do("create", "/3442/17", value={"110": "seventeen"}, format="SENML_JSON"))["code"] == 201
    for one in (path, "/3442/17"):
        assert await do("delete", one) == {"code": 202}
        assert (await do("read", one))["code"] == 404


async def test_discover_and_write_attributes(do: Do) -> None:
    assert await do("write attributes", "/3303/0/5700", attributes="pmin=1&pmax=60&gt=30.5") == {"code": 204}
    links = (await do("discover", "/3303/0/5700"))["links"]
    assert [link for link in links if "pmin=1" in link and "pmax=60" in link and "gt=30.5" in link], links
    assert await do("write attributes", "/3303/0/5700", attributes="pmin&pmax&gt") == {"code": 204}
    assert "</3303/0/5700>" in (await do("discover", "/3303/0/5700"))["links"]
    assert "</3303/0/5701>" in (await do("discover", "/3303"))["links"]


async def test_what_it_refuses(do: Do) -> None:
    assert (await do("read", "/3303/9"))["code"] == 404
    assert (await do("write", "/3303/0/5700", value=1.0, format="TEXT"))["code"] == 405
    assert (await do("read", "/0/0"))["code"] == 401


async def test_observe_and_cancel(do: Do, server: LeshanServer) -> None:
    first = await do("observe", "/3303/0/5700")
    assert first["code"] == 205
    told = await server.event("notified")
    assert (told["path"], type(told["value"])) == ("/3303/0/5700", float)
    assert await do("cancel") == [205]


async def test_a_forgotten_observation_is_reset(do: Do, server: LeshanServer) -> None:
    assert (await do("observe", "/3303/0"))["code"] == 205
    assert (await server.event("notified"))["path"] == "/3303/0"
    assert await do("forget") == 1
    assert (await do("observe", f"{TEST}/110"))["code"] == 205
    await do("write", f"{TEST}/110", value="news", format="TEXT")
    told = await server.event("notified")
    while told["path"] != f"{TEST}/110":
        told = await server.event("notified")
    assert told["value"] == "news"
    await do("cancel")


@pytest.mark.parametrize("content_format", ["SENML_JSON", "SENML_CBOR"])
async def test_composite_operations(do: Do, content_format: str) -> None:
    values = {f"{TEST}/110": "both", f"{TEST}/120": 7}
    assert await do("write composite", values=values, format=content_format) == {"code": 204}
    told = await do("read composite", paths=[*values, "/3303/0/5701"], format=content_format)
    assert told == {"code": 205, "values": {**values, "/3303/0/5701": "Cel"}}


@pytest.mark.parametrize("content_format", ["SENML_JSON", "SENML_CBOR"])
async def test_observe_composite(do: Do, server: LeshanServer, content_format: str) -> None:
    paths = [f"{TEST}/110", f"{TEST}/120"]
    await do("write composite", values={paths[0]: "before", paths[1]: 1}, format=content_format)
    first = await do("observe composite", paths=paths, format=content_format)
    assert (first["code"], first["values"]) == (205, {paths[0]: "before", paths[1]: 1})
    await do("write", paths[0], value="after", format="TEXT")
    assert (await server.event("notified"))["values"] == {paths[0]: "after", paths[1]: 1}
    assert await do("cancel") == [205]


async def test_firmware_is_pushed_in_blocks(do: Do) -> None:
    assert await do("write", "/5/0/0", value=bytes(range(256)).hex() * 80, format="OPAQUE") == {"code": 204}
    assert (await do("read", "/5/0/3"))["value"] == 2
    assert await do("write", "/5/0/0", value="", format="OPAQUE") == {"code": 204}
    assert (await do("read", "/5/0/3"))["value"] == 0


async def test_an_update_when_the_server_wants_one(do: Do, server: LeshanServer) -> None:
    assert await do("execute", "/1/0/8") == {"code": 204}
    assert (await server.event("updated"))["registration"]["lifetime"] == 300
