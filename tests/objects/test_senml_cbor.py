from __future__ import annotations

from typing import Any

import pytest

from cose import cbor
from objects import MODEL, FormatError, FormatReason, ObjectInstance, ObjectLink, ObjectNode, Path, Value, walk
from objects.formats import Format, decode, encode, lenient_cbor
from objects.formats import records as records_format
from objects.formats.records import Record
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
    data = records_format.encode(Format.SENML_CBOR, records, MODEL)
    assert records_format.decode(Format.SENML_CBOR, None, data, MODEL) == records
    empty = records_format.encode(Format.SENML_CBOR, (), MODEL)
    assert records_format.decode(Format.SENML_CBOR, None, empty, MODEL) == ()


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
