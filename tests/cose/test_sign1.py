"""COSE_Sign1: the general structure, and the profile of the transfer messages."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cose import sign1
from cose.algorithms import algorithm_for
from cose.cbor import CborError, Tagged, decode, encode
from cose.errors import CoseError, CoseReason, SignatureInvalid
from cose.keys import KeyKind, generate_private_key, kid
from cose.numbers import Algorithm, Header
from cose.sign1 import Sign1, create, parse_profile, sign

KEY = generate_private_key()
ED25519_KEY = generate_private_key(KeyKind.ED25519)
PAYLOAD = b"payload"
TYP = 65002


def _profile(**changes: Any) -> bytes:
    """A message of the profile with members of the envelope replaced; the signature does not matter."""
    header = {Header.ALG: Algorithm.ESP256, Header.KID: kid(KEY.public_key()), Header.TYP: TYP}
    header |= changes.pop("header", {})
    header = {label: value for label, value in header.items() if value is not None}
    members = [encode(header), changes.pop("unprotected", {}), changes.pop("payload", PAYLOAD), bytes(64)]
    return encode(Tagged(changes.pop("tag", 18), changes.pop("members", members)))


def _reason(data: bytes) -> CoseReason:
    with pytest.raises(CoseError) as caught:
        parse_profile(data, max_size=1024)
    return caught.value.reason


@pytest.mark.parametrize(("key", "algorithm"), [(KEY, Algorithm.ESP256), (ED25519_KEY, Algorithm.ED25519)])
def test_a_message_of_the_profile(key: Any, algorithm: Algorithm) -> None:
    raw = sign(PAYLOAD, key, TYP)
    message = parse_profile(raw, max_size=1024)
    assert (message.alg, message.kid, message.typ) == (algorithm, kid(key.public_key()), TYP)
    assert message.raw == raw
    assert message.unprotected == {}
    assert len(message.signature) == 64
    assert message.verify(key.public_key()) == PAYLOAD


@pytest.mark.parametrize(("key", "algorithm"), [(KEY, Algorithm.ES256), (ED25519_KEY, Algorithm.EDDSA)])
def test_the_older_names_of_the_algorithms_are_accepted(key: Any, algorithm: Algorithm) -> None:
    protected: dict[int, Any] = {Header.ALG: algorithm, Header.KID: kid(key.public_key()), Header.TYP: TYP}
    message = parse_profile(create(PAYLOAD, key, protected=protected), max_size=1024)
    assert message.alg is algorithm
    assert message.verify(key.public_key()) == PAYLOAD


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tag": 17}, CoseReason.STRUCTURE),
        ({"members": [b"", {}, b""]}, CoseReason.STRUCTURE),
        ({"members": {}}, CoseReason.STRUCTURE),
        ({"members": [b"\xa0", {}, b"", b""]}, CoseReason.ALGORITHM),
        ({"members": [b"\x80", {}, b"", b""]}, CoseReason.PROTECTED_HEADER),
        ({"header": {Header.ALG: None}}, CoseReason.ALGORITHM),
        ({"header": {Header.ALG: None}, "unprotected": {1: -9}}, CoseReason.ALGORITHM),
        ({"header": {Header.ALG: -65535}}, CoseReason.ALGORITHM),
        ({"header": {Header.ALG: True}}, CoseReason.ALGORITHM),
        ({"header": {Header.ALG: [-9]}}, CoseReason.ALGORITHM),
        ({"header": {Header.ALG: Algorithm.ESP384}}, CoseReason.ALGORITHM),
        ({"header": {Header.ALG: Algorithm.SHA_256}}, CoseReason.ALGORITHM),
        ({"header": {Header.KID: None}}, CoseReason.PROTECTED_HEADER),
        ({"header": {Header.KID: None}, "unprotected": {4: bytes(8)}}, CoseReason.UNPROTECTED_HEADER),
        ({"header": {Header.KID: bytes(7)}}, CoseReason.PROTECTED_HEADER),
        ({"header": {Header.KID: "12345678"}}, CoseReason.PROTECTED_HEADER),
        ({"header": {Header.TYP: None}}, CoseReason.PROTECTED_HEADER),
        ({"header": {Header.TYP: "tt-devices+cbor"}}, CoseReason.PROTECTED_HEADER),
        ({"header": {Header.TYP: True}}, CoseReason.PROTECTED_HEADER),
        ({"header": {Header.TYP: -1}}, CoseReason.PROTECTED_HEADER),
        ({"header": {Header.CONTENT_TYPE: 0}}, CoseReason.PROTECTED_HEADER),
        ({"header": {Header.X5CHAIN: b"certificate"}}, CoseReason.PROTECTED_HEADER),
        ({"header": {"alg": -9}}, CoseReason.PROTECTED_HEADER),
        ({"header": {b"": -9}}, CoseReason.PROTECTED_HEADER),
        ({"header": {Header.CRIT: [1]}}, CoseReason.CRITICAL),
        ({"header": {Header.CRIT: []}}, CoseReason.CRITICAL),
        ({"unprotected": {Header.CRIT: [1]}}, CoseReason.CRITICAL),
        ({"unprotected": {Header.ALG: -9}}, CoseReason.UNPROTECTED_HEADER),
        ({"unprotected": {99: 0}}, CoseReason.UNPROTECTED_HEADER),
        ({"payload": None}, CoseReason.PAYLOAD),
    ],
)
def test_what_the_profile_refuses(changes: dict[str, Any], reason: CoseReason) -> None:
    assert _reason(_profile(**changes)) is reason


@pytest.mark.parametrize("protected", ["a2042600", "a2012601", "bf0126ff", "a1011a00000007", "a1012600", "a2f5260126"])
def test_the_protected_header_is_deterministic_too(protected: str) -> None:
    with pytest.raises(CborError):
        Sign1.parse(encode(Tagged(18, [bytes.fromhex(protected), {}, b"", b""])), max_size=1024)


@pytest.mark.parametrize("key", [KEY, ED25519_KEY])
def test_any_changed_bit_is_noticed(key: Any) -> None:
    raw = sign(PAYLOAD, key, TYP)
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        with pytest.raises((CborError, CoseError)):
            Sign1.parse(bytes(changed), max_size=1024).verify(key.public_key())


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65), b"\xff" * 64, bytes(72)])
def test_impossible_signatures(signature: bytes) -> None:
    for key in (KEY, ED25519_KEY):
        members = decode(sign(PAYLOAD, key, TYP)).value
        raw = encode(Tagged(18, [*members[:3], signature]))
        with pytest.raises(SignatureInvalid):
            Sign1.parse(raw, max_size=1024).verify(key.public_key())


def test_a_key_of_another_kind_is_refused() -> None:
    for signer, other in ((KEY, ED25519_KEY), (ED25519_KEY, KEY), (KEY, ec.generate_private_key(ec.SECP384R1()))):
        with pytest.raises(CoseError) as caught:
            Sign1.parse(sign(PAYLOAD, signer, TYP), max_size=1024).verify(other.public_key())
        assert caught.value.reason is CoseReason.KEY


def test_messages_are_signed_with_p256_or_ed25519() -> None:
    with pytest.raises(CoseError) as caught:
        sign(PAYLOAD, ec.generate_private_key(ec.SECP384R1()), TYP)
    assert caught.value.reason is CoseReason.ALGORITHM


def test_a_detached_payload_is_given_exactly_once() -> None:
    public = KEY.public_key()
    detached = Sign1.parse(create(PAYLOAD, KEY, protected={}, detached=True), max_size=1024)
    attached = Sign1.parse(create(PAYLOAD, KEY, protected={}), max_size=1024)
    assert detached.verify(public, detached_payload=PAYLOAD) == PAYLOAD
    with pytest.raises(SignatureInvalid):
        detached.verify(public, detached_payload=b"other")
    for message, given in ((detached, None), (attached, PAYLOAD)):
        with pytest.raises(CoseError) as caught:
            message.verify(public, detached_payload=given)
        assert caught.value.reason is CoseReason.PAYLOAD


def test_unprotected_members_are_possible_outside_the_profile() -> None:
    raw = create(PAYLOAD, KEY, protected={Header.CONTENT_TYPE: 0}, unprotected={Header.KID: b"11"})
    message = Sign1.parse(raw, max_size=1024)
    assert message.unprotected == {Header.KID: b"11"}
    assert message.kid is None
    assert message.typ is None
    assert message.verify(KEY.public_key()) == PAYLOAD


def test_size_is_checked_first() -> None:
    with pytest.raises(CborError):
        parse_profile(sign(bytes(1000), KEY, TYP), max_size=1024)


@pytest.mark.parametrize("key", [KEY, ED25519_KEY])
def test_the_usual_message_is_read_as_any_other(key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands before the signature, the short way and the long one agree."""

    def read(data: bytes) -> Sign1 | object:
        try:
            return Sign1.parse(data, max_size=len(raw))
        except (CborError, CoseError) as error:
            return error.reason

    raw = create(PAYLOAD, key, protected={}, detached=True)
    assert encode(decode(raw)) == raw
    assert raw[:-64] == create(PAYLOAD, key, protected={Header.ALG: algorithm_for(key)}, detached=True)[:-64]
    changed = [raw[:at] + bytes([byte]) + raw[at + 1 :] for at in range(len(raw) - 64) for byte in range(256)]
    messages = [raw, *changed, raw[:-1], raw + b"\0", raw[1:]]
    shortly = [read(data) for data in messages]
    monkeypatch.setattr(sign1, "_USUAL", {})
    assert shortly == [read(data) for data in messages]
    assert sum(isinstance(found, Sign1) for found in shortly) > 1
