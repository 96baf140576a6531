from __future__ import annotations

from typing import Any

import pytest

from cose import cbor
from objects import MODEL, FormatError, FormatReason, ObjectInstance, ObjectLink, ObjectNode, Path, Value, walk
from objects.formats import Format, decode, encode, lenient_cbor, senml_cbor
from objects.formats.senml_cbor import Record
from tests.objects.vectors import load


def _value(raw: Any) -> Value:
    if isinstance(raw, dict):
        if "bytes" in raw:
            return bytes.fromhex(raw["bytes"])
        first, second = raw["link"].split(":")
        return ObjectLink(int(first), int(second))
    value: Value = raw
    return value


@pytest.mark.parametrize("vector", load("senml/lwm2m.json")["vectors"], ids=lambda v: v["path"])
def test_vectors(vector: dict[str, Any]) -> None:
    path = Path.parse(vector["path"])
    node = decode(Format.SENML_CBOR, path, bytes.fromhex(vector["hex"]), MODEL)
    assert dict(walk(path, node)) == {Path.parse(p): _value(v) for p, v in vector["values"].items()}
    assert decode(Format.SENML_CBOR, path, encode(Format.SENML_CBOR, path, node, MODEL), MODEL) == node


def test_the_example_of_the_rfc_is_read_number_by_number() -> None:
    example = load("senml/rfc8428.json")
    pack = lenient_cbor.decode(bytes.fromhex(example["hex"]), max_size=1000)
    assert pack == [dict(map(tuple, record)) for record in example["records"]]


def test_records_anywhere_in_the_model() -> None:
    records = (
        Record(Path(33001, 0, 1), 7),
        Record(Path(33001, 0, 13), b"report"),
        Record(Path(3, 0, 9), 50, time=1700000000),
    )
    data = senml_cbor.encode_records(records, MODEL)
    assert senml_cbor.decode_records(data, MODEL) == records
    assert senml_cbor.decode_records(senml_cbor.encode_records((), MODEL), MODEL) == ()


def test_one_base_name_saves_the_others() -> None:
    node = ObjectInstance.of(0, {9: 1, 10: 2})
    assert encode(Format.SENML_CBOR, Path(3, 0), node, MODEL) == cbor.encode(
        [{-2: "/3/0/", 0: "9", 2: 1}, {0: "10", 2: 2}]
    )


def test_an_empty_node_has_a_base_name_alone() -> None:
    empty = ObjectNode(33002, {})
    data = encode(Format.SENML_CBOR, Path(33002), empty, MODEL)
    assert data == cbor.encode([{-2: "/33002/"}])
    assert decode(Format.SENML_CBOR, Path(33002), data, MODEL) == empty


def test_the_newest_of_several_values_counts() -> None:
    pack = [{-3: 1000, 0: "/3/0/9", 2: 1}, {0: "/3/0/9", 6: 5, 2: 2}, {0: "/3/0/9", 6: 3, 2: 3}]
    node = decode(Format.SENML_CBOR, Path(3, 0, 9), cbor.encode(pack), MODEL)
    assert [value for _, value in walk(Path(3, 0, 9), node)] == [2]


def test_resources_of_no_definition_show_their_type() -> None:
    pack = cbor.encode(
        [{-2: "/4711/0/", 0: "1", 2: 1.5}, {0: "2/7", 3: "x"}, {0: "3", "vlo": "1:2"}, {0: "4", 4: True}]
    )
    node = decode(Format.SENML_CBOR, Path(4711, 0), pack, MODEL)
    assert node == ObjectInstance.of(0, {1: 1.5, 2: {7: "x"}, 3: ObjectLink(1, 2), 4: True})


@pytest.mark.parametrize(
    ("pack", "reason"),
    [
        ({}, FormatReason.MALFORMED),
        ([1], FormatReason.MALFORMED),
        ([{0: "/3/0/9", 2: 1, 3: "x"}], FormatReason.MALFORMED),
        ([{0: "/3/0/x", 2: 1}], FormatReason.MALFORMED),
        ([{0: 5, 2: 1}], FormatReason.MALFORMED),
        ([{0: "/" + "3" * 99, 2: 1}], FormatReason.MALFORMED),
        ([{0: "/3/1/9", 2: 1}], FormatReason.OUTSIDE),
        ([{0: "/3/0/9/0", 2: 1}], FormatReason.WRONG_LEVEL),
        ([{0: "/3/0/6", 2: 1}], FormatReason.WRONG_LEVEL),
        ([{0: "/3/0", 2: 1}], FormatReason.WRONG_LEVEL),
        ([{0: "/3/0/9", 3: "1"}], FormatReason.WRONG_TYPE),
        ([{0: "/3/0/9", 2: "1"}], FormatReason.WRONG_TYPE),
        ([{0: "/3/0/9", 2: True}], FormatReason.WRONG_TYPE),
        ([{0: "/3/0/9", 2: 1.5}], FormatReason.WRONG_TYPE),
        ([{0: "/3/0/9", 2: float("nan")}], FormatReason.WRONG_TYPE),
        ([{0: "/3/0/9", 2: 2**63}], FormatReason.WRONG_TYPE),
        ([{0: "/3/0/4", 2: 1}], FormatReason.WRONG_TYPE),
        ([{0: "/3/0/22/0", "vlo": "1"}], FormatReason.WRONG_TYPE),
        ([{-3: "now", 0: "/3/0/9", 2: 1}], FormatReason.WRONG_TYPE),
        ([{0: "/3/0/9", 2: 1}, {0: "/3/0/9", 2: 1}], FormatReason.DUPLICATE),
        ([{0: "/3/0/9", 5: 1}], FormatReason.UNSUPPORTED),
        ([{0: "/3/0/9", 2: 1, "must_": 1}], FormatReason.UNSUPPORTED),
        ([{-1: 11, 0: "/3/0/9", 2: 1}], FormatReason.UNSUPPORTED),
    ],
)
def test_other_packs_are_refused(pack: Any, reason: FormatReason) -> None:
    with pytest.raises(FormatError) as caught:
        decode(Format.SENML_CBOR, Path(3, 0), cbor.encode(pack), MODEL)
    assert caught.value.reason is reason


def test_a_multiple_resource_needs_instances() -> None:
    with pytest.raises(FormatError) as caught:
        decode(Format.SENML_CBOR, Path(3, 0, 9), cbor.encode([]), MODEL)
    assert caught.value.reason is FormatReason.WRONG_LEVEL


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("1900ff", 255),
        ("3900ff", -256),
        ("5f4101420203ff", b"\1\2\3"),
        ("7f6161626263ff", "abc"),
        ("9f01ff", [1]),
        ("bf6161f5ff", {"a": True}),
        ("f6", None),
        ("f93c00", 1.0),
        ("fa3fc00000", 1.5),
    ],
)
def test_cbor_as_others_write_it(data: str, value: Any) -> None:
    assert lenient_cbor.decode(bytes.fromhex(data), max_size=100) == value


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", FormatReason.TRUNCATED),
        ("0101", FormatReason.TRAILING),
        ("5bffffffffffffffff", FormatReason.TRUNCATED),
        ("9bffffffffffffffff", FormatReason.TOO_MANY),
        ("bbffffffffffffffff", FormatReason.TOO_MANY),
        ("a201010102", FormatReason.DUPLICATE),
        ("a1f501", FormatReason.MALFORMED),
        ("a1f93c0001", FormatReason.MALFORMED),
        ("c11a00000000", FormatReason.MALFORMED),
        ("d81c80", FormatReason.MALFORMED),
        ("ff", FormatReason.MALFORMED),
        ("81ff", FormatReason.MALFORMED),
        ("bf01ff", FormatReason.MALFORMED),
        ("1f", FormatReason.MALFORMED),
        ("1c", FormatReason.MALFORMED),
        ("e0", FormatReason.MALFORMED),
        ("5f6161ff", FormatReason.MALFORMED),
        ("5f5f4101ffff", FormatReason.MALFORMED),
        ("61ff", FormatReason.MALFORMED),
        ("8181818181", FormatReason.MALFORMED),
        ("9f9f9f9f9f", FormatReason.MALFORMED),
    ],
)
def test_cbor_is_bounded_and_well_formed(data: str, reason: FormatReason) -> None:
    with pytest.raises(FormatError) as caught:
        lenient_cbor.decode(bytes.fromhex(data), max_size=100)
    assert caught.value.reason is reason


def test_cbor_has_a_size_and_a_count() -> None:
    with pytest.raises(FormatError) as caught:
        lenient_cbor.decode(b"\x80" * 101, max_size=100)
    assert caught.value.reason is FormatReason.TOO_LARGE
    with pytest.raises(FormatError) as caught:
        lenient_cbor.decode(b"\x9f" + b"\1" * 50 + b"\xff", max_size=100, max_items=20)
    assert caught.value.reason is FormatReason.TOO_MANY
