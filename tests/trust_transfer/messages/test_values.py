"""Shared values: seq arithmetic, numbers, bounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cose.keys import KeyKind, authority_key, generate_private_key
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import AnchorRole, Result, State
from trust_transfer.messages.values import Anchor, Authorities, Limits, Seq, SuitDigest, seq_parts, seq_value

KEYS = [authority_key(generate_private_key(kind).public_key()) for kind in KeyKind]


@given(st.integers(0, (1 << 48) - 1), st.integers(0, 65535))
def test_seq_is_epoch_and_count(epoch: int, n: int) -> None:
    assert seq_parts(seq_value(epoch, n)) == Seq(epoch, n)


@given(
    st.tuples(st.integers(0, (1 << 48) - 1), st.integers(0, 65535)), st.tuples(st.integers(0, 99), st.integers(0, 9))
)
def test_seq_orders_as_its_parts_do(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (seq_value(*one) < seq_value(*other)) == (Seq(*one) < Seq(*other))


@pytest.mark.parametrize(("epoch", "n"), [(0, 65536), (0, -1), (-1, 0), (1 << 48, 0)])
def test_seq_bounds(epoch: int, n: int) -> None:
    with pytest.raises(ValueError, match="48 and 16 bits"):
        seq_value(epoch, n)


def test_numbers_of_the_registry() -> None:
    working = ["resetting", "attesting", "updating", "enrolling", "registering"]
    names = ["idle", "accepted", *working, "committed", "falling_back", "fell_back"]
    assert [state.name.lower() for state in State] == names
    assert [int(state) for state in State] == list(range(10))
    assert [int(result) for result in Result] == [*range(21), 32, 33, *range(40, 51)]


def test_results_of_a_newer_registry_have_a_name() -> None:
    assert Result(77).name == "RESULT_77"
    assert Result(77) == 77
    assert Result(77) != Result.NONE
    numberless: list[Any] = [-1, 65536, "1"]
    for value in numberless:
        with pytest.raises(ValueError, match="is not a valid"):
            Result(value)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (SuitDigest.from_cbor, [-16]),
        (SuitDigest.from_cbor, [-16, bytes(31)]),
        (SuitDigest.from_cbor, [-43, bytes(65)]),
        (SuitDigest.from_cbor, [-43, b""]),
        (SuitDigest.from_cbor, [True, bytes(32)]),
        (SuitDigest.from_cbor, ["-16", bytes(32)]),
        (Anchor.from_cbor, [0, bytes(32)]),
        (Anchor.from_cbor, [16, bytes(32)]),
        (Anchor.from_cbor, [1, bytes(31)]),
        (Anchor.from_cbor, [True, bytes(32)]),
        (Limits.from_cbor, [256, 300]),
        (Limits.from_cbor, [1, 2592001]),
        (Authorities.from_cbor, {0: KEYS[0]}),
        (Authorities.from_cbor, {0: KEYS[0], 1: KEYS[1], 2: KEYS[1]}),
        (Authorities.from_cbor, {0: KEYS[0], 1: KEYS[1] + b"x"}),
        (Authorities.from_cbor, {0: KEYS[0], 1: b"\x02" + b"\xff" * 32}),
        (Authorities.from_cbor, [KEYS[0], KEYS[1]]),
    ],
)
def test_values_outside_their_bounds(read: Any, value: Any) -> None:
    with pytest.raises(MessageError) as caught:
        read(value)
    assert caught.value.result in {Result.MALFORMED, Result.UNKNOWN_TYP_OR_CLAIM}


def test_anchor_roles_add_up() -> None:
    roles = Anchor.from_cbor([13, bytes(32)]).roles
    assert roles == AnchorRole.ENROLL | AnchorRole.ATTEST | AnchorRole.BENEATH_PERMANENT
    assert AnchorRole.UPDATE not in roles
