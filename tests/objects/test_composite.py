"""Values and paths all over the data model, in every format that carries them."""

from __future__ import annotations

import pytest

from objects import MODEL, FormatError, FormatReason, InvalidValue, ObjectInstance, ObjectLink, Path, Value
from objects.formats import MAX_PAYLOAD, Format, composite, decode, encode, records
from objects.formats.records import Record

FORMATS = [Format.SENML_JSON, Format.SENML_CBOR, Format.LWM2M_JSON, Format.LWM2M_CBOR]
VALUES: dict[Path, Value | None] = {
    Path(1, 0, 1): 86400,
    Path(3, 0, 9): 100,
    Path(3, 0, 6, 0): 1,
    Path(3, 0, 6, 1): None,
    Path(3, 0, 14): "Grüße",
    Path(33001, 0, 13): b"\x00\xff\xfe",
    Path(33001, 0, 10): True,
    Path(4711, 0, 1): 1.5,
    Path(4711, 0, 2): ObjectLink(3, 0),
}


@pytest.mark.parametrize("content_format", FORMATS)
def test_values_both_ways(content_format: Format) -> None:
    data = composite.encode_values(content_format, VALUES, MODEL)
    expected = dict(VALUES)
    if content_format is Format.LWM2M_CBOR:
        expected[Path(4711, 0, 2)] = "3:0"  # without a definition it is the text it looks like
    assert composite.decode_values(content_format, data, MODEL) == expected


@pytest.mark.parametrize("content_format", FORMATS)
def test_paths_both_ways(content_format: Format) -> None:
    paths = (Path(1), Path(3, 0, 9), Path(3, 0, 6, 1), Path(5, 0))
    data = composite.encode_paths(content_format, (*paths, paths[0]))
    assert sorted(composite.decode_paths(content_format, data)) == sorted(paths)
    assert composite.decode_paths(content_format, composite.encode_paths(content_format, ())) == ()


def test_paths_as_they_look() -> None:
    paths = [Path(3, 0, 9), Path(1)]
    assert composite.encode_paths(Format.SENML_JSON, paths) == b'[{"n":"/3/0/9"},{"n":"/1"}]'
    assert composite.encode_paths(Format.LWM2M_CBOR, paths).hex() == "a201f603a100a109f6"


def test_a_place_includes_what_is_beneath_it() -> None:
    data = composite.encode_paths(Format.LWM2M_CBOR, [Path(3, 0, 9), Path(3, 0), Path(3, 0, 6, 1)])
    assert composite.decode_paths(Format.LWM2M_CBOR, data) == (Path(3, 0),)


@pytest.mark.parametrize("content_format", [Format.TEXT, Format.TLV, Format.OPAQUE, Format.LINK, 61])
def test_formats_of_one_node_are_refused(content_format: int) -> None:
    for use in (
        lambda: composite.encode_paths(content_format, [Path(3)]),
        lambda: composite.decode_paths(content_format, b""),
        lambda: composite.encode_values(content_format, {}, MODEL),
        lambda: composite.decode_values(content_format, b"", MODEL),
        lambda: records.encode(content_format, (), MODEL),
        lambda: records.decode(content_format, None, b"", MODEL),
    ):
        with pytest.raises(FormatError) as caught:
            use()
        assert caught.value.reason is FormatReason.UNSUPPORTED


def test_values_lie_where_values_can() -> None:
    for pack, reason in (
        (b'[{"n":"/3/0","v":1}]', FormatReason.WRONG_LEVEL),
        (b'[{"n":"/3/0/9/0","v":1}]', FormatReason.WRONG_LEVEL),
        (b'[{"n":"/3/0/9","v":1},{"n":"/3/0/9","v":2}]', FormatReason.DUPLICATE),
    ):
        with pytest.raises(FormatError) as caught:
            composite.decode_values(Format.SENML_JSON, pack, MODEL)
        assert caught.value.reason is reason


@pytest.mark.parametrize("content_format", FORMATS)
def test_a_value_of_another_type_is_not_written(content_format: Format) -> None:
    with pytest.raises(InvalidValue, match="Device/Battery Level"):
        composite.encode_values(content_format, {Path(3, 0, 9): "full"}, MODEL)


def test_payloads_are_bounded() -> None:
    big = bytes(MAX_PAYLOAD + 1)
    for use in (
        lambda: composite.decode_paths(Format.SENML_CBOR, big),
        lambda: composite.decode_values(Format.SENML_CBOR, big, MODEL),
        lambda: records.decode(Format.SENML_CBOR, None, big, MODEL),
    ):
        with pytest.raises(FormatError) as caught:
            use()
        assert caught.value.reason is FormatReason.TOO_LARGE


@pytest.mark.parametrize("content_format", [Format.SENML_JSON, Format.SENML_CBOR, Format.LWM2M_JSON])
def test_records_with_times(content_format: Format) -> None:
    series = tuple(Record(Path(3, 0, 9), level, 1700000000 + level / 2) for level in range(5))
    data = records.encode(content_format, series, MODEL)
    assert records.decode(content_format, Path(3, 0), data, MODEL) == series
    with pytest.raises(FormatError) as caught:
        records.decode(content_format, Path(4), data, MODEL)
    assert caught.value.reason is FormatReason.OUTSIDE


def test_records_of_formats_without_times() -> None:
    assert records.decode(Format.TEXT, Path(3, 0, 9), b"7", MODEL) == (Record(Path(3, 0, 9), 7),)
    assert records.decode(Format.TLV, Path(3, 0), bytes.fromhex("c10907"), MODEL) == (Record(Path(3, 0, 9), 7),)
    assert records.decode(Format.LWM2M_CBOR, None, bytes.fromhex("a103a100a10907"), MODEL) == (
        Record(Path(3, 0, 9), 7),
    )
    with pytest.raises(FormatError) as caught:
        records.encode(Format.LWM2M_CBOR, [Record(Path(3, 0, 9), 7, 1.0)], MODEL)
    assert caught.value.reason is FormatReason.UNSUPPORTED


@pytest.mark.parametrize("content_format", FORMATS)
def test_names_of_a_device_with_an_alternate_path(content_format: Format) -> None:
    root = ("lwm2m", "main")
    instance = ObjectInstance.of(0, {9: 1, 10: 2})
    values: dict[Path, Value | None] = {Path(3, 0, 9): 1, Path(3, 0, 10): 2}
    paths = (Path(1), Path(3, 0))
    payloads = (
        encode(content_format, Path(3, 0), instance, MODEL, root=root),
        composite.encode_values(content_format, values, MODEL, root=root),
        records.encode(content_format, [Record(Path(3, 0, 9), 1), Record(Path(3, 0, 10), 2)], MODEL, root=root),
        composite.encode_paths(content_format, paths, root=root),
    )
    assert all((b"/lwm2m/main/" in data) == (content_format is not Format.LWM2M_CBOR) for data in payloads)
    assert decode(content_format, Path(3, 0), payloads[0], MODEL, root=root) == instance
    assert composite.decode_values(content_format, payloads[1], MODEL, root=root) == values
    assert len(records.decode(content_format, Path(3, 0), payloads[2], MODEL, root=root)) == 2
    assert composite.decode_paths(content_format, payloads[3], root=root) == paths
    # Some leave it out although they have one.
    assert decode(content_format, Path(3, 0), encode(content_format, Path(3, 0), instance, MODEL), MODEL, root=root)


def test_an_alternate_path_is_whole_segments() -> None:
    for name in ("/lwm2mx/3/0/9", "/x/lwm2m/3/0/9", "/lwm2m"):
        with pytest.raises(FormatError) as caught:
            decode(Format.SENML_JSON, Path(3, 0), b'[{"n":"%s","v":1}]' % name.encode(), MODEL, root=("lwm2m",))
        assert caught.value.reason is FormatReason.MALFORMED
