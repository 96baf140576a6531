"""Attributes of objects, instances and resources (LwM2M Core 1.2, 5.1.2): when to notify, and what a device shows.

Write-Attributes carries notification attributes as query options, Discover shows them as link attributes:

Attributes(pmin=10, pmax=60).query()             # ("pmin=10", "pmax=60")
Attributes.of_link({"dim": "8", "gt": "50"})     # Attributes(dim=8, gt=50.0)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

from objects.definition import Operations
from objects.errors import FormatError, FormatReason, InvalidValue
from objects.model import ObjectModel
from objects.path import MAX_ID, Path
from objects.values import ResourceType

MAX_SECONDS: Final = 2**32 - 1
MAX_QUERY: Final = 16
"""Attributes of one Write-Attributes."""

_WHOLE: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_DECIMAL: Final = re.compile(r"[-+]?[0-9]{1,20}(?:\.[0-9]{1,20})?", re.ASCII)
_VERSION: Final = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}", re.ASCII)
_TEXT: Final = re.compile(r"[\x20-\x7e]{1,255}")
_NUMBERS: Final = frozenset({ResourceType.INTEGER, ResourceType.UNSIGNED, ResourceType.FLOAT, ResourceType.TIME})


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes of one place; None where there is none.

    Seconds: `pmin`, `pmax` between notifications; `epmin`, `epmax` between evaluations. Of the value: `gt`, `lt`, `st`
    (step), `edge` (True rising, False falling). `con`: confirmable notifications; `hqmax`: values kept while the server
    is away. Shown by the device only: `dim` instances of a resource, `ssid` and `uri` of a server account, `ver` of an
    object. `removed` names attributes that a Write-Attributes takes away.
    """

    pmin: int | None = None
    pmax: int | None = None
    gt: float | None = None
    lt: float | None = None
    st: float | None = None
    epmin: int | None = None
    epmax: int | None = None
    edge: bool | None = None
    con: bool | None = None
    hqmax: int | None = None
    dim: int | None = None
    ssid: int | None = None
    uri: str | None = None
    ver: str | None = None
    removed: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, query: Iterable[str]) -> Attributes:
        """From the query of a Write-Attributes: `pmin=10`, or `pmin` to take it away. Raises FormatError."""
        values: dict[str, Any] = {}
        removed: set[str] = set()
        for count, part in enumerate(query):
            name, equals, text = part.partition("=")
            if count == MAX_QUERY or name in values or name in removed:
                raise FormatError(FormatReason.DUPLICATE, f"attribute {name[:20]!r} once more, or too many")
            if name not in _KINDS or not _KINDS[name].writable:
                raise FormatError(FormatReason.MALFORMED, f"no attribute that a server writes: {name[:20]!r}")
            if equals:
                values[name] = _value(name, text)
            else:
                removed.add(name)
        return cls(**values, removed=frozenset(removed))

    @classmethod
    def of_link(cls, attributes: Mapping[str, str | None]) -> Attributes:
        """From the attributes of a link; those of other standards are left out. Raises FormatError."""
        known = {name: text for name, text in attributes.items() if name in _KINDS and text is not None}
        return cls(**{name: _value(name, text) for name, text in known.items()})

    def query(self) -> tuple[str, ...]:
        """As query options of a Write-Attributes. Raises InvalidValue for properties only a device shows."""
        for name in self._given():
            if not _KINDS[name].writable:
                raise InvalidValue(name, "is shown by the device, no server writes it")
        return (*(f"{name}={text}" for name, text in self.link().items()), *sorted(self.removed))

    def link(self) -> dict[str, str]:
        """As attributes of a link."""
        return {name: _text(value) for name, value in self._given().items()}

    def check(self, path: Path, model: ObjectModel) -> None:
        """Raise InvalidValue naming attribute and rule unless all of them can stand at `path` together.

        A resource without a definition is taken for one that every attribute fits.
        """
        definition = model.resource(path)
        for name in (*self._given(), *self.removed):
            kind = _KINDS[name]
            if path.level not in kind.levels:
                raise InvalidValue(name, f"cannot be attached at {path}")
            if kind.types is not None and definition is not None:
                if definition.type not in kind.types:
                    raise InvalidValue(
                        name, f"does not fit {definition}, which is {definition.type.value or 'executed'}"
                    )
                if Operations.READ not in definition.operations:
                    raise InvalidValue(name, f"does not fit {definition}, which is not read")
        self.check_together()

    def check_together(self) -> None:
        """Raise InvalidValue for attributes that contradict each other."""
        for least, most in (("pmin", "pmax"), ("epmin", "epmax")):
            low, high = getattr(self, least), getattr(self, most)
            if low is not None and high and low > high:
                raise InvalidValue(least, f"must not exceed {most}: {low} > {high}")
        if self.st is not None and self.st < 0:
            raise InvalidValue("st", f"must not be negative, is {self.st}")
        if self.gt is not None and self.lt is not None and self.lt + 2 * (self.st or 0) >= self.gt:
            raise InvalidValue("lt", f"lt + 2 st must lie below gt: {self.lt} + 2 * {self.st or 0} >= {self.gt}")

    def _given(self) -> dict[str, Any]:
        return {name: value for name in _KINDS if (value := getattr(self, name)) is not None}


class _Kind(NamedTuple):
    """What one attribute is: how its text is read, where it may stand, for which types, and who sets it."""

    read: Callable[[str], Any]
    levels: frozenset[int]
    types: frozenset[ResourceType] | None = None
    writable: bool = True


def _whole(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or int(text) > most:
            raise ValueError(f"not a number 0..{most}")
        return int(text)

    return read


def _decimal(text: str) -> float:
    if not _DECIMAL.fullmatch(text):
        raise ValueError("not a decimal number")
    return float(text)


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("not 0 or 1")
    return text == "1"


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError("not in the form it has to have")
        return text

    return read


_EVERYWHERE: Final = frozenset({1, 2, 3, 4})
_VALUES: Final = frozenset({3, 4})
_KINDS: Final[Mapping[str, _Kind]] = {
    "pmin": _Kind(_whole(MAX_SECONDS), _EVERYWHERE),
    "pmax": _Kind(_whole(MAX_SECONDS), _EVERYWHERE),
    "gt": _Kind(_decimal, _VALUES, _NUMBERS),
    "lt": _Kind(_decimal, _VALUES, _NUMBERS),
    "st": _Kind(_decimal, _VALUES, _NUMBERS),
    "epmin": _Kind(_whole(MAX_SECONDS), _EVERYWHERE),
    "epmax": _Kind(_whole(MAX_SECONDS), _EVERYWHERE),
    "edge": _Kind(_flag, _VALUES, frozenset({ResourceType.BOOLEAN})),
    "con": _Kind(_flag, _EVERYWHERE),
    "hqmax": _Kind(_whole(MAX_SECONDS), _EVERYWHERE),
    "dim": _Kind(_whole(MAX_ID + 1), frozenset({3}), writable=False),
    "ssid": _Kind(_whole(MAX_ID), frozenset({2}), writable=False),
    "uri": _Kind(_matching(_TEXT), frozenset({2}), writable=False),
    "ver": _Kind(_matching(_VERSION), frozenset({1, 2}), writable=False),
}
"""LwM2M Core 1.2, tables 5.1.2-1 and 5.1.2-2: attribute, levels it is attached to, types it fits."""


def _value(name: str, text: str) -> Any:
    try:
        return _KINDS[name].read(text)
    except ValueError as error:
        raise FormatError(FormatReason.WRONG_TYPE, f"attribute {name}={text[:24]}: {error}") from error


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    # An exponent has no place here.
    return f"{Decimal(repr(value)):f}" if isinstance(value, float) else str(value)
