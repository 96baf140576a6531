from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from objects import MODEL, FormatError, InvalidValue, Path
from objects.attributes import MAX_QUERY, MAX_SECONDS, Attributes

SECONDS = st.none() | st.integers(0, MAX_SECONDS)
NUMBERS = st.none() | st.floats(-1e15, 1e15, allow_subnormal=False).map(lambda x: round(x, 6))
FLAGS = st.none() | st.booleans()
NOTIFICATION = st.builds(
    Attributes,
    **dict.fromkeys(("pmin", "pmax", "epmin", "epmax", "hqmax"), SECONDS),
    **dict.fromkeys(("gt", "lt", "st"), NUMBERS),
    **dict.fromkeys(("edge", "con"), FLAGS),
)


@given(NOTIFICATION)
def test_query_and_link_both_ways(attributes: Attributes) -> None:
    assert Attributes.parse(attributes.query()) == attributes
    assert Attributes.of_link(attributes.link()) == attributes
    assert not any("e" in text.partition("=")[2] for text in attributes.query())


def test_as_they_look() -> None:
    attributes = Attributes(pmin=10, pmax=60, gt=1e-5, edge=True, removed=frozenset({"st"}))
    assert attributes.query() == ("pmin=10", "pmax=60", "gt=0.00001", "edge=1", "st")
    assert Attributes.parse(attributes.query()) == attributes


def test_what_a_device_shows() -> None:
    shown = Attributes.of_link({"dim": "8", "ver": "1.1", "ssid": "101", "uri": "coaps://x", "rt": "y", "obs": None})
    assert shown == Attributes(dim=8, ver="1.1", ssid=101, uri="coaps://x")
    with pytest.raises(InvalidValue, match="shown by the device"):
        shown.query()


@pytest.mark.parametrize(
    "query",
    [
        ("pmin=-1",),
        ("pmin=x",),
        ("pmin=",),
        ("pmin=4294967296",),
        ("pmin=99999999999",),
        ("gt=1e5",),
        ("gt=nan",),
        ("edge=2",),
        ("con=true",),
        ("dim=8",),
        ("ver=1.0",),
        ("ep=x",),
        ("",),
        ("pmin=1", "pmin=2"),
        ("pmin", "pmin=2"),
        ("pmin=٣",),
        tuple(f"x{i}" for i in range(MAX_QUERY + 1)),
    ],
)
def test_other_queries_are_refused(query: tuple[str, ...]) -> None:
    with pytest.raises(FormatError):
        Attributes.parse(query)


@pytest.mark.parametrize("attributes", [{"dim": "65536"}, {"ver": "1"}, {"gt": "1e5"}, {"ssid": "x"}, {"uri": "é"}])
def test_other_link_attributes_are_refused(attributes: dict[str, str]) -> None:
    with pytest.raises(FormatError):
        Attributes.of_link(attributes)


@pytest.mark.parametrize(
    ("path", "attributes"),
    [
        ("/3", Attributes(pmin=1, pmax=2, epmin=1, epmax=2, con=True, hqmax=5)),
        ("/3/0", Attributes(pmin=5, pmax=5)),
        ("/3/0/9", Attributes(gt=50, lt=10, st=19.9)),
        ("/3/0/7/1", Attributes(st=1)),
        ("/33001/0/10", Attributes(edge=True)),
        ("/3/0/9", Attributes(pmin=10, pmax=0)),
        ("/4711/0/1", Attributes(gt=1, edge=False)),
        ("/3/0", Attributes(removed=frozenset({"pmin"}))),
    ],
)
def test_attributes_that_fit(path: str, attributes: Attributes) -> None:
    attributes.check(Path.parse(path), MODEL)


@pytest.mark.parametrize(
    ("path", "attributes", "rule"),
    [
        ("/3/0", Attributes(gt=1), "gt: cannot be attached"),
        ("/3/0", Attributes(removed=frozenset({"gt"})), "gt: cannot be attached"),
        ("/3/0", Attributes(dim=1), "dim: cannot be attached"),
        ("/3/0/9", Attributes(ssid=1), "ssid: cannot be attached"),
        ("/3/0/9", Attributes(edge=True), "edge: does not fit Device/Battery Level"),
        ("/3/0/14", Attributes(gt=1), "gt: does not fit Device/UTC Offset"),
        ("/3/0/4", Attributes(st=1), "st: does not fit .*executed"),
        ("/3", Attributes(pmin=2, pmax=1), "pmin: must not exceed pmax"),
        ("/3", Attributes(epmin=2, epmax=1), "epmin: must not exceed epmax"),
        ("/3/0/9", Attributes(lt=10, gt=50, st=20), "lt: lt \\+ 2 st must lie below gt"),
        ("/3/0/9", Attributes(lt=10, gt=10), "must lie below gt"),
        ("/3/0/9", Attributes(st=-1), "must not be negative"),
    ],
)
def test_attributes_that_do_not(path: str, attributes: Attributes, rule: str) -> None:
    with pytest.raises(InvalidValue, match=rule):
        attributes.check(Path.parse(path), MODEL)
