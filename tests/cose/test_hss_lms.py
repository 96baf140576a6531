"""HSS/LMS signatures, made by the reference library with keys of every level and hash, and verified as COSE_Sign1."""

from __future__ import annotations

from typing import Any

import pyhsslms
import pytest

from cose import cbor
from cose.errors import CoseError, CoseReason, SignatureInvalid
from cose.hss_lms import MAX_SIGNATURE, HssLmsPublicKey, UnusableHssLmsKey
from cose.keys import generate_private_key
from cose.numbers import Algorithm, Tag
from cose.sign1 import Sign1, create

PAYLOAD = b"digest of a manifest"


def private(levels: int = 1, trees: bytes = pyhsslms.lms_sha256_m32_h5, leaves: bytes = b"") -> Any:
    return pyhsslms.HssPrivateKey(levels, trees, leaves or pyhsslms.lmots_sha256_n32_w4)


def sign1(key: Any, payload: bytes = PAYLOAD, **members: Any) -> bytes:
    """A COSE_Sign1 of RFC 8778, by hand."""
    header = cbor.encode({1: int(Algorithm.HSS_LMS)})
    signature = key.sign(cbor.encode(["Signature1", header, b"", payload]))
    return cbor.encode(cbor.Tagged(Tag.COSE_SIGN1, [header, {}, None, members.get("signature", signature)]))


@pytest.fixture(scope="module")
def key() -> Any:
    return private()


@pytest.mark.parametrize(
    ("levels", "trees", "leaves"),
    [
        (2, pyhsslms.lms_sha256_m32_h5, pyhsslms.lmots_sha256_n32_w4),
        (1, pyhsslms.lms_sha256_m24_h5, pyhsslms.lmots_sha256_n24_w4),
        (1, pyhsslms.lms_shake_m32_h5, pyhsslms.lmots_shake_n32_w4),
    ],
)
def test_levels_and_hashes(levels: int, trees: bytes, leaves: bytes) -> None:
    made = private(levels, trees, leaves)
    public = HssLmsPublicKey(made.publicKey().serialize())
    message = Sign1.parse(sign1(made), max_size=MAX_SIGNATURE)
    assert message.alg is Algorithm.HSS_LMS
    assert message.verify(public, detached_payload=PAYLOAD) == PAYLOAD


def test_what_is_not_signed(key: Any) -> None:
    public = HssLmsPublicKey(key.publicKey().serialize())
    raw = sign1(key)
    message = Sign1.parse(raw, max_size=MAX_SIGNATURE)
    changed = Sign1.parse(raw[:-1] + bytes([raw[-1] ^ 1]), max_size=MAX_SIGNATURE)
    for wrong, payload in ((message, b"another digest"), (changed, PAYLOAD)):
        with pytest.raises(SignatureInvalid):
            wrong.verify(public, detached_payload=payload)
    for signature in (b"", bytes(64), bytes(MAX_SIGNATURE + 1), message.signature[:-1], message.signature + b"\0"):
        assert not public.verifies(signature, PAYLOAD)
    with pytest.raises(SignatureInvalid):
        message.verify(HssLmsPublicKey(private().publicKey().serialize()), detached_payload=PAYLOAD)


def test_keys_and_algorithms_go_together(key: Any) -> None:
    public, other = HssLmsPublicKey(key.publicKey().serialize()), generate_private_key()
    by_curve = Sign1.parse(create(PAYLOAD, other, protected={}, detached=True), max_size=1024)
    for message, verifying in (
        (Sign1.parse(sign1(key), max_size=MAX_SIGNATURE), other.public_key()),
        (by_curve, public),
    ):
        with pytest.raises(CoseError) as caught:
            message.verify(verifying, detached_payload=PAYLOAD)
        assert caught.value.reason is CoseReason.KEY
    with pytest.raises(ValueError, match="state"):
        create(PAYLOAD, other, protected={1: int(Algorithm.HSS_LMS)}, detached=True)


def test_what_is_no_key(key: Any) -> None:
    raw = key.publicKey().serialize()
    for wrong in (b"", raw[:-1], raw + b"\0", bytes(4) + raw[4:], b"\0\0\0\x09" + raw[4:], raw[:4] + bytes(56)):
        with pytest.raises(UnusableHssLmsKey):
            HssLmsPublicKey(wrong)
