from __future__ import annotations

from collections.abc import Callable

import pytest

from objects import (
    MODEL,
    InvalidValue,
    MultipleResource,
    ObjectInstance,
    ObjectNode,
    Path,
    Resource,
    ResourceInstance,
    checks,
)
from objects.path import UNASSIGNED

SERVER = ObjectInstance.of(0, {1: 60, 6: True, 7: "U"})
GOOD: list[Callable[[], None]] = [
    lambda: checks.read(Path(3, 0, 9), MODEL),
    lambda: checks.read(Path(3), MODEL),
    lambda: checks.read(Path(4711, 0, 1), MODEL),
    lambda: checks.write(Path(3, 0, 14), Resource(14, "+02:00"), MODEL),
    lambda: checks.write(Path(33002, 0, 6), MultipleResource(6, {0: b"x"}), MODEL),
    lambda: checks.write(Path(33002, 0, 6, 1), ResourceInstance(1, b"x"), MODEL),
    lambda: checks.write(Path(1, 0), ObjectInstance.of(0, {1: 60}), MODEL),
    lambda: checks.write(Path(1, 0), SERVER, MODEL, replace=True),
    lambda: checks.write(Path(4711, 0, 1), Resource(1, "x"), MODEL),
    lambda: checks.write(Path(1, 0), ObjectInstance.of(0, {0: 5, 1: 60, 6: True, 7: "U"}), MODEL, bootstrap=True),
    lambda: checks.write(
        Path(1), ObjectNode(1, {3: ObjectInstance.of(3, {0: 5, 1: 60, 6: True, 7: "U"})}), MODEL, bootstrap=True
    ),
    lambda: checks.create(Path(1), ObjectNode(1, {UNASSIGNED: SERVER}), MODEL),
    lambda: checks.create(Path(1), ObjectNode(1, {7: SERVER}), MODEL),
    lambda: checks.execute(Path(3, 0, 4), {0: "1", 9: None}, MODEL),
    lambda: checks.execute(Path(4711, 0, 4), {}, MODEL),
]


@pytest.mark.parametrize("check", GOOD)
def test_requests_that_fit(check: Callable[[], None]) -> None:
    check()


BAD: list[tuple[Callable[[], None], str]] = [
    (lambda: checks.read(Path(3, 0, 4), MODEL), r"Device/Reboot \(/3/\*/4\): cannot be read"),
    (lambda: checks.read(Path(4711, 0, 1), MODEL, unknown=False), "/4711/0/1: has no definition"),
    (lambda: checks.read(Path(4711), MODEL, unknown=False), "/4711: has no definition"),
    (lambda: checks.read(Path(3, 0, 999), MODEL, unknown=False), "/3/0/999: has no definition"),
    (lambda: checks.write(Path(3, 0, 9), Resource(9, 5), MODEL), "Device/Battery Level .*: cannot be written"),
    (lambda: checks.write(Path(3, 0, 4), Resource(4, 5), MODEL, bootstrap=True), "Reboot .*: cannot be written"),
    (lambda: checks.write(Path(3, 0, 14), Resource(14, 5), MODEL), "must be String"),
    (lambda: checks.write(Path(33003, 0, 2), Resource(2, 5), MODEL), "must be within 300"),
    (lambda: checks.write(Path(33002, 0, 6), Resource(6, b"x"), MODEL), "any number of instances"),
    (lambda: checks.write(Path(3, 0, 14, 0), ResourceInstance(0, "x"), MODEL), "has one value"),
    (lambda: checks.write(Path(1, 0), ObjectInstance.of(0, {1: 60}), MODEL, replace=True), "mandatory and missing"),
    (lambda: checks.write(Path(1, 0), SERVER, MODEL, bootstrap=True), "Short Server ID .*: is mandatory and missing"),
    (lambda: checks.write(Path(3), ObjectNode(3, {}), MODEL), "/3: an object cannot be written"),
    (lambda: checks.write(Path(3, 1), ObjectInstance(1, {}), MODEL), r"Device \(/3/1\): has one instance"),
    (lambda: checks.write(Path(4711, 0, 1), Resource(1, 1), MODEL, unknown=False), "has no definition"),
    (lambda: checks.create(Path(1, 0), ObjectNode(1, {}), MODEL), "beneath an object"),
    (lambda: checks.create(Path(1), ObjectNode(1, {7: ObjectInstance(7, {})}), MODEL), "Lifetime .*missing"),
    (lambda: checks.execute(Path(3, 0), {}, MODEL), "only a resource"),
    (lambda: checks.execute(Path(3, 0, 9), {}, MODEL), "cannot be executed"),
    (lambda: checks.execute(Path(3, 0, 4), {10: None}, MODEL), "0 to 9, not 10"),
    (lambda: checks.execute(Path(3, 0, 4), {0: "it's"}, MODEL), "argument 0 must be printable"),
    (lambda: checks.execute(Path(3, 0, 4), {0: "é"}, MODEL), "argument 0 must be printable"),
]


@pytest.mark.parametrize(("check", "rule"), BAD)
def test_requests_that_do_not(check: Callable[[], None], rule: str) -> None:
    with pytest.raises(InvalidValue, match=rule):
        check()
