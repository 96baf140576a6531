import pytest

from objects import ObjectLink, ResourceType, Value
from objects.values import type_rule_broken

GOOD: list[tuple[ResourceType, Value]] = [
    (ResourceType.STRING, ""),
    (ResourceType.CORELNK, "</3>"),
    (ResourceType.STRING, "\U0001f600"),
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
    (ResourceType.STRING, "half a pair: \ud800"),
    (ResourceType.CORELNK, "\udfff"),
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


def test_object_links_have_a_range() -> None:
    with pytest.raises(ValueError, match="65535"):
        ObjectLink(65536, 0)
