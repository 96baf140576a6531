"""Any tree of values goes through any format and back; any other bytes end in a typed error."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cose import cbor
from objects import (
    MODEL,
    FormatError,
    MultipleResource,
    ObjectInstance,
    ObjectLink,
    ObjectNode,
    Path,
    ResourceType,
    Value,
)
from objects.definition import ResourceDefinition
from objects.formats import Format, composite, decode, encode, lenient_cbor, lenient_json, link_format, records, tlv

VALUES: Mapping[ResourceType, st.SearchStrategy[Value]] = {
    ResourceType.STRING: st.text(max_size=300),
    ResourceType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    ResourceType.TIME: st.integers(0, 2**40),
    ResourceType.BOOLEAN: st.booleans(),
    ResourceType.OPAQUE: st.binary(max_size=300),
    ResourceType.OBJLNK: st.builds(ObjectLink, st.integers(0, 65535), st.integers(0, 65535)),
}
RECORD_FORMATS = [Format.SENML_JSON, Format.SENML_CBOR, Format.LWM2M_JSON, Format.LWM2M_CBOR]
TREE_FORMATS = [Format.TLV, *RECORD_FORMATS]


def _resource(definition: ResourceDefinition) -> st.SearchStrategy[Value | Mapping[int, Value]]:
    values = VALUES[definition.type]
    return st.dictionaries(st.integers(0, 65534), values, min_size=1, max_size=4) if definition.multiple else values


def _instances(number: int) -> st.SearchStrategy[ObjectInstance]:
    known = {i: r for i, r in MODEL[number].resources.items() if r.type is not ResourceType.NONE}
    resources = st.fixed_dictionaries({}, optional={i: _resource(r) for i, r in known.items()})
    return st.builds(ObjectInstance.of, st.just(0), resources)


INSTANCES = st.sampled_from([3, 33001, 33002]).flatmap(lambda n: st.tuples(st.just(n), _instances(n)))


@pytest.mark.parametrize("content_format", TREE_FORMATS)
@given(INSTANCES)
def test_every_level_of_a_tree(content_format: Format, pair: tuple[int, ObjectInstance]) -> None:
    number, instance = pair
    path = Path(number, 0)
    assert decode(content_format, path, encode(content_format, path, instance, MODEL), MODEL) == instance
    if instance.resources:
        whole = ObjectNode(number, {0: instance})
        data = encode(content_format, Path(number), whole, MODEL)
        assert decode(content_format, Path(number), data, MODEL) == whole
    for i, resource in instance.resources.items():
        data = encode(content_format, path.child(i), resource, MODEL)
        assert decode(content_format, path.child(i), data, MODEL) == resource
        assert isinstance(resource, MultipleResource) == MODEL[number][i].multiple


@pytest.mark.parametrize("content_format", [Format.TEXT, Format.CBOR, *TREE_FORMATS])
@pytest.mark.parametrize("path", ["/3", "/3/0", "/3/0/13", "/33002/0/6", "/33002/0/6/1"])
@given(data=st.binary(max_size=200))
def test_any_bytes_end_in_a_value_or_a_typed_error(content_format: Format, path: str, data: bytes) -> None:
    _value_or_typed_error(lambda d: decode(content_format, Path.parse(path), d, MODEL), data)


@pytest.mark.parametrize("content_format", TREE_FORMATS)
@given(INSTANCES, st.data())
def test_mutated_bytes_too(content_format: Format, pair: tuple[int, ObjectInstance], draw: st.DataObject) -> None:
    _mutate(content_format, pair, draw)


def _mutate(content_format: Format, pair: tuple[int, ObjectInstance], draw: st.DataObject) -> None:
    path = Path(pair[0], 0)
    data = bytearray(encode(content_format, path, pair[1], MODEL))
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data)))
        data[at : at + draw.draw(st.integers(0, 2))] = draw.draw(st.binary(max_size=2))
    _value_or_typed_error(lambda d: decode(content_format, path, d, MODEL), bytes(data))


@pytest.mark.soak
@pytest.mark.parametrize("content_format", TREE_FORMATS)
@settings(max_examples=5000)
@given(INSTANCES, st.data())
def test_many_mutated_bytes(content_format: Format, pair: tuple[int, ObjectInstance], draw: st.DataObject) -> None:
    _mutate(content_format, pair, draw)


@pytest.mark.parametrize("content_format", RECORD_FORMATS)
@given(st.binary(max_size=200))
def test_composite_payloads_too(content_format: Format, data: bytes) -> None:
    _value_or_typed_error(lambda d: composite.decode_paths(content_format, d), data)
    _value_or_typed_error(lambda d: composite.decode_values(content_format, d, MODEL), data)
    _value_or_typed_error(lambda d: records.decode(content_format, None, d, MODEL), data)


NAMES = st.sampled_from(["bn", "bt", "bv", "bver", "n", "v", "vs", "vb", "vd", "vlo", "t", "s", "e", "sv", "ov", "x_"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats()
    | st.sampled_from(["/3/0/9", "/3/0/", "9", "6/0", "/33001/0/13", "q83v", "3:0", "", "\ud800"])
)
FIELDS = st.dictionaries(NAMES, LEAVES | st.lists(LEAVES, max_size=2), max_size=5)


@pytest.mark.parametrize("content_format", [Format.SENML_JSON, Format.LWM2M_JSON])
@given(st.lists(FIELDS, max_size=4))
def test_packs_of_any_fields(content_format: Format, pack: list[object]) -> None:
    data = json.dumps(pack if content_format is Format.SENML_JSON else {"e": pack}).encode()
    _value_or_typed_error(lambda d: decode(content_format, Path(3, 0), d, MODEL), data)
    _value_or_typed_error(lambda d: records.decode(content_format, None, d, MODEL), data)


LABELS = st.integers(-7, 9) | st.sampled_from(["vlo", "x_", "x"])
CBOR_LEAVES = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats() | st.binary(max_size=3)
CBOR_TEXTS = st.sampled_from(["/3/0/9", "/3/0/", "9", "6/0", "3:0", ""])


@given(st.lists(st.dictionaries(LABELS, CBOR_LEAVES | CBOR_TEXTS, max_size=5), max_size=4))
def test_packs_of_any_labels(pack: object) -> None:
    _value_or_typed_error(lambda d: decode(Format.SENML_CBOR, Path(3, 0), d, MODEL), cbor.encode(pack))


@given(st.recursive(CBOR_LEAVES, lambda below: st.dictionaries(st.integers(-1, 70000), below, max_size=3)))
def test_trees_of_any_ids(tree: object) -> None:
    _value_or_typed_error(lambda d: composite.decode_values(Format.LWM2M_CBOR, d, MODEL), cbor.encode(tree))
    _value_or_typed_error(lambda d: composite.decode_paths(Format.LWM2M_CBOR, d), cbor.encode(tree))


VALUES_ANYWHERE = st.dictionaries(
    st.sampled_from([Path(3, 0, 9), Path(3, 0, 6, 1), Path(3, 0, 6, 2), Path(1, 1, 1), Path(33001, 0, 2)]),
    st.none() | VALUES[ResourceType.INTEGER],
    max_size=5,
)


@pytest.mark.parametrize("content_format", RECORD_FORMATS)
@given(VALUES_ANYWHERE)
def test_values_anywhere(content_format: Format, values: dict[Path, Value | None]) -> None:
    data = composite.encode_values(content_format, values, MODEL)
    assert composite.decode_values(content_format, data, MODEL) == values


@given(st.binary(max_size=200))
def test_parsers_below_too(data: bytes) -> None:
    _value_or_typed_error(lambda d: list(tlv.Reader().read(d)), data)
    _value_or_typed_error(lambda d: lenient_cbor.decode(d, max_size=100), data)
    _value_or_typed_error(lenient_json.load, data)
    _value_or_typed_error(link_format.parse, data)


def _value_or_typed_error(read: Callable[[bytes], object], data: bytes) -> None:
    try:
        read(data)
    except FormatError:
        return
