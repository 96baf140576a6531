"""What a definition's RangeEnumeration allows (LwM2M Core 1.2, Appendix D), in the forms people write it.

`0..100`, `-128 - 127`, `0x00-0xFF`, `0,1,2`, `1..5, 9`, `1-64 bytes`, `32 bytes`, `0..1; a comment`
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from objects.values import ObjectLink, Value

MAX_SPANS: Final = 256

Span: TypeAlias = tuple[float, float]
"""Least and greatest, both included."""

_NUMBER: Final = r"([-+]?(?:0[xX][0-9a-fA-F]{1,16}|(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,20})?))"
_SPAN: Final = re.compile(rf"{_NUMBER}(?:\s*(?:\.{{2,3}}|-|–|…)\s*{_NUMBER})?", re.ASCII)
_SIZE: Final = re.compile(r"\s*(?:bytes?|octets?)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Range:
    """What is allowed of numbers, or of the length in bytes of strings and opaque values.

    Text that says neither (`8-Bits`, a sentence) restricts nothing by program; `text` keeps it for people. A lone
    number is the greatest length and says nothing of numbers; `of_size` is true of it and where bytes are counted.
    """

    text: str
    spans: tuple[Span, ...] = ()
    of_size: bool = False

    @classmethod
    def parse(cls, text: str) -> Range:
        """From a definition's RangeEnumeration."""
        text = text.strip()
        spans = _spans(text) or _spans(text.partition(";")[0])
        if spans is None:
            return cls(text)
        counted = _SIZE.search(text.partition(";")[0].rstrip()) is not None
        if len(spans) == 1 and spans[0][0] == spans[0][1] > 0 and _is_lone(text):
            return cls(text, ((0, spans[0][1]),), of_size=True)
        return cls(text, spans, counted)

    def admits(self, number: float) -> bool:
        """Whether a number, or a length, is within."""
        return not self.spans or any(low <= number <= high for low, high in self.spans)

    def rule_broken(self, value: Value) -> str | None:
        """The rule that `value` breaks, or None. Booleans and links have no range."""
        if isinstance(value, bool | ObjectLink):
            return None
        if isinstance(value, int | float):
            return None if self.of_size or self.admits(value) else f"must be within {self.text}, is {value}"
        size = len(value.encode()) if isinstance(value, str) else len(value)
        return None if self.admits(size) else f"must be {self.text} bytes long, is {size}"


def _is_lone(text: str) -> bool:
    found = _SPAN.match(text)
    return found is not None and found[2] is None


def _spans(text: str) -> tuple[Span, ...] | None:
    """The spans of a list that is nothing else; None of other text."""
    parts = re.split(r"[,;]", _SIZE.sub("", text.strip()))
    found = [_SPAN.fullmatch(part.strip()) for part in parts]
    if len(parts) > MAX_SPANS or not all(found):
        return None
    spans = tuple((_number(one[1]), _number(one[2] or one[1])) for one in found if one is not None)
    return spans if all(low <= high for low, high in spans) else None


def _number(text: str) -> float:
    if "x" in text.lower():
        return int(text, 16)
    return float(text) if "." in text else int(text)
