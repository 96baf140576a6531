"""Objects of the operator's own, two versions of one of them side by side, each device by the one it has."""

from __future__ import annotations

from pathlib import Path as FilePath

import pytest

from objects.errors import InvalidValue
from objects.model import MODEL, ObjectModel
from objects.path import Path
from tests.lwm2m_server.server.aiocoap_device import AiocoapDevice
from tests.lwm2m_server.server.running import running_server

PUMP = """<?xml version="1.0" encoding="utf-8"?>
<LWM2M>
  <Object ObjectType="MODefinition">
    <Name>Pump</Name>
    <Description1><![CDATA[A pump.]]></Description1>
    <ObjectID>32900</ObjectID>
    <ObjectURN>urn:oma:lwm2m:x:32900{urn_version}</ObjectURN>
    <LWM2MVersion>1.0</LWM2MVersion>
    <ObjectVersion>{version}</ObjectVersion>
    <MultipleInstances>Single</MultipleInstances>
    <Mandatory>Optional</Mandatory>
    <Resources>
      <Item ID="1">
        <Name>Speed</Name>
        <Operations>RW</Operations>
        <MultipleInstances>Single</MultipleInstances>
        <Mandatory>Mandatory</Mandatory>
        <Type>Integer</Type>
        <RangeEnumeration>{range}</RangeEnumeration>
        <Units>1/min</Units>
        <Description><![CDATA[Speed.]]></Description>
      </Item>
    </Resources>
    <Description2></Description2>
  </Object>
</LWM2M>
"""


@pytest.fixture
def model(tmp_path: FilePath) -> ObjectModel:
    folder = tmp_path / "definitions"
    folder.mkdir()
    for version, urn_version, range_ in (("1.0", "", "0..100"), ("2.0", ":2.0", "0..5000")):
        text = PUMP.format(version=version, urn_version=urn_version, range=range_)
        (folder / f"pump-{version}.xml").write_text(text)
    return MODEL.extended(ObjectModel.load(folder))


async def test_values_are_checked_by_the_version_each_device_has(tmp_path: FilePath, model: ObjectModel) -> None:
    speed = Path(32900, 0, 1)
    async with running_server(tmp_path / "server.db", model=model) as running:
        old = AiocoapDevice(endpoint="old", values={speed: 50}, model=model)
        new = AiocoapDevice(endpoint="new", values={speed: 50}, model=model, versions={32900: "2.0"})
        async with old.running(running.address), new.running(running.address):
            await running.server.device("new").write(speed, 4000)
            assert new.values[speed] == 4000
            with pytest.raises(InvalidValue, match=r"Pump/Speed \(/32900/\*/1\): must be within 0\.\.100, is 4000"):
                await running.server.device("old").write(speed, 4000)
            with pytest.raises(InvalidValue, match=r"Pump/Speed.*must be Integer"):
                await running.server.device("new").write(speed, "fast")
            assert old.values[speed] == 50
            assert await running.server.device("old").read("/32900") == {0: {1: 50}}
