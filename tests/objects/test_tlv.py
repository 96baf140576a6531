from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from objects import MODEL, FormatError, FormatReason, MultipleResource, ObjectInstance, ObjectNode, Path, Resource
from objects.formats import Format, decode, encode, tlv
from objects.path import UNASSIGNED
from objects.values import ObjectLink, ResourceType, Value
from tests.objects.vectors import SHARED, load

SOURCE = SHARED / "lwm2m" / "tlv_leshan.json"


def _vectors() -> Iterator[tuple[str, Any]]:
    for vector in load("lwm2m/tlv.json")["vectors"]:
        yield vector["hex"], vector["items"]
    if SOURCE.is_file():
        for vector in json.loads(SOURCE.read_text())["vectors"]:
            if vector.get("roundtrip"):
                yield vector["hex"], vector["decoded"]


def _tree(data: bytes) -> list[Any]:
    nested = (tlv.Kind.OBJECT_INSTANCE, tlv.Kind.MULTIPLE_RESOURCE)
    return [[i.kind.value, i.id, _tree(i.body) if i.kind in nested else i.body.hex()] for i in tlv.Reader().read(data)]


def _rebuild(items: list[Any]) -> bytes:
    bodies = ((k, n, _rebuild(b) if isinstance(b, list) else bytes.fromhex(b)) for k, n, b in items)
    return b"".join(tlv.write(tlv.Item(tlv.Kind(kind), number, body)) for kind, number, body in bodies)


@pytest.mark.parametrize(("data", "items"), list(_vectors()))
def test_vectors_byte_for_byte(data: str, items: list[Any]) -> None:
    assert _tree(bytes.fromhex(data)) == items
    assert _rebuild(items).hex() == data


DEVICE = ObjectInstance.of(
    0,
    {
        0: "Open Mobile Alliance",
        1: "Lightweight M2M Client",
        2: "345000123",
        3: "1.0",
        6: {0: 1, 1: 5},
        7: {0: 3800, 1: 5000},
        8: {0: 125, 1: 900},
        9: 100,
        10: 15,
        11: {0: 0},
        13: 1367491215,
        14: "+02:00",
        16: "U",
    },
)


def test_the_device_object_byte_for_byte() -> None:
    instance, whole = (bytes.fromhex(v["hex"]) for v in load("lwm2m/tlv.json")["vectors"][:2])
    assert decode(Format.TLV, Path(3, 0), instance, MODEL) == DEVICE
    assert encode(Format.TLV, Path(3, 0), DEVICE, MODEL) == instance
    assert decode(Format.TLV, Path(3), whole, MODEL) == ObjectNode(3, {0: DEVICE})
    assert encode(Format.TLV, Path(3), ObjectNode(3, {0: DEVICE}), MODEL) == whole
    assert decode(Format.TLV, Path(3, 0), whole, MODEL) == DEVICE


@pytest.mark.parametrize(
    ("value", "kind", "data"),
    [
        (0, ResourceType.INTEGER, "00"),
        (-1, ResourceType.INTEGER, "ff"),
        (127, ResourceType.INTEGER, "7f"),
        (128, ResourceType.INTEGER, "0080"),
        (-129, ResourceType.INTEGER, "ff7f"),
        (2**31, ResourceType.TIME, "0000000080000000"),
        (-(2**63), ResourceType.INTEGER, "8000000000000000"),
        (255, ResourceType.UNSIGNED, "ff"),
        (2**64 - 1, ResourceType.UNSIGNED, "ffffffffffffffff"),
        (1.5, ResourceType.FLOAT, "3fc00000"),
        (0.1, ResourceType.FLOAT, "3fb999999999999a"),
        (1e300, ResourceType.FLOAT, "7e37e43c8800759c"),
        (True, ResourceType.BOOLEAN, "01"),
        (ObjectLink(66, 0), ResourceType.OBJLNK, "00420000"),
        ("é", ResourceType.STRING, "c3a9"),
        (b"\0\1", ResourceType.OPAQUE, "0001"),
    ],
)
def test_values(value: Value, kind: ResourceType, data: str) -> None:
    assert tlv.encode_value(value, kind).hex() == data
    assert tlv.decode_value(bytes.fromhex(data), kind) == value


def test_a_whole_number_is_a_float_where_the_definition_says_so() -> None:
    assert tlv.encode_value(2, ResourceType.FLOAT).hex() == "40000000"


@pytest.mark.parametrize(
    ("data", "kind", "reason"),
    [
        ("", ResourceType.INTEGER, FormatReason.WRONG_TYPE),
        ("000000", ResourceType.TIME, FormatReason.WRONG_TYPE),
        ("02", ResourceType.BOOLEAN, FormatReason.WRONG_TYPE),
        ("00", ResourceType.OBJLNK, FormatReason.WRONG_TYPE),
        ("0000", ResourceType.FLOAT, FormatReason.WRONG_TYPE),
        ("ff", ResourceType.STRING, FormatReason.MALFORMED),
        ("", ResourceType.NONE, FormatReason.WRONG_TYPE),
    ],
)
def test_other_values_are_refused(data: str, kind: ResourceType, reason: FormatReason) -> None:
    with pytest.raises(FormatError) as caught:
        tlv.decode_value(bytes.fromhex(data), kind)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("path", "data", "reason"),
    [
        ("/3/0", "c1", FormatReason.TRUNCATED),
        ("/3/0", "c809", FormatReason.TRUNCATED),
        ("/3/0", "c10901c10901", FormatReason.DUPLICATE),
        ("/3/0", "810600", FormatReason.TRUNCATED),
        ("/3/0", "c10600", FormatReason.WRONG_LEVEL),
        ("/3/0", "410601", FormatReason.WRONG_LEVEL),
        ("/3/0", "8009", FormatReason.WRONG_LEVEL),
        ("/3/0", "e1ffff00", FormatReason.MALFORMED),
        ("/3/0", "080103c10901", FormatReason.OUTSIDE),
        ("/3", "080003c10901c10901", FormatReason.WRONG_LEVEL),
        ("/3", "080003c10901080003c10901", FormatReason.DUPLICATE),
        ("/3/0/9", "c10a00", FormatReason.OUTSIDE),
        ("/3/0/9", "", FormatReason.OUTSIDE),
        ("/3/0/6/0", "c10000", FormatReason.WRONG_LEVEL),
    ],
)
def test_structure_must_fit_the_path(path: str, data: str, reason: FormatReason) -> None:
    with pytest.raises(FormatError) as caught:
        decode(Format.TLV, Path.parse(path), bytes.fromhex(data), MODEL)
    assert caught.value.reason is reason


def test_items_are_bounded() -> None:
    with pytest.raises(FormatError) as caught:
        list(tlv.Reader().read(b"\xc0\x01" * (tlv.MAX_ITEMS + 1)))
    assert caught.value.reason is FormatReason.TOO_MANY
    # Those within others count too: 60 instances with 1200 resources each.
    body = b"".join(tlv.write(tlv.Item(tlv.Kind.RESOURCE, number, b"")) for number in range(1200))
    data = b"".join(tlv.write(tlv.Item(tlv.Kind.OBJECT_INSTANCE, number, body)) for number in range(60))
    with pytest.raises(FormatError) as caught:
        decode(Format.TLV, Path(4711), data, MODEL)
    assert caught.value.reason is FormatReason.TOO_MANY


def test_a_body_can_be_too_large() -> None:
    with pytest.raises(FormatError) as caught:
        tlv.write(tlv.Item(tlv.Kind.RESOURCE, 0, bytes(1 << 24)))
    assert caught.value.reason is FormatReason.TOO_LARGE


def test_a_create_without_instance_id() -> None:
    node = ObjectNode(33002, {UNASSIGNED: ObjectInstance.of(UNASSIGNED, {1: 0})})
    data = bytes.fromhex("c10100")
    assert decode(Format.TLV, Path(33002), data, MODEL) == node
    assert encode(Format.TLV, Path(33002), node, MODEL) == data
    assert decode(Format.TLV, Path(33003), data, MODEL) == ObjectNode(33003, {0: ObjectInstance.of(0, {1: 0})})


def test_a_resource_of_no_definition_keeps_its_bytes() -> None:
    assert decode(Format.TLV, Path(4711, 0, 1), bytes.fromhex("c10107"), MODEL) == Resource(1, b"\x07")
    several = decode(Format.TLV, Path(4711, 0, 1), bytes.fromhex("8301410005"), MODEL)
    assert several == MultipleResource(1, {0: b"\x05"})
