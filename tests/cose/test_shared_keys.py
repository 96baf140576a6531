"""Shared keys as COSE_Keys: what is written is read, anything else is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cose import cbor
from cose.cbor import CborError
from cose.errors import CoseError
from cose.shared_keys import SharedKey


def test_a_fresh_key_is_read_as_it_was_written() -> None:
    key = SharedKey.generate()
    assert SharedKey.decode(key.encode()) == key
    assert (len(key.key), len(key.kid)) == (16, 8)
    assert key.key.hex() not in repr(key) and repr(key.key) not in repr(key)
    assert key != SharedKey.generate()


@pytest.mark.parametrize(
    "members",
    [
        {1: 4, 2: bytes(8)},
        {1: 2, 2: bytes(8), -1: bytes(16)},
        {1: 4, 2: bytes(7), -1: bytes(16)},
        {1: 4, 2: bytes(8), -1: bytes(15)},
        {1: 4, 2: bytes(8), -1: bytes(16), 3: -3},
        {1: True, 2: bytes(8), -1: bytes(16)},
        {True: 4, 2: bytes(8), -1: bytes(16)},
        [1, 4],
    ],
)
def test_what_is_no_shared_key(members: object) -> None:
    with pytest.raises((CborError, CoseError)):
        SharedKey.decode(cbor.encode(members))


@given(st.binary(max_size=300))
def test_any_bytes_are_a_key_or_refused(data: bytes) -> None:
    with contextlib.suppress(CborError, CoseError):
        assert SharedKey.decode(data).encode() == data
