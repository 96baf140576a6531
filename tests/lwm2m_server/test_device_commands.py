"""Operating a device over REST and by commands, with a device of another CoAP stack at the other end."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import httpx
import pytest
from aiocoap.message import Message  # type: ignore[import-untyped]
from aiocoap.numbers.codes import Code as AioCode  # type: ignore[import-untyped]
from typer.testing import CliRunner

from lwm2m_server.api.admin.values import shown, tree_at
from lwm2m_server.cli.common import Exit
from lwm2m_server.cli.main import app
from lwm2m_server.roles.dm import RunningDm, running_dm
from lwm2m_server.settings import load_settings
from objects.errors import ObjectsError
from objects.formats import records
from objects.formats.records import Record
from objects.model import MODEL
from objects.path import Path
from objects.values import ObjectLink, ResourceType
from secure_coap.numbers.content_formats import ContentFormat
from tests.lwm2m_server.server.aiocoap_device import AiocoapDevice

SENSOR = Path(3303, 0, 5700)
SETTINGS = """
roles = ["dm"]
[dm]
data = "data"
nosec_bind = "127.0.0.1:0"
dtls_bind = "127.0.0.1:0"
admin_bind = "127.0.0.1:{port}"
[dm.coap]
ack_timeout = 0.1
max_retransmit = 2
"""


@dataclass(frozen=True)
class Desk:
    """An operator's desk: the server, one device, and both ways to it."""

    dm: RunningDm
    device: AiocoapDevice
    config: FilePath
    http: httpx.AsyncClient

    async def post(self, operation: str, **body: Any) -> Any:
        answer = await self.http.post(f"/devices/dev-1/{operation}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, operation: str, **body: Any) -> tuple[int, str]:
        answer = await self.http.post(f"/devices/dev-1/{operation}", json=body)
        return answer.status_code, answer.json()["code"]

    async def command(self, *words: str, exit_code: int = 0, table: bool = False) -> Any:
        arguments = ["devices", *words, "--config", str(self.config), *([] if table else ["-o", "json"])]
        result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
        assert result.exit_code == exit_code, result.output
        return json.loads(result.output) if exit_code == 0 and not table else result.output


@pytest.fixture
async def desk(tmp_path: FilePath, unused_tcp_port: int) -> AsyncIterator[Desk]:
    config = tmp_path / "server.toml"
    config.write_text(SETTINGS.format(port=unused_tcp_port))
    settings = load_settings(config).dm
    assert settings is not None
    async with running_dm(settings) as dm, AiocoapDevice().running(dm.nosec or ("", 0)) as device:
        token = (settings.data / "operator.token").read_text().strip()
        base, headers = f"http://127.0.0.1:{dm.admin[1]}/api/v1", {"authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as http:
            yield Desk(dm, device, config, http)


async def test_operations_over_rest(desk: Desk) -> None:
    read = await desk.post("read", path="/3/0/0")
    assert read == {"values": [{"path": "/3/0/0", "name": "Device/Manufacturer", "value": "Example Ltd"}]}
    assert await desk.post("write", path="/3/0/14", value="+02") == {"written": "/3/0/14"}
    assert await desk.post("update", path="/1/0", value={"1": 90, "6": "true"}) == {"updated": "/1/0"}
    assert (desk.device.values[Path(1, 0, 1)], desk.device.values[Path(1, 0, 6)]) == (90, True)
    assert await desk.post("write", path="/40000/0/1", value="2.5", type="float") == {"written": "/40000/0/1"}
    assert desk.device.values[Path(40000, 0, 1)] == 2.5
    assert await desk.post("execute", path="/3/0/4", arguments=["5"]) == {"executed": "/3/0/4"}
    assert desk.device.executed == [(Path(3, 0, 4), b"0='5'")]
    created = await desk.post("create", path="/3442", value={"150": "00ff", "170": "3:0", "1120": {"0": 1}})
    assert created == {"created": "/3442/7"}
    assert desk.device.values[Path(3442, 7, 150)] == b"\x00\xff"
    assert desk.device.values[Path(3442, 7, 170)] == ObjectLink(3, 0)
    assert await desk.post("delete", path="/3442/7") == {"deleted": "/3442/7"}
    links = (await desk.post("discover", path="/3303"))["links"]
    assert links == [{"path": "/3303/0/5700", "name": "Temperature/Sensor Value", "attributes": {"pmin": "10"}}]
    await desk.post("write-attributes", path="/3303/0/5700", attributes={"pmin": 5, "gt": 30.5, "st": None})
    assert desk.device.asked[-1].opt.uri_query == ("pmin=5", "gt=30.5", "st")
    several = await desk.post("read-composite", paths=["/3/0/14", "/3303"])
    assert [row["value"] for row in several["values"]] == ["+02", 21.5]
    await desk.post("write-composite", values={"/1/0/1": "60", "/3/0/14": "+03"})
    assert (desk.device.values[Path(1, 0, 1)], desk.device.values[Path(3, 0, 14)]) == (60, "+03")


async def test_errors_over_rest(desk: Desk) -> None:
    assert await desk.refused("write", path="/1/0/1", value="long") == (422, "value")
    assert await desk.refused("read", path="3/0") == (422, "value")
    assert await desk.refused("write", path="/3/0", value=[1]) == (422, "value")
    assert await desk.refused("write", path="/3/0/14", value="x", type="Text") == (422, "value")
    assert await desk.refused("read", path="/3/0/1") == (502, "device_refused")
    desk.device.answer = lambda _: Message(code=AioCode.NOT_ACCEPTABLE)
    assert await desk.refused("read", path="/3303/0") == (502, "format_refused")
    desk.device.answer = lambda _: Message(code=AioCode.CONTENT, payload=b"\xff", content_format=11542)
    assert await desk.refused("read", path="/3303/0") == (502, "answer_unusable")
    await desk.device.vanish()
    assert await desk.refused("read", path="/3/0", timeout=0.2) == (504, "device_offline")
    missing = await desk.http.post("/devices/nobody/read", json={"path": "/3"})
    assert (missing.status_code, missing.json()["code"]) == (504, "device_offline")


async def test_observations_over_rest(desk: Desk) -> None:
    began = await desk.post("observe", paths=["/3303/0/5700"])
    assert began["new"]
    assert began["values"][0]["value"] == 21.5
    assert not (await desk.post("observe", paths=["/3303/0/5700"]))["new"]
    number = began["observation"]
    (one,) = (await desk.http.get("/devices/dev-1/observations")).json()
    assert (one["observation"], one["paths"], one["state"]) == (number, ["/3303/0/5700"], "live")
    async with desk.http.stream("GET", "/devices/dev-1/notifications", params={"observation": number}) as stream:
        lines = stream.aiter_lines()
        assert json.loads(await anext(lines))["values"][0]["value"] == 21.5
        desk.device.values[SENSOR] = 30.0
        desk.device.notify()
        assert json.loads(await anext(lines))["values"][0]["value"] == 30.0
        assert (await desk.http.delete(f"/devices/dev-1/observations/{number}")).json() == {"cancelled": number}
        assert [line async for line in lines] == []
    assert (await desk.http.delete(f"/devices/dev-1/observations/{number}")).status_code == 404
    assert (await desk.http.get("/devices/dev-1/notifications", params={"observation": number})).status_code == 404


async def first_of(lines: AsyncIterator[str]) -> str:
    return await anext(lines)


async def test_what_a_device_sends_by_itself(desk: Desk) -> None:
    payload = records.encode(ContentFormat.SENML_CBOR, [Record(SENSOR, 19.0, -60.0), Record(SENSOR, 20.0)], MODEL)
    async with desk.http.stream("GET", "/devices/dev-1/notifications") as stream:
        lines = stream.aiter_lines()
        reading = asyncio.ensure_future(first_of(lines))
        async with asyncio.timeout(5):
            while not reading.done():  # the stream's reader may not be listening yet
                answer = await desk.device.send(AioCode.POST, "/dp", payload, int(ContentFormat.SENML_CBOR))
                assert answer.code == AioCode.CHANGED
                await asyncio.sleep(0.01)
        assert [row["value"] for row in json.loads(reading.result())["values"]] == [19.0, 20.0]
    (newest,) = (await desk.http.get("/devices/dev-1/values")).json()
    assert (newest["path"], newest["value"]) == ("/3303/0/5700", 20.0)
    stranger = records.encode(ContentFormat.SENML_CBOR, [Record(Path(5, 0, 3), 1)], MODEL)
    answer = await desk.device.send(AioCode.POST, "/dp", stranger, int(ContentFormat.SENML_CBOR))
    assert answer.code == AioCode.NOT_FOUND


async def test_reports_are_counted(desk: Desk) -> None:
    await desk.post("observe", paths=["/3303/0/5700"])
    desk.device.notify()
    for content_format in (ContentFormat.SENML_CBOR, ContentFormat.TEXT):
        payload = records.encode(ContentFormat.SENML_CBOR, [Record(SENSOR, 19.0)], MODEL)
        await desk.device.send(AioCode.POST, "/dp", payload, int(content_format))
    page = (await desk.http.get(f"http://127.0.0.1:{desk.dm.admin[1]}/metrics")).text
    assert "lwm2m_observations 1.0" in page
    assert 'lwm2m_reports_total{kind="notification"} 1.0' in page
    assert 'lwm2m_reports_total{kind="send"} 1.0' in page
    assert 'lwm2m_send_refusals_total{reason="UNSUPPORTED_CONTENT_FORMAT"} 1.0' in page


async def test_nobody_sends_without_registering(desk: Desk) -> None:
    payload = records.encode(ContentFormat.SENML_CBOR, [Record(SENSOR, 19.0)], MODEL)
    async with AiocoapDevice(endpoint="dev-2", registers=False).running(desk.dm.nosec or ("", 0)) as stranger:
        answer = await stranger.send(AioCode.POST, "/dp", payload, int(ContentFormat.SENML_CBOR))
        assert answer.code == AioCode.NOT_FOUND


async def test_commands(desk: Desk) -> None:
    assert [one["endpoint"] for one in await desk.command("list")] == ["dev-1"]
    assert (await desk.command("show", "dev-1"))["endpoint"] == "dev-1"
    assert await desk.command("read", "dev-1", "/3/0/0") == {"/3/0/0": "Example Ltd"}
    assert await desk.command("read", "dev-1", "/3/0/9", "/3303") == {"/3/0/9": 95, "/3303/0/5700": 21.5}
    shown_ = await desk.command("read", "dev-1", "/3/0", table=True)
    assert "/3/0/9" in shown_
    assert "Device/Battery Level" in shown_
    assert await desk.command("write", "dev-1", "/40000/0/1", "-2.5", "--type", "float") == {"written": "/40000/0/1"}
    assert await desk.command("write", "dev-1", "/3/0/14", "+02") == {"written": "/3/0/14"}
    assert await desk.command("write", "dev-1", "/3442/0/150", "--hex", "beef") == {"written": "/3442/0/150"}
    assert desk.device.values[Path(3442, 0, 150)] == b"\xbe\xef"
    assert await desk.command("write", "dev-1", "/40000/0/1", "7", "--type", "integer") == {"written": "/40000/0/1"}
    assert desk.device.values[Path(40000, 0, 1)] == 7
    assert await desk.command("update", "dev-1", "/1/0", "1=75", "6=false") == {"updated": "/1/0"}
    assert await desk.command("create", "dev-1", "/3442", "110=a=b", "1120/3=5") == {"created": "/3442/7"}
    assert (desk.device.values[Path(3442, 7, 110)], desk.device.values[Path(3442, 7, 1120, 3)]) == ("a=b", 5)
    assert await desk.command("delete", "dev-1", "/3442/7") == {"deleted": "/3442/7"}
    assert await desk.command("execute", "dev-1", "/3/0/4", "1") == {"executed": "/3/0/4"}
    assert [one["path"] for one in await desk.command("discover", "dev-1", "/3303")] == ["/3303/0/5700"]
    await desk.command("attributes", "dev-1", "/3303/0/5700", "pmin=1", "st")
    assert desk.device.asked[-1].opt.uri_query == ("pmin=1", "st")
    await desk.command("write-composite", "dev-1", "/1/0/1=80", "/3/0/14=+04")
    assert desk.device.values[Path(1, 0, 1)] == 80


async def test_what_commands_say_when_it_does_not_work(desk: Desk) -> None:
    assert "LwM2M Server/Lifetime" in await desk.command("write", "dev-1", "/1/0/1", "long", exit_code=Exit.REFUSED)
    assert "4.04" in await desk.command("read", "dev-1", "/3/0/1", exit_code=Exit.DEVICE)
    await desk.command("read", "nobody", "/3/0/1", exit_code=Exit.DEVICE)
    await desk.command("write", "dev-1", "/3/0/14", exit_code=Exit.USAGE)
    await desk.command("update", "dev-1", "/3/0", "14", exit_code=Exit.USAGE)
    await desk.command("cancel", "dev-1", "77", exit_code=Exit.NOT_FOUND)
    desk.device.answer = lambda _: Message(code=AioCode.FORBIDDEN, payload=b"\x1b[31m[link=x]no[/]\n")
    text = await desk.command("read", "dev-1", "/3/0/0", exit_code=Exit.DEVICE)
    assert "\x1b" not in text
    assert "[link=x]no[/]" in text


async def test_device_strings_are_shown_and_do_nothing(desk: Desk) -> None:
    desk.device.values[Path(3, 0, 0)] = "\x1b[2J[bold]x[/]\n"
    text = await desk.command("read", "dev-1", "/3/0/0", table=True)
    assert "\x1b" not in text
    assert "[bold]x[/]" in text


async def test_observing_until_ctrl_c(desk: Desk) -> None:
    words = ["devices", "observe", "dev-1", "/3303/0/5700", "-a", "pmin=1", "--config", str(desk.config)]
    program = FilePath(sys.executable).parent / "lwm2m-server"
    process = await asyncio.create_subprocess_exec(program, *words, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert b"/3303/0/5700      Temperature/Sensor Value" in (first := await process.stdout.readline())
        assert first.split()[-1] == b"21.5"
        desk.device.values[SENSOR] = 30.0
        desk.device.notify()
        assert b"30.0" in await process.stdout.readline()
        (standing,) = await desk.command("observations", "dev-1")
        assert standing["attributes"] == ["pmin=1"]
        assert "composite" in await desk.command("observations", "dev-1", table=True)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    assert await desk.command("observations", "dev-1") == []
    assert [one["value"] for one in await desk.command("values", "dev-1")] == [30.0]


def test_json_values_both_ways() -> None:
    assert [shown(one) for one in (b"\xff", ObjectLink(3, 0), float("nan"), True, 2)] == ["ff", "3:0", "nan", True, 2]
    assert tree_at(Path(3, 0, 13), "1700000000", MODEL) == 1700000000
    assert tree_at(Path(3303, 0, 5700), 21, MODEL) == 21.0
    assert tree_at(Path(40000), {"0": {"1": 5}}, MODEL) == {0: {1: 5}}
    assert tree_at(Path(40000, 0, 1), "00", MODEL, ResourceType.OPAQUE) == b"\x00"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/3442/0/150", "xyz"),
        ("/1/0/6", "maybe"),
        ("/1/0/1", "1e3"),
        ("/3/0", {"x": 1}),
        ("/3/0", {"70000": 1}),
        ("/3/0/11/0", {"1": 1}),
        ("/3/0/0", None),
        ("/3/0/0", ["x"]),
        ("/3442/0/170", "3"),
    ],
)
def test_wrong_json_values(path: str, value: Any) -> None:
    with pytest.raises(ObjectsError):
        tree_at(Path.parse(path), value, MODEL)
