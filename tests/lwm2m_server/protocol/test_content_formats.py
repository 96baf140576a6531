"""Which content format is tried next: a table, a memory, and no loops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_server.protocol.content_formats import REFUSALS, FormatChoice, Use, candidates, for_reading, for_writing
from lwm2m_server.protocol.errors import DeviceRefused, FormatRefused, FormatUnreadable
from lwm2m_server.protocol.operations import read
from objects.formats import encode
from objects.model import MODEL
from objects.nodes import MultipleResource, ObjectInstance, Resource, ResourceInstance
from objects.path import Path
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import ContentFormat
from tests.lwm2m_server.protocol.driving import Answer, drive, target

TEXT, OPAQUE, TLV = ContentFormat.TEXT, ContentFormat.OCTET_STREAM, ContentFormat.LWM2M_TLV
CBOR, JSON = ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON
LWM2M_CBOR, LWM2M_JSON = ContentFormat.LWM2M_CBOR, ContentFormat.LWM2M_JSON

uses = st.sampled_from(Use)
versions = st.sampled_from(["1.0", "1.1", "1.2", "7.7"])
numbers = st.sampled_from([*ContentFormat, 1, 65535])


@pytest.mark.parametrize(
    ("use", "version", "listed", "first"),
    [
        (Use.READ_TREE, "1.0", None, [TLV, LWM2M_JSON]),
        (Use.READ_TREE, "1.1", None, [CBOR, JSON, TLV]),
        (Use.READ_TREE, "1.2", None, [CBOR, JSON, TLV]),
        (Use.READ_TREE, "1.2", {LWM2M_CBOR, CBOR}, [LWM2M_CBOR, CBOR]),
        (Use.READ_TREE, "1.1", {TLV}, [TLV]),
        (Use.READ_TREE, "1.1", {JSON, LWM2M_JSON, 1543}, [JSON, LWM2M_JSON]),
        (Use.READ_VALUE, "1.0", None, [TEXT, TLV]),
        (Use.READ_VALUE, "1.1", {CBOR}, [TEXT, CBOR]),
        (Use.READ_OPAQUE, "1.0", None, [OPAQUE, TLV]),
        (Use.WRITE_TREE, "1.0", None, [TLV]),
        (Use.COMPOSITE, "1.1", {TLV, JSON}, [JSON]),
    ],
)
def test_what_is_tried_first(use: Use, version: str, listed: set[int] | None, first: list[int]) -> None:
    assert list(candidates(use, version, listed))[: len(first)] == first


@given(uses, versions, st.none() | st.sets(numbers), st.none() | numbers, st.sets(numbers))
def test_every_format_comes_once_whatever_is_known(
    use: Use, version: str, listed: set[int] | None, answered: int | None, refused: set[int]
) -> None:
    found = candidates(use, version, listed, answered, refused)
    assert sorted(found) == sorted(candidates(use, "1.1"))
    assert len(set(found)) == len(found)
    if answered in found:
        assert found[0] == answered
    ranks = [one in refused for one in found if one != answered]
    assert ranks == sorted(ranks)


@given(uses, versions, st.none() | st.sets(numbers, min_size=1), st.lists(st.tuples(uses, numbers, st.sets(numbers))))
def test_what_was_learned_is_stored_and_recalled(
    use: Use, version: str, listed: set[int] | None, lessons: list[tuple[Use, int, set[int]]]
) -> None:
    choice = FormatChoice(version, None if listed is None else frozenset(listed))
    for about, answered, refused in lessons:
        choice.learn(about, answered, refused - {answered})
    again = FormatChoice(choice.version, choice.listed)
    again.recall(choice.dump())
    assert again == choice
    assert again.candidates(use) == choice.candidates(use)
    other = FormatChoice("1.3", choice.listed)
    other.recall(choice.dump())
    assert other == FormatChoice("1.3", choice.listed)


def test_what_a_path_and_a_value_need() -> None:
    assert for_reading(Path(3, 0, 0), MODEL) is Use.READ_VALUE
    assert for_reading(Path(5, 0, 0), MODEL) is Use.READ_OPAQUE
    assert for_reading(Path(3, 0, 11), MODEL) is Use.READ_TREE
    assert for_reading(Path(3, 0, 11, 0), MODEL) is Use.READ_VALUE
    assert for_reading(Path(3, 0), MODEL) is Use.READ_TREE
    assert for_reading(Path(40000, 0, 1), MODEL) is Use.READ_TREE
    assert for_writing(Path(3, 0, 14), Resource(14, "+02"), MODEL) is Use.WRITE_VALUE
    assert for_writing(Path(40000, 0, 1), Resource(1, 7), MODEL) is Use.WRITE_TREE
    assert for_writing(Path(40000, 0, 1), Resource(1, b"x"), MODEL) is Use.WRITE_OPAQUE
    assert for_writing(Path(3, 0, 11, 0), ResourceInstance(0, 1), MODEL) is Use.WRITE_VALUE
    assert for_writing(Path(3, 0, 11), MultipleResource(11, {0: 1}), MODEL) is Use.WRITE_TREE
    assert for_writing(Path(1, 0), ObjectInstance(0), MODEL) is Use.WRITE_TREE


DEVICE = ObjectInstance.of(0, {0: "Example Ltd", 9: 95})


def only(*spoken: int) -> Answer:
    """A device that answers /3/0 in these formats and refuses the others."""

    def answer(request: Request) -> Response:
        if request.accept not in spoken:
            return Response(Code.NOT_ACCEPTABLE)
        return Response(
            Code.CONTENT, encode(request.accept or 0, Path(3, 0), DEVICE, MODEL), content_format=request.accept
        )

    return answer


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
@pytest.mark.parametrize("spoken", [TLV, JSON, CBOR, LWM2M_CBOR])
def test_the_one_format_of_a_device_is_found_and_remembered(version: str, spoken: int) -> None:
    device = target(version)
    node, asked = drive(read(device, Path(3, 0)), only(spoken))
    assert node == DEVICE
    assert [one.accept for one in asked][-1] == spoken
    assert len(asked) == len({one.accept for one in asked})
    _, again = drive(read(device, Path(3, 0)), only(spoken))
    assert [one.accept for one in again] == [spoken]
    _, elsewhere = drive(read(device, Path(3)), Response(Code.CONTENT, b"", content_format=TLV))
    assert elsewhere[0].accept == spoken


def test_a_device_that_changes_its_mind_is_asked_anew() -> None:
    device = target()
    drive(read(device, Path(3, 0)), only(CBOR))
    node, asked = drive(read(device, Path(3, 0)), only(TLV))
    assert node == DEVICE
    assert [one.accept for one in asked] == [CBOR, JSON, TLV]
    _, asked = drive(read(device, Path(3, 0)), only(TLV))
    assert [one.accept for one in asked] == [TLV]


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_a_device_that_refuses_everything_is_asked_once_each_and_nothing_is_learned(code: Code) -> None:
    device = target()
    with pytest.raises(FormatRefused, match="tried: SENML_CBOR, SENML_JSON") as refused:
        drive(read(device, Path(3, 0)), Response(code, b"no"))
    assert refused.value.code is code
    assert len(refused.value.tried) == len(set(refused.value.tried)) == 5
    assert device.formats == target().formats


def test_another_error_ends_the_search() -> None:
    device = target()
    with pytest.raises(DeviceRefused, match=r"4\.04 NOT_FOUND: gone; .*discover") as refused:
        drive(read(device, Path(3, 0)), Response(Code.NOT_ACCEPTABLE), Response(Code.NOT_FOUND, b"gone"))
    assert refused.value.diagnostic == "gone"
    assert device.formats == target().formats


def test_a_format_a_device_speaks_badly_is_replaced_too() -> None:
    def badly(request: Request) -> Response:
        if request.accept == CBOR:
            return Response(Code.CONTENT, b"\xff\xff", content_format=CBOR)
        return only(JSON)(request)

    device = target()
    node, asked = drive(read(device, Path(3, 0)), badly)
    assert node == DEVICE
    assert [one.accept for one in asked] == [CBOR, JSON]
    _, asked = drive(read(device, Path(3, 0)), badly)
    assert [one.accept for one in asked] == [JSON]


def test_a_device_that_speaks_every_format_badly_is_told_so_and_nothing_is_learned() -> None:
    device = target()
    answers = [Response(Code.CONTENT, b"\xff", content_format=CBOR), Response(Code.NOT_ACCEPTABLE)]
    with pytest.raises(FormatUnreadable, match="/3/0"):
        drive(read(device, Path(3, 0)), *answers)
    assert device.formats == target().formats
