"""COSE_Mac0, COSE_Mac and COSE_Sign: made, verified, and refused with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cose import cbor
from cose.algorithms import SIGNATURE_ALGORITHMS
from cose.errors import CoseError, CoseReason
from cose.mac import Mac, create_mac, create_mac0
from cose.numbers import Tag
from cose.recipients import RecipientKey, SealedFor
from cose.sign import MAX_SIGNATURES, Sign

KEY, KEK, PAYLOAD = bytes(32), bytes(16), b"payload"
SIGNER, SECOND = (ec.derive_private_key(number, ec.SECP256R1()) for number in (3, 4))
HEADER, UNKNOWN = cbor.encode({1: 5}), cbor.encode({1: 99})
ESP256, ESP512 = cbor.encode({1: -9}), cbor.encode({1: -52})
MAC0, MAC = create_mac0(PAYLOAD, KEY, detached=True), create_mac(PAYLOAD, [SealedFor(KEK)], detached=True)


def reason_of(act: Callable[[], object]) -> CoseReason:
    with pytest.raises(CoseError) as caught:
        act()
    return caught.value.reason


def mac(*members: Any, tag: int = Tag.COSE_MAC0) -> bytes:
    return cbor.encode(cbor.Tagged(tag, list(members)))


def test_macs_verify() -> None:
    for data, key in ((MAC0, KEY), (MAC, RecipientKey(KEK))):
        assert Mac.parse(data, max_size=1024).verify(key, detached_payload=PAYLOAD) == PAYLOAD
    attached = create_mac0(PAYLOAD, KEY)
    assert Mac.parse(attached, max_size=1024).verify(KEY) == PAYLOAD
    assert Mac.parse(create_mac(PAYLOAD, [SealedFor(KEK)]), max_size=1024).verify(RecipientKey(KEK)) == PAYLOAD


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (cbor.encode([]), CoseReason.STRUCTURE),
        (mac(HEADER, {}, None, bytes(32), tag=18), CoseReason.STRUCTURE),
        (mac(HEADER, {}, None), CoseReason.STRUCTURE),
        (mac(HEADER, {}, 1, bytes(32)), CoseReason.STRUCTURE),
        (mac(HEADER, {}, None, bytes(32), 1, tag=Tag.COSE_MAC), CoseReason.STRUCTURE),
        (mac(HEADER, {}, None, bytes(32), [], tag=Tag.COSE_MAC), CoseReason.STRUCTURE),
        (mac(UNKNOWN, {}, None, bytes(32)), CoseReason.ALGORITHM),
        (mac(b"", {1: 5}, None, bytes(32)), CoseReason.ALGORITHM),
        (mac(HEADER, {1: 5}, None, bytes(32)), CoseReason.UNPROTECTED_HEADER),
        (mac(HEADER, {b"x": 5}, None, bytes(32)), CoseReason.UNPROTECTED_HEADER),
        (mac(HEADER, {2: []}, None, bytes(32)), CoseReason.CRITICAL),
        (mac(b"\x80", {}, None, bytes(32)), CoseReason.PROTECTED_HEADER),
    ],
)
def test_what_is_no_mac(data: bytes, reason: CoseReason) -> None:
    assert reason_of(lambda: Mac.parse(data, max_size=1024)) is reason


def test_what_does_not_verify() -> None:
    mac0, wrapped = Mac.parse(MAC0, max_size=1024), Mac.parse(MAC, max_size=1024)
    assert reason_of(lambda: mac0.verify(bytes([1]) * 32, detached_payload=PAYLOAD)) is CoseReason.TAG
    assert reason_of(lambda: mac0.verify(KEY, detached_payload=b"other")) is CoseReason.TAG
    assert reason_of(lambda: wrapped.verify(RecipientKey(KEK), detached_payload=b"other")) is CoseReason.TAG
    assert reason_of(lambda: wrapped.verify(RecipientKey(b"k" * 16), detached_payload=PAYLOAD)) is CoseReason.RECIPIENT
    assert reason_of(lambda: mac0.verify(RecipientKey(KEK), detached_payload=PAYLOAD)) is CoseReason.KEY
    assert reason_of(lambda: wrapped.verify(KEY, detached_payload=PAYLOAD)) is CoseReason.KEY
    assert reason_of(lambda: mac0.verify(KEY)) is CoseReason.PAYLOAD
    assert reason_of(lambda: mac0.verify(bytes(15), detached_payload=PAYLOAD)) is CoseReason.KEY
    assert reason_of(lambda: create_mac0(PAYLOAD, bytes(15))) is CoseReason.KEY


# ---- several signatures --------------------------------------------------------------------------


def signature(key: Any, header: bytes = ESP256, body: bytes = b"") -> list[Any]:
    signed = cbor.encode(["Signature", body, header, b"", PAYLOAD])
    return [header, {}, SIGNATURE_ALGORITHMS[-9].sign(key, signed)]


def several(*signatures: Any, body: Any = b"", tag: int = Tag.COSE_SIGN) -> bytes:
    return cbor.encode(cbor.Tagged(tag, [body, {}, None, list(signatures)]))


def test_one_of_several_signatures_is_enough() -> None:
    message = Sign.parse(several(signature(SECOND), signature(SIGNER)), max_size=1024)
    for key in (SIGNER, SECOND):
        assert message.verify(key.public_key(), detached_payload=PAYLOAD) == PAYLOAD
    stranger = ec.derive_private_key(5, ec.SECP256R1()).public_key()
    assert reason_of(lambda: message.verify(stranger, detached_payload=PAYLOAD)) is CoseReason.SIGNATURE
    assert reason_of(lambda: message.verify(SIGNER.public_key())) is CoseReason.PAYLOAD
    other_curve = Sign.parse(several([ESP512, {}, bytes(132)]), max_size=1024)
    assert reason_of(lambda: other_curve.verify(SIGNER.public_key(), detached_payload=PAYLOAD)) is CoseReason.SIGNATURE


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (several(signature(SIGNER), tag=18), CoseReason.STRUCTURE),
        (several(), CoseReason.STRUCTURE),
        (several(*[signature(SIGNER)] * (MAX_SIGNATURES + 1)), CoseReason.STRUCTURE),
        (several(1), CoseReason.STRUCTURE),
        (several(signature(SIGNER), body=1), CoseReason.STRUCTURE),
        (several([UNKNOWN, {}, b""]), CoseReason.ALGORITHM),
        (several([ESP256, {1: -9}, b""]), CoseReason.UNPROTECTED_HEADER),
    ],
)
def test_what_is_no_list_of_signatures(data: bytes, reason: CoseReason) -> None:
    assert reason_of(lambda: Sign.parse(data, max_size=4096)) is reason
