"""Private keys in C509: one form, and nothing else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from cose.cbor import decode, encode
from device_pki.c509 import C509Error, decode_private_key, encode_private_key

KEY = ec.generate_private_key(ec.SECP256R1())
ENCODED = encode_private_key(KEY)


def test_a_key_comes_back() -> None:
    assert decode_private_key(ENCODED).private_numbers() == KEY.private_numbers()
    assert len(ENCODED) == 43


def test_other_curves_are_refused() -> None:
    with pytest.raises(C509Error):
        encode_private_key(ec.generate_private_key(ec.SECP384R1()))


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32, bytes(31), b"x" * 33])
def test_what_is_no_key_of_the_curve_is_refused(secret: bytes) -> None:
    item = decode(ENCODED)
    item[2][-4] = secret
    with pytest.raises(C509Error):
        decode_private_key(encode(item))


@given(st.binary(max_size=60) | st.builds(lambda cut: ENCODED[:cut], st.integers(0, len(ENCODED) - 1)))
def test_no_input_brings_another_error(data: bytes) -> None:
    with pytest.raises(C509Error):
        decode_private_key(data)
