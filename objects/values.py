"""Types and values of resources (LwM2M Core 1.2, Appendix C) and the rules a value must keep."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from objects.path import UNASSIGNED

INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1
UNSIGNED_MAX: Final = 2**64 - 1


class ResourceType(Enum):
    """The data types; the value is the name in a definition file. NONE belongs to executable resources."""

    STRING = "String"
    INTEGER = "Integer"
    UNSIGNED = "Unsigned Integer"
    FLOAT = "Float"
    BOOLEAN = "Boolean"
    OPAQUE = "Opaque"
    TIME = "Time"
    OBJLNK = "Objlnk"
    CORELNK = "Corelnk"
    NONE = ""


@dataclass(frozen=True, slots=True, order=True)
class ObjectLink:
    """A link to an object instance; 65535:65535 links to nothing.

    >>> str(ObjectLink(66, 0))
    '66:0'
    """

    object: int
    instance: int

    def __post_init__(self) -> None:
        if not (0 <= self.object <= UNASSIGNED and 0 <= self.instance <= UNASSIGNED):
            raise ValueError(f"object link ids are 0..65535: {self.object}:{self.instance}")

    def __str__(self) -> str:
        return f"{self.object}:{self.instance}"


Value: TypeAlias = str | int | float | bool | bytes | ObjectLink
"""String and Corelnk: str. Integer, Unsigned, Time (seconds since 1970): int. Opaque: bytes."""

_PYTHON_TYPES: Final[dict[ResourceType, tuple[type, ...]]] = {
    ResourceType.STRING: (str,),
    ResourceType.CORELNK: (str,),
    ResourceType.INTEGER: (int,),
    ResourceType.UNSIGNED: (int,),
    ResourceType.TIME: (int,),
    ResourceType.FLOAT: (float, int),
    ResourceType.BOOLEAN: (bool,),
    ResourceType.OPAQUE: (bytes,),
    ResourceType.OBJLNK: (ObjectLink,),
    ResourceType.NONE: (),
}


def is_unicode(text: str) -> bool:
    """Whether text can be written as UTF-8: Python and JSON know strings with half a surrogate pair, which cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def type_rule_broken(kind: ResourceType, value: Value) -> str | None:
    """The rule of the type that `value` breaks, or None."""
    if isinstance(value, bool) != (kind is ResourceType.BOOLEAN) or not isinstance(value, _PYTHON_TYPES[kind]):
        return f"must be {kind.value or 'executed, it has no value'}, not {type(value).__name__}"
    if isinstance(value, str) and not is_unicode(value):
        return "must be Unicode text; half a surrogate pair is none"
    if kind is ResourceType.UNSIGNED and not (isinstance(value, int) and 0 <= value <= UNSIGNED_MAX):
        return "must be 0..2^64-1"
    if isinstance(value, int) and kind is not ResourceType.UNSIGNED and not INTEGER_MIN <= value <= INTEGER_MAX:
        return "must fit a signed 64-bit integer"
    return None
