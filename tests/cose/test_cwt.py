"""Claims sets: registered claims have their registered types."""

from __future__ import annotations

from typing import Any

import pytest

from cose.cbor import CborError, encode
from cose.cwt import ClaimsError, decode_claims
from cose.numbers import Claim


def test_private_claims_are_free() -> None:
    claims = {Claim.ISS: "sp1", Claim.EXP: 5, -65537: {0: True}}
    assert decode_claims(encode(claims)) == claims


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        (Claim.ISS, b"sp1"),
        (Claim.AUD, ["a", "b"]),
        (Claim.EXP, "tomorrow"),
        (Claim.NBF, -1),
        (Claim.NBF, 1.5),
        (Claim.IAT, True),
        (Claim.IAT, None),
        (Claim.CTI, "0b71"),
        (Claim.EAT_NONCE, 7),
    ],
)
def test_wrong_types_are_refused(claim: Claim, value: Any) -> None:
    with pytest.raises(ClaimsError) as caught:
        decode_claims(encode({claim: value}))
    assert caught.value.claim == claim


def test_null_is_accepted_only_where_it_is_asked_for() -> None:
    payload = encode({Claim.IAT: None})
    assert decode_claims(payload, nullable={Claim.IAT}) == {Claim.IAT: None}
    with pytest.raises(ClaimsError):
        decode_claims(payload, nullable={Claim.EXP})


@pytest.mark.parametrize("payload", [encode([1]), encode("claims"), encode({"iss": "sp1"}), encode({b"": 1})])
def test_not_a_claims_set(payload: bytes) -> None:
    with pytest.raises(ClaimsError):
        decode_claims(payload)


def test_size_is_bounded() -> None:
    with pytest.raises(CborError):
        decode_claims(encode({Claim.ISS: "x" * 100}), max_size=50)
