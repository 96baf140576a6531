"""Plain text and opaque: formats of one value."""

import pytest

from objects import MODEL, FormatError, FormatReason, InvalidValue, ObjectInstance, Path, Resource, ResourceInstance
from objects.formats import MAX_PAYLOAD, Format, decode, encode, text
from objects.values import ObjectLink, ResourceType, Value


@pytest.mark.parametrize(
    ("value", "kind", "data"),
    [
        ("Grüße", ResourceType.STRING, "Grüße"),
        (-5, ResourceType.INTEGER, "-5"),
        (2**64 - 1, ResourceType.UNSIGNED, "18446744073709551615"),
        (1.5, ResourceType.FLOAT, "1.5"),
        (1e30, ResourceType.FLOAT, "1e+30"),
        (True, ResourceType.BOOLEAN, "1"),
        (b"\0\1", ResourceType.OPAQUE, "AAE="),
        (ObjectLink(66, 1), ResourceType.OBJLNK, "66:1"),
        (1367491215, ResourceType.TIME, "1367491215"),
    ],
)
def test_values_as_text(value: Value, kind: ResourceType, data: str) -> None:
    assert text.encode(value, kind) == data.encode()
    assert text.decode(data.encode(), kind) == value


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff", ResourceType.STRING),
        (b"", ResourceType.INTEGER),
        (b"1.0", ResourceType.INTEGER),
        (b"9223372036854775808", ResourceType.INTEGER),
        (b"-1", ResourceType.UNSIGNED),
        (b"1" * 500, ResourceType.INTEGER),
        (b"nan", ResourceType.FLOAT),
        (b"true", ResourceType.BOOLEAN),
        (b"A", ResourceType.OPAQUE),
        (b"66", ResourceType.OBJLNK),
        (b"65536:0", ResourceType.OBJLNK),
        (b"", ResourceType.NONE),
    ],
)
def test_other_text_is_refused(data: bytes, kind: ResourceType) -> None:
    with pytest.raises(FormatError):
        text.decode(data, kind)


def test_by_path() -> None:
    assert decode(Format.TEXT, Path(3, 0, 9), b"7", MODEL) == Resource(9, 7)
    assert decode(Format.TEXT, Path(3, 0, 6, 1), b"7", MODEL) == ResourceInstance(1, 7)
    assert decode(Format.TEXT, Path(4711, 0, 0), b"7", MODEL) == Resource(0, "7")
    assert decode(Format.OPAQUE, Path(33001, 0, 0), b"x", MODEL) == Resource(0, b"x")
    assert encode(Format.OPAQUE, Path(33001, 0, 0), Resource(0, b"x"), MODEL) == b"x"
    assert encode(Format.TEXT, Path(3, 0, 9), Resource(9, 7), MODEL) == b"7"


def test_wrong_formats_for_a_place() -> None:
    cases = [
        (Format.TEXT, Path(3, 0), FormatReason.WRONG_LEVEL),
        (Format.TEXT, Path(3, 0, 6), FormatReason.WRONG_LEVEL),
        (Format.OPAQUE, Path(3, 0, 9), FormatReason.WRONG_TYPE),
        (Format.LINK, Path(3, 0, 9), FormatReason.UNSUPPORTED),
        (61, Path(3, 0, 9), FormatReason.UNSUPPORTED),
    ]
    for content_format, path, reason in cases:
        with pytest.raises(FormatError) as caught:
            decode(content_format, path, b"1", MODEL)
        assert caught.value.reason is reason


def test_only_one_value_fits() -> None:
    for content_format in (Format.TEXT, Format.OPAQUE):
        with pytest.raises(FormatError):
            encode(content_format, Path(3, 0), ObjectInstance(0), MODEL)
    with pytest.raises(FormatError):
        encode(Format.OPAQUE, Path(3, 0, 9), Resource(9, 7), MODEL)


@pytest.mark.parametrize("content_format", [Format.TEXT, Format.OPAQUE, Format.TLV, Format.SENML_CBOR])
def test_a_value_of_another_type_is_not_written(content_format: Format) -> None:
    with pytest.raises(InvalidValue, match="Device/Battery Level"):
        encode(content_format, Path(3, 0, 9), Resource(9, "full"), MODEL)


def test_payloads_are_bounded() -> None:
    with pytest.raises(FormatError) as caught:
        decode(Format.OPAQUE, Path(33001, 0, 0), bytes(MAX_PAYLOAD + 1), MODEL)
    assert caught.value.reason is FormatReason.TOO_LARGE
