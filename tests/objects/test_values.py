import pytest

from objects import MODEL, InvalidValue, ObjectLink, Range, ResourceType, Value
from objects.values import type_rule_broken

GOOD: list[tuple[ResourceType, Value]] = [
    (ResourceType.STRING, ""),
    (ResourceType.CORELNK, "</3>"),
    (ResourceType.INTEGER, -(2**63)),
    (ResourceType.INTEGER, 2**63 - 1),
    (ResourceType.UNSIGNED, 2**64 - 1),
    (ResourceType.TIME, 0),
    (ResourceType.FLOAT, 1.5),
    (ResourceType.FLOAT, 2),
    (ResourceType.BOOLEAN, False),
    (ResourceType.OPAQUE, b"\0"),
    (ResourceType.OBJLNK, ObjectLink(65535, 65535)),
]
BAD: list[tuple[ResourceType, Value]] = [
    (ResourceType.STRING, b""),
    (ResourceType.INTEGER, True),
    (ResourceType.INTEGER, 2**63),
    (ResourceType.INTEGER, 1.0),
    (ResourceType.UNSIGNED, -1),
    (ResourceType.UNSIGNED, 2**64),
    (ResourceType.TIME, -(2**63) - 1),
    (ResourceType.FLOAT, "1"),
    (ResourceType.FLOAT, False),
    (ResourceType.BOOLEAN, 1),
    (ResourceType.OPAQUE, "x"),
    (ResourceType.OBJLNK, "1:1"),
    (ResourceType.NONE, 0),
]


@pytest.mark.parametrize(("kind", "value"), GOOD)
def test_values_of_the_type(kind: ResourceType, value: Value) -> None:
    assert type_rule_broken(kind, value) is None


@pytest.mark.parametrize(("kind", "value"), BAD)
def test_values_of_another_type(kind: ResourceType, value: Value) -> None:
    assert type_rule_broken(kind, value)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("0..255", 255, 256),
        ("-120..-25", -120, -121),
        ("1...3", 3, 4),
        ("16,32,48", 32, 33),
        ("0..255 bytes", "é" * 127, "é" * 128),
        ("10,26", b"x" * 26, b"x" * 25),
        ("6", b"123456", b"12345"),
    ],
)
def test_ranges_of_the_registry(text: str, inside: Value, outside: Value) -> None:
    bounds = Range.parse(text)
    assert bounds.rule_broken(inside) is None
    assert bounds.rule_broken(outside)


@pytest.mark.parametrize("text", ["", "8-Bits", "The possible values are listed elsewhere"])
def test_other_text_restricts_nothing(text: str) -> None:
    assert Range.parse(text).rule_broken(10**9) is None
    assert Range.parse("0..1").rule_broken(True) is None


def test_the_error_names_resource_and_rule() -> None:
    with pytest.raises(InvalidValue, match=r"Fallback/Deadline \(/33003/\*/2\): must be within 300\.\.2592000, is 5"):
        MODEL["Fallback"]["Deadline"].check(5)
    with pytest.raises(InvalidValue, match="must be Integer, not str"):
        MODEL["Fallback"]["Deadline"].check_type("5")
    MODEL["Fallback"]["Deadline"].check(300)


def test_object_links_have_a_range() -> None:
    with pytest.raises(ValueError, match="65535"):
        ObjectLink(65536, 0)
