"""COSE_Encrypt with the ciphertext beside it: every algorithm, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from cose import cbor
from cose.encrypt import CONTENT_ALGORITHMS, Encrypt, encrypt
from cose.errors import CoseError, CoseReason
from cose.numbers import Algorithm, Tag
from cose.recipients import RecipientKey, SealedFor

KEK = bytes(16)
GCM, CTR = cbor.encode({1: 1}), cbor.encode({1: -65534})
SEALED = SealedFor(KEK).wrap(bytes(16))


def reason_of(data: bytes) -> CoseReason:
    with pytest.raises(CoseError) as caught:
        Encrypt.parse(data, max_size=4096)
    return caught.value.reason


def message(*members: Any, tag: int = Tag.COSE_ENCRYPT) -> bytes:
    return cbor.encode(cbor.Tagged(tag, list(members)))


@pytest.mark.parametrize("algorithm", sorted(CONTENT_ALGORITHMS))
def test_every_algorithm(algorithm: Algorithm) -> None:
    info, ciphertext = encrypt(b"plaintext", [SealedFor(KEK)], algorithm)
    parsed = Encrypt.parse(info, max_size=4096)
    assert parsed.alg is algorithm
    assert parsed.decrypt(ciphertext, RecipientKey(KEK)) == b"plaintext"
    changed = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
    if not parsed.authenticates:
        assert parsed.decrypt(changed, RecipientKey(KEK)) != b"plaintext"
        return
    with pytest.raises(CoseError) as caught:
        parsed.decrypt(changed, RecipientKey(KEK))
    assert caught.value.reason is CoseReason.TAG


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (message(GCM, {5: bytes(12)}, None, [SEALED], tag=16), CoseReason.STRUCTURE),
        (message(GCM, {5: bytes(12)}, b"ciphertext", [SEALED]), CoseReason.PAYLOAD),
        (message(GCM, {5: bytes(12)}, None), CoseReason.STRUCTURE),
        (message(GCM, {5: bytes(12)}, None, []), CoseReason.STRUCTURE),
        (message(GCM, {}, None, [SEALED]), CoseReason.UNPROTECTED_HEADER),
        (message(GCM, {5: bytes(16)}, None, [SEALED]), CoseReason.UNPROTECTED_HEADER),
        (message(CTR, {5: bytes(16)}, None, [SEALED]), CoseReason.ALGORITHM),
        (message(b"", {1: 1, 5: bytes(12)}, None, [SEALED]), CoseReason.ALGORITHM),
        (message(cbor.encode({16: 1}), {1: -65534, 5: bytes(16)}, None, [SEALED]), CoseReason.PROTECTED_HEADER),
        (message(cbor.encode({1: 99}), {5: bytes(12)}, None, [SEALED]), CoseReason.ALGORITHM),
    ],
)
def test_what_is_no_encryption(data: bytes, reason: CoseReason) -> None:
    assert reason_of(data) is reason


def test_the_key_has_the_length_of_the_algorithm() -> None:
    data = message(cbor.encode({1: 3}), {5: bytes(12)}, None, [SEALED])
    with pytest.raises(CoseError) as caught:
        Encrypt.parse(data, max_size=4096).decrypt(b"", RecipientKey(KEK))
    assert caught.value.reason is CoseReason.KEY
    with pytest.raises(CoseError) as caught:
        encrypt(b"", [SealedFor(KEK)], Algorithm.ESP256)
    assert caught.value.reason is CoseReason.ALGORITHM
