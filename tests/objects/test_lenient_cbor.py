from __future__ import annotations

from typing import Any

import pytest

from objects import FormatError, FormatReason
from objects.formats import lenient_cbor


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("1900ff", 255),
        ("3900ff", -256),
        ("5f4101420203ff", b"\1\2\3"),
        ("7f6161626263ff", "abc"),
        ("9f01ff", [1]),
        ("bf6161f5ff", {"a": True}),
        ("f6", None),
        ("f93c00", 1.0),
        ("fa3fc00000", 1.5),
        ("c11a5182428f", 1367491215),
        ("c482211904d2", 12.34),
        ("c482021904d2", 123400.0),
        ("c48239018e01", 0.0),
        ("9fc482211904d2ff", [12.34]),
    ],
)
def test_cbor_as_others_write_it(data: str, value: Any) -> None:
    assert lenient_cbor.decode(bytes.fromhex(data), max_size=100) == value


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", FormatReason.TRUNCATED),
        ("0101", FormatReason.TRAILING),
        ("5bffffffffffffffff", FormatReason.TRUNCATED),
        ("9bffffffffffffffff", FormatReason.TOO_MANY),
        ("bbffffffffffffffff", FormatReason.TOO_MANY),
        ("a201010102", FormatReason.DUPLICATE),
        ("a1f501", FormatReason.MALFORMED),
        ("a1f93c0001", FormatReason.MALFORMED),
        ("c16130", FormatReason.MALFORMED),
        ("c1f5", FormatReason.MALFORMED),
        ("c249010000000000000000", FormatReason.MALFORMED),
        ("c482190191f6", FormatReason.MALFORMED),
        ("c48219019101", FormatReason.MALFORMED),
        ("c48219019001", FormatReason.MALFORMED),
        ("c481c48100", FormatReason.MALFORMED),
        ("d81c80", FormatReason.MALFORMED),
        ("ff", FormatReason.MALFORMED),
        ("81ff", FormatReason.MALFORMED),
        ("bf01ff", FormatReason.MALFORMED),
        ("1f", FormatReason.MALFORMED),
        ("1c", FormatReason.MALFORMED),
        ("e0", FormatReason.MALFORMED),
        ("5f6161ff", FormatReason.MALFORMED),
        ("5f5f4101ffff", FormatReason.MALFORMED),
        ("61ff", FormatReason.MALFORMED),
        ("8181818181", FormatReason.MALFORMED),
        ("81818181c100", FormatReason.MALFORMED),
        ("a1810102", FormatReason.MALFORMED),
        ("9f9f9f9f9f", FormatReason.MALFORMED),
    ],
)
def test_cbor_is_bounded_and_well_formed(data: str, reason: FormatReason) -> None:
    with pytest.raises(FormatError) as caught:
        lenient_cbor.decode(bytes.fromhex(data), max_size=100)
    assert caught.value.reason is reason


def test_cbor_has_a_size_and_a_count() -> None:
    with pytest.raises(FormatError) as caught:
        lenient_cbor.decode(b"\x80" * 101, max_size=100)
    assert caught.value.reason is FormatReason.TOO_LARGE
    with pytest.raises(FormatError) as caught:
        lenient_cbor.decode(b"\x9f" + b"\1" * 50 + b"\xff", max_size=100, max_items=20)
    assert caught.value.reason is FormatReason.TOO_MANY


def test_arrays_as_keys_where_they_are_wanted() -> None:
    data = bytes.fromhex("a2820300019f0104ff02")
    assert lenient_cbor.decode(data, max_size=100, array_keys=True) == {(3, 0): 1, (1, 4): 2}
    for other in ("a1816161f6", "a1818101f6", "a181f5f6", "a2810301810302"):
        with pytest.raises(FormatError):
            lenient_cbor.decode(bytes.fromhex(other), max_size=100, array_keys=True)
