"""Every operation: the request it makes, the answer it takes, and what it refuses to send (LwM2M Core 1.2, 6.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_server.protocol import operations
from lwm2m_server.protocol.errors import AnswerUnusable, DeviceError, DeviceRefused
from lwm2m_server.protocol.operations import Found, Steps, Target
from objects.attributes import Attributes
from objects.errors import FormatError, InvalidValue
from objects.formats import composite, decode, encode
from objects.model import MODEL
from objects.nodes import ObjectInstance, ObjectNode, Resource, ResourceInstance
from objects.path import UNASSIGNED, Path
from objects.values import Value
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from tests.lwm2m_server.protocol.driving import content, drive, target

TEXT, OPAQUE, LINKS = ContentFormat.TEXT, ContentFormat.OCTET_STREAM, ContentFormat.LINK_FORMAT
TLV, CBOR = ContentFormat.LWM2M_TLV, ContentFormat.SENML_CBOR
CHANGED, CREATED, DELETED = Response(Code.CHANGED), Response(Code.CREATED), Response(Code.DELETED)


# ---- Read ----------------------------------------------------------------------------------------


def test_read_a_resource() -> None:
    node, asked = drive(operations.read(target(), Path(3, 0, 0)), content(b"Example Ltd", TEXT))
    assert node == Resource(0, "Example Ltd")
    assert asked == [Request(Code.GET, ("3", "0", "0"), accept=TEXT)]


def test_read_a_resource_instance_and_an_opaque_one() -> None:
    node, _ = drive(operations.read(target(), Path(3, 0, 11, 2)), content(b"7", TEXT))
    assert node == ResourceInstance(2, 7)
    node, asked = drive(operations.read(target(), Path(33001, 0, 14)), content(b"\xff", None))
    assert (node, asked[0].accept) == (Resource(14, b"\xff"), OPAQUE)


@pytest.mark.parametrize("node", [ObjectNode(3, {0: ObjectInstance.of(0, {0: "x", 11: {0: 0, 1: 5}})})])
def test_read_an_object_in_whatever_format_it_comes(node: ObjectNode) -> None:
    for used in (TLV, CBOR, ContentFormat.SENML_JSON, ContentFormat.LWM2M_CBOR):
        answer = content(encode(used, Path(3), node, MODEL), used)
        assert drive(operations.read(target(), Path(3)), answer)[0] == node


def test_an_alternate_root_precedes_every_path() -> None:
    device = target(root=("lwm2m",))
    _, asked = drive(operations.read(device, Path(3, 0, 0)), content(b"x", TEXT))
    assert asked[0].path == ("lwm2m", "3", "0", "0")
    links = b"</lwm2m/3/0>,</lwm2m/3/0/0>,</3/0/1>,</lwm2m>"
    found, asked = drive(operations.discover(device, Path(3, 0)), content(links, LINKS))
    assert [str(one.path) for one in found] == ["/3/0", "/3/0/0"]


def test_an_alternate_root_is_part_of_names_in_payloads() -> None:
    device = target("1.1", CBOR, root=("lwm2m",))
    values: dict[Path, Value | None] = {Path(3, 0, 14): "+02:00"}
    answer = content(composite.encode_values(CBOR, values, MODEL, root=("lwm2m",)), CBOR)
    node, _ = drive(operations.read(device, Path(3, 0)), answer)
    assert node == ObjectInstance.of(0, {14: "+02:00"})
    found, asked = drive(operations.read_composite(device, (Path(3, 0),)), answer)
    assert found == values
    assert b"/lwm2m/3/0" in asked[0].payload
    _, asked = drive(operations.write_composite(device, values), Response(Code.CHANGED))
    assert b"/lwm2m/3/0/14" in asked[0].payload


def test_what_has_no_definition_is_read_in_a_format_that_shows_types() -> None:
    answer = content(composite.encode_values(CBOR, {Path(40000, 0, 1): 2.5}, MODEL), CBOR)
    node, asked = drive(operations.read(target(), Path(40000, 0, 1)), answer)
    assert (node, asked[0].accept) == (Resource(1, 2.5), CBOR)


def test_what_is_not_readable_is_not_asked_for() -> None:
    with pytest.raises(InvalidValue, match="Device/Reboot"):
        drive(operations.read(target(), Path(3, 0, 4)))


# ---- Write ---------------------------------------------------------------------------------------


def test_write_a_resource() -> None:
    _, asked = drive(operations.write(target(), Path(3, 0, 14), Resource(14, "+02")), CHANGED)
    assert asked == [Request(Code.PUT, ("3", "0", "14"), payload=b"+02", content_format=TEXT)]


def test_update_an_instance_and_replace_one() -> None:
    node = ObjectInstance.of(0, {14: "+02"})
    _, asked = drive(operations.update(target(), Path(3, 0), node), CHANGED)
    assert (asked[0].method, asked[0].content_format) == (Code.POST, CBOR)
    assert decode(CBOR, Path(3, 0), asked[0].payload, MODEL) == node
    _, asked = drive(operations.write(target("1.0"), Path(3, 0), node), CHANGED)
    assert (asked[0].method, asked[0].content_format) == (Code.PUT, TLV)


def test_a_written_format_the_device_does_not_take_is_replaced() -> None:
    device, node = target(), ObjectInstance.of(0, {14: "+02"})
    answers = [Response(Code.UNSUPPORTED_CONTENT_FORMAT), Response(Code.NOT_ACCEPTABLE), CHANGED]
    _, asked = drive(operations.update(device, Path(3, 0), node), *answers)
    assert [one.content_format for one in asked] == [CBOR, ContentFormat.SENML_JSON, TLV]
    _, asked = drive(operations.update(device, Path(3, 0), node), CHANGED)
    assert [one.content_format for one in asked] == [TLV]


@pytest.mark.parametrize(
    ("path", "node", "names"),
    [
        (Path(3, 0, 0), Resource(0, "mine"), "Device/Manufacturer.*cannot be written"),
        (Path(3, 0, 14), Resource(14, 7), "Device/UTC Offset.*must be String"),
        (Path(1, 0, 1), Resource(1, "soon"), "LwM2M Server/Lifetime.*must be Integer"),
        (Path(1, 0, 0), Resource(0, 0), "Short Server ID"),
        (Path(3), ObjectNode(3, {0: ObjectInstance(0)}), "object cannot be written"),
        (Path(3, 0, 11), Resource(11, 1), "Error Code"),
    ],
)
def test_wrong_values_name_the_resource_and_the_rule_and_send_nothing(path: Path, node: Any, names: str) -> None:
    with pytest.raises(InvalidValue, match=names):
        drive(operations.write(target(), path, node))


def test_what_has_no_definition_is_written_by_the_type_of_the_value() -> None:
    _, asked = drive(operations.write(target("1.0"), Path(40000, 0, 1), Resource(1, 2.5)), CHANGED)
    assert asked[0].payload == bytes.fromhex("c40140200000")
    assert asked[0].content_format == TLV


# ---- Create, Delete, Execute ---------------------------------------------------------------------

TEST = 3442
VALUES: dict[int, Value] = {110: "text", 120: -7}


def test_create_with_and_without_a_number() -> None:
    created = Response(Code.CREATED, location_path=("3442", "4"))
    for version in ("1.0", "1.1", "1.2"):
        path, asked = drive(operations.create(target(version), TEST, ObjectInstance.of(UNASSIGNED, VALUES)), created)
        assert (path, asked[0].method, asked[0].path) == (Path(TEST, 4), Code.POST, ("3442",))
    path, asked = drive(operations.create(target(), TEST, ObjectInstance.of(7, VALUES)), CREATED)
    assert path == Path(TEST, 7)
    sent = decode(CBOR, Path(TEST), asked[0].payload, MODEL)
    assert isinstance(sent, ObjectNode)
    assert set(sent.instances) == {7}


@pytest.mark.parametrize("location", [(), ("2", "4"), ("3442",), ("3442", "4", "0"), ("x",), ("3442", "65535")])
def test_a_create_answered_without_a_place_is_told(location: tuple[str, ...]) -> None:
    answer = Response(Code.CREATED, location_path=location)
    with pytest.raises(AnswerUnusable):
        drive(operations.create(target(), TEST, ObjectInstance.of(UNASSIGNED, VALUES)), answer)


def test_what_is_mandatory_may_not_be_missing() -> None:
    lacking = ObjectInstance.of(0, {6: False, 7: "U"})
    with pytest.raises(InvalidValue, match=r"Lifetime.*mandatory"):
        drive(operations.write(target(), Path(1, 0), lacking))


def test_delete() -> None:
    _, asked = drive(operations.delete(target(), Path(1, 4)), DELETED)
    assert asked == [Request(Code.DELETE, ("1", "4"))]
    _, asked = drive(operations.delete(target("1.2"), Path(3, 0, 11, 1)), DELETED)
    for version, path in (("1.1", Path(3, 0, 11, 1)), ("1.2", Path(3)), ("1.2", Path(3, 0, 1))):
        with pytest.raises(InvalidValue, match="can be deleted"):
            drive(operations.delete(target(version), path))


def test_execute_with_arguments() -> None:
    _, asked = drive(operations.execute(target(), Path(3, 0, 4), {}), CHANGED)
    assert asked == [Request(Code.POST, ("3", "0", "4"))]
    _, asked = drive(operations.execute(target(), Path(33001, 0, 4), {1: None, 0: "65537"}), CHANGED)
    assert (asked[0].payload, asked[0].content_format) == (b"0='65537',1", TEXT)
    for path, arguments in (
        (Path(3, 0, 0), {}),
        (Path(3, 0), {}),
        (Path(3, 0, 4), {0: "it's"}),
        (Path(3, 0, 4), {10: ""}),
    ):
        with pytest.raises(InvalidValue):
            drive(operations.execute(target(), path, arguments))


# ---- Discover and attributes ---------------------------------------------------------------------


def test_discover_reads_attributes() -> None:
    links = b"</3/0>;pmin=10,</3/0/7>;dim=8;gt=50;lt=42.2,</3/0/8>,</5>;ver=1.1"
    found, asked = drive(operations.discover(target(), Path(3, 0)), content(links, LINKS))
    assert asked == [Request(Code.GET, ("3", "0"), accept=LINKS)]
    assert found == (
        Found(Path(3, 0), Attributes(pmin=10)),
        Found(Path(3, 0, 7), Attributes(dim=8, gt=50.0, lt=42.2)),
        Found(Path(3, 0, 8), Attributes()),
        Found(Path(5), Attributes(ver="1.1")),
    )


def test_depth_needs_the_version_that_has_it() -> None:
    _, asked = drive(operations.discover(target("1.2"), Path(3), depth=3), content(b"", LINKS))
    assert asked[0].query == ("depth=3",)
    for version, depth in (("1.1", 1), ("1.2", 4), ("1.2", -1)):
        with pytest.raises(InvalidValue, match="depth"):
            drive(operations.discover(target(version), Path(3), depth=depth))


def test_write_attributes() -> None:
    attributes = Attributes(pmin=10, pmax=60, removed=frozenset({"st"}))
    _, asked = drive(operations.write_attributes(target(), Path(1, 0, 1), attributes), CHANGED)
    assert asked == [Request(Code.PUT, ("1", "0", "1"), query=("pmin=10", "pmax=60", "st"))]
    with pytest.raises(InvalidValue, match="pmin"):
        drive(operations.write_attributes(target(), Path(1, 0, 1), Attributes(pmin=60, pmax=10)))


# ---- Composite -----------------------------------------------------------------------------------


def test_read_composite() -> None:
    paths = [Path(3, 0, 0), Path(1, 0)]
    values: dict[Path, Value | None] = {Path(3, 0, 0): "Example Ltd", Path(1, 0, 1): 60}
    answer = content(composite.encode_values(CBOR, values, MODEL), CBOR)
    found, asked = drive(operations.read_composite(target(), paths), answer)
    assert found == values
    assert (asked[0].method, asked[0].path, asked[0].content_format, asked[0].accept) == (Code.FETCH, (), CBOR, CBOR)
    assert list(composite.decode_paths(CBOR, asked[0].payload)) == paths


def test_write_composite() -> None:
    values: dict[Path, Value | None] = {Path(3, 0, 14): "+02", Path(1, 0, 1): 60}
    _, asked = drive(operations.write_composite(target(), values), CHANGED)
    assert (asked[0].method, asked[0].content_format) == (Code.IPATCH, CBOR)
    assert composite.decode_values(CBOR, asked[0].payload, MODEL) == values
    with pytest.raises(InvalidValue, match="Lifetime"):
        drive(operations.write_composite(target(), {**values, Path(1, 0, 1): "long"}))
    with pytest.raises(InvalidValue, match="resource instance"):
        drive(operations.write_composite(target(), {Path(3, 0, 14): None}))


def test_composite_operations_are_bounded_and_need_1_1() -> None:
    for device, paths in ((target("1.0"), [Path(3)]), (target(), []), (target(), [Path(3, 0, i) for i in range(65)])):
        with pytest.raises(InvalidValue, match="composite"):
            drive(operations.read_composite(device, paths))


# ---- Answers -------------------------------------------------------------------------------------

EVERY: list[Callable[[Target], Steps[Any]]] = [
    lambda device: operations.read(device, Path(3, 0, 0)),
    lambda device: operations.read(device, Path(3, 0)),
    lambda device: operations.read(device, Path(40000, 0, 1)),
    lambda device: operations.write(device, Path(3, 0, 14), Resource(14, "x")),
    lambda device: operations.update(device, Path(3, 0), ObjectInstance.of(0, {14: "x"})),
    lambda device: operations.create(device, TEST, ObjectInstance.of(UNASSIGNED, VALUES)),
    lambda device: operations.delete(device, Path(1, 4)),
    lambda device: operations.execute(device, Path(3, 0, 4), {}),
    lambda device: operations.discover(device, Path(3)),
    lambda device: operations.write_attributes(device, Path(3), Attributes(pmin=1)),
    lambda device: operations.read_composite(device, [Path(3), Path(1)]),
    lambda device: operations.write_composite(device, {Path(1, 0, 1): 60}),
]


@pytest.mark.parametrize("operation", EVERY)
def test_refusals_carry_code_and_diagnostic(operation: Callable[[Target], Steps[Any]]) -> None:
    with pytest.raises(DeviceRefused) as refused:
        drive(operation(target()), Response(Code.UNAUTHORIZED, b"not you\xff"))
    assert (refused.value.code, refused.value.diagnostic) == (Code.UNAUTHORIZED, "not you\N{REPLACEMENT CHARACTER}")


@pytest.mark.parametrize("operation", EVERY)
def test_a_success_that_does_not_belong_is_told(operation: Callable[[Target], Steps[Any]]) -> None:
    with pytest.raises(AnswerUnusable, match=r"2\.03"):
        drive(operation(target()), Response(Code.VALID))


codes = st.sampled_from([code for code in Code if code.is_response])
formats = st.none() | st.sampled_from([*ContentFormat]) | st.integers(0, 65535)
payloads = st.binary(max_size=64) | st.sampled_from(
    [b"</3/0>;pmin=x", b"</99999>", b"[{}]", b"\x81\xa0", b"\xc8\0\xff"]
)


@given(
    st.sampled_from(EVERY),
    st.sampled_from(["1.0", "1.1", "1.2"]),
    st.lists(st.builds(Response, codes, payloads, formats, st.lists(st.text(max_size=5)).map(tuple)), min_size=1),
)
def test_no_answer_raises_anything_but_a_typed_error(
    operation: Callable[[Target], Steps[Any]], version: str, answers: list[Response]
) -> None:
    try:
        drive(operation(target(version)), *answers)
    except InvalidValue:
        assert version == "1.0"  # composite operations are not sent to it
    except DeviceError as error:
        assert str(error)


def test_arguments_beyond_their_bound_are_not_sent() -> None:
    with pytest.raises(FormatError, match="1024"):
        drive(operations.execute(target(), Path(3, 0, 4), {0: "x" * 2000}))
