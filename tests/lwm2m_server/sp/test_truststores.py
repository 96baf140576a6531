"""A further anchor for the devices of a group, by the API and the command: written once, where it is missing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from device_pki.fingerprints import der
from lwm2m_server.ca.rollover import Certifier, prepare
from lwm2m_server.demo.layout import write_toml
from objects import formats
from objects.model import MODEL
from objects.nodes import MultipleResource
from objects.path import Path as ObjectPath
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from tests.lwm2m_server.dm.test_process import SERVER
from tests.lwm2m_server.sp.device import FakeDevice
from tests.lwm2m_server.sp.transfer import ENDPOINT, Stage, stage

ANCHORS = ObjectPath(33002, 0, 6)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as set_up:
        yield set_up


async def test_a_new_anchor_comes_before_the_new_key(scene: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = scene.world.sp1
    anchor = prepare(provider.ca, Certifier(provider.permanent), datetime.now(UTC))
    assert anchor is not None
    order = {"certificates": [der(anchor).hex()]}
    installed = await scene.sp1.admin.post("/groups/meters/trust", json=order)
    assert installed.json() == {"installed": [ENDPOINT], "present": [], "failed": {}}
    [written] = scene.device.payloads("/33002/0")
    assert der(anchor) in written

    read = FakeDevice._read

    def holding(device: FakeDevice, path: str, request: Request) -> Response:
        if path != str(ANCHORS):
            return read(device, path, request)
        assert request.accept is not None
        content = formats.encode(request.accept, ANCHORS, MultipleResource(6, {0: der(anchor)}), MODEL)
        return Response(Code.CONTENT, content, request.accept)

    monkeypatch.setattr(FakeDevice, "_read", holding)
    config = provider.settings.data.parent / "sp1.toml"
    write_toml(config, {"roles": ["sp"], "sp": _section(scene)})
    words = ("groups", "trust", "meters", provider.ca.following.certificate, "--config", config, "-o", "json")
    command = await asyncio.create_subprocess_exec(
        SERVER, *map(str, words), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, problem = await command.communicate()
    assert command.returncode == 0, problem
    assert json.loads(out) == {"installed": [], "present": [ENDPOINT], "failed": {}}
    assert len(scene.device.payloads("/33002/0")) == 1


def _section(scene: Stage) -> dict[str, Any]:
    settings = scene.world.sp1.settings.model_dump(mode="json", exclude_none=True)
    host, port = scene.world.sp1.running.admin
    addresses = {"bind": "127.0.0.1:0", "partner_bind": "127.0.0.1:0", "admin_bind": f"{host}:{port}"}
    kept = ("name", "data", "public_uri", "operational_anchors", "permanent_anchors")
    authority = {name: settings["ca"][name] for name in ("api", "certificate", "public_uri", "label")}
    return {name: settings[name] for name in kept} | addresses | {"ca": authority}


async def test_a_device_that_is_away_is_named(scene: Stage) -> None:
    anchor = der(scene.world.sp1.ca.chain()[0]).hex()
    await scene.device.close()
    done = (await scene.sp1.admin.post("/groups/meters/trust", json={"certificates": [anchor]})).json()
    assert done["installed"] == done["present"] == []
    assert list(done["failed"]) == [ENDPOINT]
    unknown = await scene.sp1.admin.post("/groups/none/trust", json={"certificates": [anchor]})
    assert unknown.status_code == 404


async def test_only_a_cas_certificate_is_an_anchor(scene: Stage) -> None:
    server = der(scene.world.sp1.running.provider.keys.dtls.chain[0]).hex()
    for certificate in ("00", "no hex", server):
        refused = await scene.sp1.admin.post("/groups/meters/trust", json={"certificates": [certificate]})
        assert refused.status_code in {400, 422}, refused.text
        assert "CA's" in refused.text
    assert scene.device.payloads("/33002/0") == []
