"""Every object of ours, and of the registry where it is there, goes through every format and the checks."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from objects import (
    MODEL,
    UNASSIGNED,
    ObjectDefinition,
    ObjectInstance,
    ObjectLink,
    ObjectModel,
    ObjectNode,
    Operations,
    ResourceDefinition,
    ResourceType,
    Value,
    checks,
)
from objects.formats import Format, decode, encode
from tests.objects.vectors import SHARED

REGISTRY = SHARED / "lwm2m-objects"
MODELS = [MODEL, *([ObjectModel.load(REGISTRY)] if REGISTRY.is_dir() else [])]
FORMATS = [Format.TLV, Format.SENML_JSON, Format.SENML_CBOR, Format.LWM2M_JSON, Format.LWM2M_CBOR]
SAMPLES: Mapping[ResourceType, Value] = {
    ResourceType.STRING: "é",
    ResourceType.CORELNK: "</3>",
    ResourceType.INTEGER: -1,
    ResourceType.UNSIGNED: 2**64 - 1,
    ResourceType.TIME: 1367491215,
    ResourceType.FLOAT: 1.5,
    ResourceType.BOOLEAN: True,
    ResourceType.OPAQUE: b"\xff",
    ResourceType.OBJLNK: ObjectLink(65535, 65535),
}


def _sample(resource: ResourceDefinition) -> Value | Mapping[int, Value]:
    value = SAMPLES[resource.type]
    return {0: value, 65534: value} if resource.multiple else value


def _within_range(resource: ResourceDefinition) -> Value | Mapping[int, Value]:
    value = SAMPLES[resource.type]
    if resource.range.spans and not resource.range.of_size and isinstance(value, int | float):
        value = int(resource.range.spans[0][0])
    elif resource.range.spans and isinstance(value, str | bytes):
        value = ("x" if isinstance(value, str) else b"x") * int(resource.range.spans[0][1])
    return {0: value} if resource.multiple else value


@pytest.mark.parametrize("definition", [d for model in MODELS for d in model], ids=lambda d: f"{d.id}-{d.version}")
def test_every_object(definition: ObjectDefinition) -> None:
    model = ObjectModel([definition])
    path = definition.path(0)
    valued = [r for r in definition.resources.values() if r.type is not ResourceType.NONE]
    node = ObjectInstance.of(0, {r.id: _sample(r) for r in valued})
    for content_format in FORMATS:
        assert decode(content_format, path, encode(content_format, path, node, model), model) == node
    writable = [r for r in valued if Operations.WRITE in r.operations]
    created = ObjectInstance.of(UNASSIGNED, {r.id: _within_range(r) for r in writable})
    checks.create(definition.path(), ObjectNode(definition.id, {UNASSIGNED: created}), model, unknown=False)
