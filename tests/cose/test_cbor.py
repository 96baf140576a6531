"""Deterministic CBOR: examples of RFC 8949, every rule of section 4.2.1, and properties over all values."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cose.cbor import CborError, CborReason, Tagged, array_head, decode, decode_sequence, encode, encode_bytes
from cose.numbers import Header

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "cose" / "cbor.json").read_text())

_SCALARS = (
    st.integers(-(1 << 64), (1 << 64) - 1)
    | st.binary(max_size=40)
    | st.text(max_size=40)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False)
)
_KEYS = st.integers(-(1 << 64), (1 << 64) - 1) | st.binary(max_size=8) | st.text(max_size=8)
VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(_KEYS, inner, max_size=4)
        | st.builds(Tagged, st.integers(0, (1 << 64) - 1), inner)
    ),
    max_leaves=12,
)


def _reason(data: bytes, **limits: Any) -> CborReason:
    with pytest.raises(CborError) as caught:
        decode(data, **limits)
    return caught.value.reason


@pytest.mark.parametrize("example", VECTORS["accepted"], ids=lambda example: example["hex"])
def test_examples_of_the_standard(example: dict[str, Any]) -> None:
    data = bytes.fromhex(example["hex"])
    assert encode(example["value"]) == data
    assert decode(data) == example["value"]


@pytest.mark.parametrize("example", VECTORS["refused"], ids=lambda example: example["what"])
def test_examples_deterministic_encoding_refuses(example: dict[str, Any]) -> None:
    assert _reason(bytes.fromhex(example["hex"])).name == example["reason"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", CborReason.TRUNCATED),
        ("18", CborReason.TRUNCATED),
        ("8201", CborReason.TRUNCATED),
        ("a101", CborReason.TRUNCATED),
        ("a1", CborReason.TRUNCATED),
        ("9bffffffffffffffff01", CborReason.TRUNCATED),
        ("5bffffffffffffffff01", CborReason.TRUNCATED),
        ("0000", CborReason.TRAILING_BYTES),
        ("1817", CborReason.NOT_SHORTEST),
        ("1900ff", CborReason.NOT_SHORTEST),
        ("1a0000ffff", CborReason.NOT_SHORTEST),
        ("1b00000000ffffffff", CborReason.NOT_SHORTEST),
        ("5801aa", CborReason.NOT_SHORTEST),
        ("980100", CborReason.NOT_SHORTEST),
        ("d81200", CborReason.NOT_SHORTEST),
        ("fa3fc00000", CborReason.NOT_SHORTEST),
        ("f97e01", CborReason.NOT_SHORTEST),
        ("a202010102", CborReason.UNSORTED_KEYS),
        ("a2200118180 1".replace(" ", ""), CborReason.UNSORTED_KEYS),
        ("a201010102", CborReason.DUPLICATE_KEY),
        ("a1f501", CborReason.KEY_TYPE),
        ("a1f93c0001", CborReason.KEY_TYPE),
        ("a1f601", CborReason.KEY_TYPE),
        ("a1c2410101", CborReason.KEY_TYPE),
        ("a1800 1".replace(" ", ""), CborReason.KEY_TYPE),
        ("a1a001", CborReason.KEY_TYPE),
        ("61ff", CborReason.INVALID_TEXT),
        ("63eda080", CborReason.INVALID_TEXT),
        ("1c", CborReason.UNSUPPORTED),
        ("1f", CborReason.INDEFINITE_LENGTH),
        ("ff", CborReason.INDEFINITE_LENGTH),
        ("f818", CborReason.UNSUPPORTED),
        ("f814", CborReason.UNSUPPORTED),
    ],
)
def test_refusals(data: str, reason: CborReason) -> None:
    assert _reason(bytes.fromhex(data)) is reason


def test_keys_are_ordered_by_their_bytes_not_by_length_first() -> None:
    """RFC 7049 put the shorter key first; RFC 8949 compares bytes, so 0x1864 comes before 0x20."""
    assert encode({-1: 1, 100: 2}).hex() == "a2186402" + "2001"
    assert decode(bytes.fromhex("a21864022001")) == {100: 2, -1: 1}


def test_size_and_depth_are_bounded() -> None:
    assert _reason(bytes(11), max_size=10) is CborReason.TOO_LARGE
    assert decode(b"\x81\x81\x00", max_depth=2) == [[0]]
    assert _reason(b"\x81\x81\x81\x00", max_depth=2) is CborReason.TOO_DEEP
    assert _reason(b"\xc1" * 60000 + b"\x00") is CborReason.TOO_DEEP
    assert _reason(b"\x81" * 60000) is CborReason.TOO_DEEP
    assert _reason(b"\xa1\x01" * 30000) is CborReason.TOO_DEEP


def test_enum_members_are_their_numbers() -> None:
    assert encode({Header.KID: Header.TYP}) == bytes.fromhex("a10410")


def test_tags_are_carried_not_interpreted() -> None:
    assert decode(bytes.fromhex("c24101")) == Tagged(2, b"\x01")
    assert decode(bytes.fromhex("d81c80")) == Tagged(28, [])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1 << 64, CborReason.UNSUPPORTED),
        (-(1 << 64) - 1, CborReason.UNSUPPORTED),
        (Tagged(-1, 0), CborReason.UNSUPPORTED),
        (object(), CborReason.UNSUPPORTED),
        ({True: 1}, CborReason.KEY_TYPE),
        ({1.0: 1}, CborReason.KEY_TYPE),
        ({None: 1}, CborReason.KEY_TYPE),
        ({frozenset({1}): 1}, CborReason.KEY_TYPE),
        ("\ud800", CborReason.INVALID_TEXT),
    ],
)
def test_values_without_an_encoding(value: Any, reason: CborReason) -> None:
    with pytest.raises(CborError) as caught:
        encode(value)
    assert caught.value.reason is reason


def test_not_a_number_has_one_encoding() -> None:
    assert encode(math.nan) == bytes.fromhex("f97e00")
    assert math.isnan(decode(bytes.fromhex("f97e00")))


@given(VALUES)
def test_round_trip(value: Any) -> None:
    data = encode(value)
    assert encode(decode(data, max_depth=64)) == data


@given(VALUES.filter(lambda value: not _has_tag(value)))
def test_another_implementation_reads_the_same(value: Any) -> None:
    data = encode(value)
    assert cbor2.loads(data) == value


@given(st.binary(max_size=64))
def test_any_bytes_are_refused_or_come_back_the_same(data: bytes) -> None:
    try:
        value = decode(data)
    except CborError:
        return
    assert encode(value) == data


@given(VALUES, st.data())
def test_every_truncation_is_refused(value: Any, data: st.DataObject) -> None:
    encoded = encode(value)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    assert _reason(encoded[:cut], max_depth=64) is CborReason.TRUNCATED


def _refuse(_: Any) -> Any:
    raise LookupError


INTERPRETED = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
"""Tags of which the other implementation makes values of its own."""


def _deterministic(value: Any) -> bytes:
    """The encoding of section 4.2.1 by the other implementation's encoder of single values.

    Raises LookupError for what has no place in the profile.
    """
    match value:
        case dict() | cbor2.frozendict():
            if any(type(key) not in (int, str, bytes) for key in value):
                raise LookupError
            members = sorted((_deterministic(key), _deterministic(member)) for key, member in value.items())
            return _head(5, len(members)) + b"".join(key + member for key, member in members)
        case list() | tuple():
            return _head(4, len(value)) + b"".join(map(_deterministic, value))
        case cbor2.CBORTag():
            return _head(6, value.tag) + _deterministic(value.value)
        case None | bool() | int() | float() | str() | bytes():
            if isinstance(value, int) and not -(1 << 64) <= value < 1 << 64:
                raise LookupError
            return cbor2.dumps(value, canonical=True)
    raise LookupError


def _head(major: int, argument: int) -> bytes:
    first, *rest = cbor2.dumps(argument)
    return bytes([major << 5 | first, *rest])


def _accepted_by_both_or_none(data: bytes) -> None:
    """What is accepted here is what another decoder reads and another encoder writes the same."""
    try:
        read = cbor2.loads(data, semantic_decoders=dict.fromkeys(INTERPRETED, _refuse), allow_indefinite=False)
        expected = _deterministic(read) == data
    except (cbor2.CBORDecodeError, LookupError, ValueError):
        read, expected = None, False
    try:
        value = decode(data, max_depth=64)
    except CborError:
        assert not expected
    else:
        assert encode(value) == data
        if not any(head in data for head in map(_tag_head, INTERPRETED)):
            assert expected
            assert _exactly(value) == _exactly(read)


def _tag_head(tag: int) -> bytes:
    return _head(6, tag)


def _exactly(value: Any) -> Any:
    """Comparable with its types: 1, True and 1.0 are three values."""
    if isinstance(value, dict | cbor2.frozendict):
        return [(type(key), key, _exactly(member)) for key, member in value.items()]
    if isinstance(value, list | tuple):
        return [_exactly(member) for member in value]
    if isinstance(value, Tagged | cbor2.CBORTag):
        return ("tagged", value.tag, _exactly(value.value))
    return (type(value), repr(value))


@given(st.binary(max_size=24) | VALUES.map(encode))
def test_another_implementation_accepts_and_refuses_the_same(data: bytes) -> None:
    _accepted_by_both_or_none(data)


@given(VALUES.map(encode), st.data())
def test_also_after_a_change(data: bytes, draw: st.DataObject) -> None:
    changed = bytearray(data)
    changed[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    _accepted_by_both_or_none(bytes(changed))


@given(st.sampled_from(INTERPRETED) | st.integers(0, 70_000), VALUES)
def test_no_tag_is_interpreted(tag: int, value: Any) -> None:
    decoded = decode(encode(Tagged(tag, value)), max_depth=64)
    assert isinstance(decoded, Tagged)
    assert (decoded.tag, encode(decoded.value)) == (tag, encode(value))


@pytest.mark.parametrize("size", [23, 24, 255, 256, 65535, 65536])
def test_heads_of_every_length(size: int) -> None:
    for value in (size, -1 - size, bytes(size), "x" * size, [0] * size, dict.fromkeys(range(size), 0)):
        data = encode(value)
        assert data == _deterministic(value)
        assert decode(data, max_size=1 << 20) == value
        assert _reason(data[:-1] if size else data, max_size=1 << 20) is CborReason.TRUNCATED


def _has_tag(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_tag, value.values()))
    return isinstance(value, Tagged) or (isinstance(value, list) and any(map(_has_tag, value)))


def test_arrays_as_keys_where_they_are_asked_for() -> None:
    value = {(b"a", b""): 1, (): 2, 3: 4}
    data = encode(value)
    assert decode(data, array_keys=True) == value
    assert _reason(data) is CborReason.KEY_TYPE
    assert _reason(bytes.fromhex("a181818001"), array_keys=True) is CborReason.KEY_TYPE
    assert _reason(bytes.fromhex("a281010281 0103".replace(" ", "")), array_keys=True) is CborReason.DUPLICATE_KEY


def test_any_order_where_it_is_asked_for() -> None:
    assert decode(bytes.fromhex("a220010402"), any_order=True) == {-1: 1, 4: 2}
    assert _reason(bytes.fromhex("a220010402")) is CborReason.UNSORTED_KEYS
    assert _reason(bytes.fromhex("a3040120010402"), any_order=True) is CborReason.DUPLICATE_KEY


def test_sequences_fill_their_bytes() -> None:
    assert decode_sequence(b"") == []
    assert decode_sequence(bytes.fromhex("01820203a0")) == [1, [2, 3], {}]
    for data, reason in (("0182", CborReason.TRUNCATED), ("011817", CborReason.NOT_SHORTEST)):
        with pytest.raises(CborError) as caught:
            decode_sequence(bytes.fromhex(data))
        assert caught.value.reason is reason
    with pytest.raises(CborError) as caught:
        decode_sequence(bytes(3), max_size=2)
    assert caught.value.reason is CborReason.TOO_LARGE


def test_heads_for_members_that_are_encoded_already() -> None:
    for size in (0, 23, 24, 255, 256, 70_000):
        assert array_head(size) + bytes(size) == encode([0] * size)
        assert encode_bytes(bytes(size)) == encode(bytes(size))
