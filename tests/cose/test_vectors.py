"""The working group's COSE_Sign1 examples and the tokens of RFC 8392: verified, or refused for a stated reason."""

from __future__ import annotations

from typing import Any

import pytest

from cose.cbor import CborError
from cose.cwt import decode_claims
from cose.errors import CoseError, CoseReason
from cose.sign1 import Sign1, parse_profile
from tests.cose.vectors import SHARED, Example, own, own_examples, shared

SIGN1 = [own(record) for record in own_examples("cose", "sign1.json")]
TOKENS = own_examples("cwt", "signed.json")
FOLDERS = ("cose/sign1-tests", "cose/ecdsa-examples", "cose/eddsa-examples", "cwt")

REFUSED = {
    "sign-fail-01": CoseReason.STRUCTURE,  # another tag
    "sign-fail-02": CoseReason.SIGNATURE,
    "sign-fail-03": CoseReason.ALGORITHM,  # an unknown number
    "sign-fail-04": CoseReason.ALGORITHM,  # a text
    "sign-fail-06": CoseReason.SIGNATURE,
    "sign-fail-07": CoseReason.SIGNATURE,
    # Valid by the standard, refused by design:
    "sign-pass-01": CoseReason.ALGORITHM,  # alg only in the unprotected header
    "sign-pass-02": CoseReason.SIGNATURE,  # external_aad: no message of this product has any
    "sign-pass-03": CoseReason.STRUCTURE,  # the tag is required
    "ecdsa-sig-04": CoseReason.KEY,  # P-256 with SHA-512
    "eddsa-sig-02": CoseReason.KEY,  # Ed448
}
"""Examples that do not verify here; every other one must."""


def _verify(example: Example) -> bytes:
    message = Sign1.parse(example.message, max_size=4096)
    if example.key is None:
        raise CoseError(CoseReason.KEY, "a curve that cannot even be loaded here")
    return message.verify(example.key)


@pytest.mark.parametrize("example", [*SIGN1, *map(own, TOKENS), *shared(*FOLDERS)], ids=lambda example: example.name)
def test_single_signer_examples(example: Example) -> None:
    reason = REFUSED.get(example.name)
    if reason is None:
        assert _verify(example) == example.payload
        return
    with pytest.raises(CoseError) as caught:
        _verify(example)
    assert caught.value.reason is reason


@pytest.mark.parametrize("example", [*SIGN1, *map(own, TOKENS)], ids=lambda example: example.name)
def test_examples_are_not_messages_of_the_profile(example: Example) -> None:
    with pytest.raises(CoseError):
        parse_profile(example.message, max_size=4096)


@pytest.mark.parametrize("example", SIGN1, ids=lambda example: example.name)
def test_every_truncation_is_refused(example: Example) -> None:
    for length in range(len(example.message)):
        with pytest.raises((CborError, CoseError)):
            Sign1.parse(example.message[:length], max_size=4096)


@pytest.mark.parametrize("record", TOKENS, ids=lambda record: record["reference"])
def test_claims_of_the_tokens(record: dict[str, Any]) -> None:
    expected = {int(key): _value(value) for key, value in record["claims"].items()}
    assert decode_claims(_verify(own(record))) == expected


def test_the_shared_folder_is_walked_whole_where_it_exists() -> None:
    names = {example.name for example in shared(*FOLDERS)}
    assert names >= REFUSED.keys() or not SHARED.exists()


def _value(value: Any) -> Any:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
