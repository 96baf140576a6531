"""Payloads of every format that carries several values, and the mistakes each can hold."""

from __future__ import annotations

from typing import Any

import pytest

from objects import (
    MODEL,
    FormatError,
    FormatReason,
    ObjectInstance,
    ObjectLink,
    ObjectNode,
    Path,
    Resource,
    Value,
    walk,
)
from objects.formats import Format, decode, encode, lenient_json
from objects.path import UNASSIGNED
from tests.objects.vectors import load


def _value(raw: Any) -> Value:
    if isinstance(raw, dict):
        if "bytes" in raw:
            return bytes.fromhex(raw["bytes"])
        first, second = raw["link"].split(":")
        return ObjectLink(int(first), int(second))
    value: Value = raw
    return value


def _bytes(vector: dict[str, Any]) -> bytes:
    return bytes.fromhex(vector["hex"]) if "hex" in vector else vector["text"].encode()


@pytest.mark.parametrize("vector", load("lwm2m/payloads.json")["vectors"], ids=lambda v: f"{v['format']}-{v['origin']}")
def test_vectors(vector: dict[str, Any]) -> None:
    path, content_format = Path.parse(vector["path"]), vector["format"]
    node = decode(content_format, path, _bytes(vector), MODEL)
    found = dict(walk(path, node))
    assert found == {Path.parse(p): _value(v) for p, v in vector["values"].items()}
    assert [type(v) for v in found.values()] == [type(_value(vector["values"][str(p)])) for p in found]
    assert decode(content_format, path, encode(content_format, path, node, MODEL), MODEL) == node


def _refused(content_format: int, path: str, data: bytes) -> FormatReason:
    with pytest.raises(FormatError) as caught:
        decode(content_format, Path.parse(path), data, MODEL)
    return caught.value.reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("80", FormatReason.MALFORMED),
        ("00", FormatReason.MALFORMED),
        ("a1613301", FormatReason.MALFORMED),
        ("a12001", FormatReason.MALFORMED),
        ("a119ffff01", FormatReason.MALFORMED),
        ("a18001", FormatReason.MALFORMED),
        ("a185030009000001", FormatReason.MALFORMED),
        ("a103a100a109a100a10001", FormatReason.MALFORMED),
        ("a1f501", FormatReason.MALFORMED),
        ("a301a0a0a0", FormatReason.MALFORMED),
        ("a104a100a10001", FormatReason.OUTSIDE),
        ("a10301", FormatReason.OUTSIDE),
        ("a103a10001", FormatReason.WRONG_LEVEL),
        ("a103a100a109a10001", FormatReason.WRONG_LEVEL),
        ("a103a100a10601", FormatReason.WRONG_LEVEL),
        ("a103a100a1096131", FormatReason.WRONG_TYPE),
        ("a103a100a109f5", FormatReason.WRONG_TYPE),
        ("a103a100a1098101", FormatReason.WRONG_TYPE),
        ("a103a100a109f93e00", FormatReason.WRONG_TYPE),
        ("a103a100a1091bffffffffffffffff", FormatReason.WRONG_TYPE),
        ("a103a100a106a1006131", FormatReason.WRONG_TYPE),
        ("a103a100a116a1006131", FormatReason.WRONG_TYPE),
        ("a203a100a109018303000902", FormatReason.DUPLICATE),
        ("a103a100a209010902", FormatReason.DUPLICATE),
        ("a103a100a109", FormatReason.TRUNCATED),
        ("a103a100a1090100", FormatReason.TRAILING),
    ],
)
def test_lwm2m_cbor_is_exact(data: str, reason: FormatReason) -> None:
    assert _refused(Format.LWM2M_CBOR, "/3/0", bytes.fromhex(data)) is reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", FormatReason.MALFORMED),
        ("[", FormatReason.MALFORMED),
        ("[]]", FormatReason.MALFORMED),
        ("{}", FormatReason.MALFORMED),
        ("[1]", FormatReason.MALFORMED),
        ("[{]", FormatReason.MALFORMED),
        ("\ufeff[]", FormatReason.MALFORMED),
        ('[{"n":"/3/0/9","v":NaN}]', FormatReason.MALFORMED),
        ('[{"n":"/3/0/9","v":-Infinity}]', FormatReason.MALFORMED),
        ('[{"n":"/3/0/9","v":1e999}]', FormatReason.MALFORMED),
        ('[{"n":"/3/0/9","v":' + "9" * 30 + "}]", FormatReason.MALFORMED),
        ('[{"n":"/3/0/14","vs":"\\ud800"}]', FormatReason.MALFORMED),
        ('[{"n":"/3/0/9","v":1,"v":2}]', FormatReason.DUPLICATE),
        ('[{"n":"/3/0/14","vd":"+/8"}]', FormatReason.WRONG_TYPE),
        ('[{"n":"/3/0/14","vd":"A"}]', FormatReason.WRONG_TYPE),
        ('[{"n":"/3/0/14","vd":1}]', FormatReason.WRONG_TYPE),
        ('[{"n":"/3/0/9","v":null}]', FormatReason.WRONG_TYPE),
        ('[{"n":"/3/0/9","v":true}]', FormatReason.WRONG_TYPE),
        ('[{"n":"/3/0/9","v":[1]}]', FormatReason.WRONG_TYPE),
        ('[{"n":"/3/0/22/0","vlo":"1"}]', FormatReason.WRONG_TYPE),
        ('[{"n":"/3/0/9","s":1}]', FormatReason.UNSUPPORTED),
        ("[" * 100000, FormatReason.MALFORMED),
        ("[" + "{}," * (1 << 18) + "{}]", FormatReason.TOO_MANY),
    ],
)
def test_senml_json_is_exact(data: str, reason: FormatReason) -> None:
    assert _refused(Format.SENML_JSON, "/3/0", data.encode()) is reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("[]", FormatReason.MALFORMED),
        ('{"e":{}}', FormatReason.MALFORMED),
        ('{"e":[1]}', FormatReason.MALFORMED),
        ('{"bn":1,"e":[]}', FormatReason.MALFORMED),
        ('{"bn":"/3/0/","e":[{"n":"x","v":1}]}', FormatReason.MALFORMED),
        ('{"bn":"/3/0/","e":[{"n":"9","v":1,"sv":"1"}]}', FormatReason.MALFORMED),
        ('{"bn":"/4/0/","e":[{"n":"9","v":1}]}', FormatReason.OUTSIDE),
        ('{"bn":"/3/0/","e":[{"n":"9","sv":"1"}]}', FormatReason.WRONG_TYPE),
        ('{"bn":"/3/0/","e":[{"n":"22/0","ov":"1"}]}', FormatReason.WRONG_TYPE),
    ],
)
def test_lwm2m_json_is_exact(data: str, reason: FormatReason) -> None:
    assert _refused(Format.LWM2M_JSON, "/3/0", data.encode()) is reason


def test_not_utf_8() -> None:
    for content_format in (Format.SENML_JSON, Format.LWM2M_JSON):
        assert _refused(content_format, "/3/0", b'[{"n":"\xff"}]') is FormatReason.MALFORMED


def test_opaque_text_of_lwm2m_json_is_base64() -> None:
    data = b'{"bn":"/33001/0/","e":[{"n":"13","sv":"*"}]}'
    assert _refused(Format.LWM2M_JSON, "/33001/0", data) is FormatReason.WRONG_TYPE


def test_a_number_json_cannot_carry_is_not_written() -> None:
    with pytest.raises(FormatError) as caught:
        encode(Format.SENML_JSON, Path(6, 0, 0), Resource(0, float("nan")), MODEL)
    assert caught.value.reason is FormatReason.UNSUPPORTED


@pytest.mark.parametrize("content_format", [Format.SENML_JSON, Format.SENML_CBOR, Format.LWM2M_JSON, Format.LWM2M_CBOR])
def test_only_tlv_leaves_an_instance_without_number(content_format: Format) -> None:
    node = ObjectNode(33002, {UNASSIGNED: ObjectInstance.of(UNASSIGNED, {1: 0})})
    with pytest.raises(FormatError) as caught:
        encode(content_format, Path(33002), node, MODEL)
    assert caught.value.reason is FormatReason.UNSUPPORTED


@pytest.mark.parametrize("content_format", [Format.SENML_JSON, Format.SENML_CBOR, Format.LWM2M_JSON, Format.LWM2M_CBOR])
def test_an_object_without_instances(content_format: Format) -> None:
    empty = ObjectNode(33002, {})
    data = encode(content_format, Path(33002), empty, MODEL)
    assert decode(content_format, Path(33002), data, MODEL) == empty


def test_json_is_small_and_bounded() -> None:
    assert lenient_json.dump({"a": [1, "é"]}) == '{"a":[1,"é"]}'.encode()
    with pytest.raises(FormatError) as caught:
        lenient_json.load(b" " * (4 << 20) + b"1")
    assert caught.value.reason is FormatReason.TOO_LARGE
