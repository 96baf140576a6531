"""When a notification is due: the conditions of an observation against what was reported last (LwM2M Core 1.2, 7.3.2).

Pure decisions; times are seconds of one clock. What counts is the change since the last notification (or the answer to
the Observe), not since the last look: a value that crosses a threshold and comes back between two notifications is no
news. Edges alone are edges between looks: a second rising edge is one although the value reported was the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from objects.attributes import Attributes
from objects.path import Path
from objects.values import Value

LOOK: Final = 1.0
"""Seconds between two looks at a value whose observation names no evaluation period."""

Values = Mapping[Path, Value]
"""Every single value beneath what is observed."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What the server was told last, and when."""

    at: float
    values: Values


def due(rules: Attributes, reported: Reported, seen: Values, values: Values, now: float) -> bool:
    """Whether these values are to be reported now. `seen`: those of the last look."""
    waited = now - reported.at
    if rules.pmin is not None and waited < rules.pmin:
        return False
    longest = longest_silence(rules)
    return (longest is not None and waited >= longest) or matter(rules, reported.values, seen, values)


def matter(rules: Attributes, before: Values, seen: Values, values: Values) -> bool:
    """Whether the change from `before`, or of an edge from `seen`, is one the conditions ask for; periods aside."""
    if len(before) == len(values) == 1 and before.keys() == seen.keys() == values.keys():
        (old,), (last,), (new,) = before.values(), seen.values(), values.values()
        if isinstance(new, bool) and rules.edge is not None:
            return last is not new and new is rules.edge
        if _is_number(old) and _is_number(new) and _has_threshold(rules):
            assert isinstance(old, int | float) and isinstance(new, int | float)
            crossed = _above(rules.gt, old) != _above(rules.gt, new) or _below(rules.lt, old) != _below(rules.lt, new)
            return crossed or _stepped(rules.st, old, new)
    return dict(before) != dict(values)


def look_at(rules: Attributes, reported: Reported, looked: float) -> float:
    """When to look at the values next, if nothing says before that they have changed."""
    longest = longest_silence(rules)
    period = LOOK if rules.epmax is None else float(rules.epmax)
    at = looked + max(period, rules.epmin or 0)
    if rules.pmin is not None:
        at = max(at, reported.at + rules.pmin)
    return at if longest is None else min(at, reported.at + longest)


def earliest_look(rules: Attributes, reported: Reported, looked: float) -> float:
    """Before this moment a change need not be looked at: its period of evaluation or silence is not over."""
    return max(looked + (rules.epmin or 0), reported.at + (rules.pmin or 0))


def longest_silence(rules: Attributes) -> float | None:
    """The maximum period, unless it is zero or below the minimum one: then it is ignored."""
    if not rules.pmax or rules.pmax < (rules.pmin or 0):
        return None
    return rules.pmax


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _has_threshold(rules: Attributes) -> bool:
    return rules.gt is not None or rules.lt is not None or rules.st is not None


def _above(threshold: float | None, value: float) -> bool:
    return threshold is not None and value > threshold


def _below(threshold: float | None, value: float) -> bool:
    return threshold is not None and value < threshold


def _stepped(step: float | None, old: float, new: float) -> bool:
    return step is not None and abs(new - old) >= step
