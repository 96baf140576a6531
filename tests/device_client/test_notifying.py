"""When notifications are due: the decisions against a naive reference, second by second, and rule by rule."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_client.emulator.lwm2m import notifying
from device_client.emulator.lwm2m.notifying import Reported, due, earliest_look, look_at
from objects.attributes import Attributes
from objects.path import Path
from objects.values import Value

PLACE = Path(3303, 0, 5700)


def values(value: Value) -> dict[Path, Value]:
    return {PLACE: value}


def run(rules: Attributes, series: Sequence[Value]) -> list[int]:
    """The seconds at which the decisions report a value that is series[t] at second t and is looked at each second."""
    reported, seen = Reported(0, values(series[0])), values(series[0])
    times = []
    for now in range(1, len(series)):
        before, seen = seen, values(series[now])
        if due(rules, reported, before, seen, now):
            reported = Reported(now, values(series[now]))
            times.append(now)
    return times


def naive(rules: Attributes, series: Sequence[float]) -> list[int]:
    """The same as the standard words it: every sentence of 7.3.2 is one question."""
    times: list[int] = []
    last_time, last = 0, series[0]
    for now, value in list(enumerate(series))[1:]:
        quiet = now - last_time
        over_maximum = (
            bool(rules.pmax) and rules.pmax is not None and rules.pmax >= (rules.pmin or 0) and quiet >= rules.pmax
        )
        reasons = []
        if rules.gt is not None:
            reasons.append(last <= rules.gt < value or value <= rules.gt < last)
        if rules.lt is not None:
            reasons.append(last >= rules.lt > value or value >= rules.lt > last)
        if rules.st is not None:
            reasons.append(value - last >= rules.st or last - value >= rules.st)
        wanted = any(reasons) if reasons else value != last
        if (over_maximum or wanted) and not (rules.pmin is not None and quiet < rules.pmin):
            times.append(now)
            last_time, last = now, value
    return times


small = st.integers(0, 8)
rules_of_numbers = st.builds(
    Attributes,
    pmin=st.none() | small,
    pmax=st.none() | small,
    gt=st.none() | small.map(float),
    lt=st.none() | small.map(float),
    st=st.none() | st.integers(0, 4).map(float),
)


@given(rules=rules_of_numbers, series=st.lists(small.map(float), min_size=1, max_size=40))
def test_numbers_are_reported_when_the_standard_says_so(rules: Attributes, series: list[float]) -> None:
    assert run(rules, list(series)) == naive(rules, series)


@given(edge=st.sampled_from([None, True, False]), series=st.lists(st.booleans(), min_size=1, max_size=30))
def test_edges_of_booleans(edge: bool | None, series: list[bool]) -> None:
    wanted = {None: (True, False), True: (True,), False: (False,)}[edge]
    pairs = pairwise(series)
    expected = [now for now, (last, value) in enumerate(pairs, 1) if value is not last and value in wanted]
    assert run(Attributes(edge=edge), list(series)) == expected


@given(rules=rules_of_numbers, looked=small, reported=small)
def test_a_look_is_never_too_early_nor_later_than_the_maximum_period(
    rules: Attributes, looked: int, reported: int
) -> None:
    before = Reported(reported, values(0.0))
    at = look_at(rules, before, looked)
    longest = notifying.longest_silence(rules)
    assert at <= max(looked + notifying.LOOK, reported + (rules.pmin or 0))
    if longest is not None:
        assert at <= reported + longest
    assert earliest_look(rules, before, looked) >= reported + (rules.pmin or 0)


@pytest.mark.parametrize(
    ("rules", "look"),
    [
        (Attributes(), 11.0),
        (Attributes(epmax=30), 40.0),
        (Attributes(epmin=5), 15.0),
        (Attributes(epmax=30, pmax=12), 12.0),
        (Attributes(pmin=60), 60.0),
    ],
)
def test_the_evaluation_periods_say_when_to_look(rules: Attributes, look: float) -> None:
    assert look_at(rules, Reported(0, values(0.0)), looked=10) == look


def test_an_instance_is_reported_when_anything_in_it_changes_whatever_the_thresholds() -> None:
    before: dict[Path, Value] = {PLACE: 1.0, Path(3303, 0, 5701): "Cel"}
    rules = Attributes(gt=100.0)
    assert notifying.matter(rules, before, before, {**before, PLACE: 2.0})
    assert notifying.matter(rules, before, before, values(1.0))
    assert not notifying.matter(rules, before, before, dict(before))
    assert notifying.matter(rules, values("a"), values("a"), values("b"))
