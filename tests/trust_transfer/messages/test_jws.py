"""Detached JWS: one header, one certificate, and none of what the library would let pass."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from cose.keys import KeyKind, PrivateKey, generate_private_key
from tests.trust_transfer.messages.samples import ATTACKER, DEVICES, SP1_DOCUMENT, certificate
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.jws import MAX_JWS, sign_detached, verify_detached
from trust_transfer.messages.numbers import JwsTyp, Result

PAYLOAD = DEVICES.encode()
CERTIFICATE = certificate(SP1_DOCUMENT)
ED25519_KEY = generate_private_key(KeyKind.ED25519)
PAIRS = [(SP1_DOCUMENT, CERTIFICATE), (ED25519_KEY, certificate(ED25519_KEY))]
EACH_PAIR = pytest.mark.parametrize(("key", "cert"), PAIRS, ids=["ES256", "EdDSA"])
HEADER = {
    "alg": "ES256",
    "b64": False,
    "crit": ["b64"],
    "typ": "tt-devices+cbor",
    "x5t#S256": urlsafe_b64encode(hashlib.sha256(CERTIFICATE.public_bytes(serialization.Encoding.DER)).digest())
    .decode()
    .rstrip("="),
}


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _signed(header: bytes, key: PrivateKey = SP1_DOCUMENT, payload: bytes = PAYLOAD) -> str:
    """Signs whatever header it is given, without the library."""
    signing_input = _b64(header).encode() + b"." + payload
    if isinstance(key, Ed25519PrivateKey):
        signature = key.sign(signing_input)
    else:
        r, s = decode_dss_signature(key.sign(signing_input, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return f"{_b64(header)}..{_b64(signature)}"


def _result(jws: str, payload: bytes = PAYLOAD, typ: JwsTyp = JwsTyp.DEVICES) -> Result:
    with pytest.raises(MessageError) as caught:
        verify_detached(jws, payload, CERTIFICATE, typ)
    return caught.value.result


@EACH_PAIR
@pytest.mark.parametrize("typ", JwsTyp, ids=lambda typ: typ.name)
def test_what_is_signed_verifies(key: PrivateKey, cert: Any, typ: JwsTyp) -> None:
    verify_detached(sign_detached(PAYLOAD, key, cert, typ), PAYLOAD, cert, typ)


@EACH_PAIR
def test_the_signature_is_over_header_dot_payload(key: PrivateKey, cert: Any) -> None:
    """Checked by hand, so that another implementation of RFC 7797 will agree."""
    protected, signature = sign_detached(PAYLOAD, key, cert, JwsTyp.DEVICES).split("..")
    signed = protected.encode() + b"." + PAYLOAD
    raw, public = _unb64(signature), key.public_key()
    if isinstance(public, Ed25519PublicKey):
        public.verify(raw, signed)
    else:
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    assert json.loads(_unb64(protected)).keys() == HEADER.keys()


def test_a_header_made_elsewhere_verifies() -> None:
    verify_detached(_signed(json.dumps(HEADER, indent=1).encode()), PAYLOAD, CERTIFICATE, JwsTyp.DEVICES)


def test_payload_typ_and_signer_are_bound() -> None:
    jws = sign_detached(PAYLOAD, SP1_DOCUMENT, CERTIFICATE, JwsTyp.DEVICES)
    assert _result(jws, PAYLOAD + b"\x00") is Result.BAD_SIGNATURE
    assert _result(jws, b"") is Result.BAD_SIGNATURE
    assert _result(jws, PAYLOAD, JwsTyp.RECEIPTS) is Result.UNKNOWN_TYP_OR_CLAIM
    other = sign_detached(PAYLOAD, ATTACKER, certificate(ATTACKER), JwsTyp.DEVICES)
    assert _result(other) is Result.WRONG_SIGNER
    assert _result(_signed(json.dumps(HEADER).encode(), ATTACKER)) is Result.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({"alg": "none"}, Result.MALFORMED),
        ({"alg": "HS256"}, Result.MALFORMED),
        ({"alg": "EdDSA"}, Result.MALFORMED),
        ({"alg": None}, Result.MALFORMED),
        ({"b64": True}, Result.MALFORMED),
        ({"b64": 0}, Result.MALFORMED),
        ({"b64": None}, Result.MALFORMED),
        ({"crit": []}, Result.MALFORMED),
        ({"crit": None}, Result.MALFORMED),
        ({"crit": "b64"}, Result.MALFORMED),
        ({"crit": ["b64", "b64"]}, Result.MALFORMED),
        ({"crit": ["b64", "typ"]}, Result.MALFORMED),
        ({"typ": None}, Result.MALFORMED),
        ({"typ": "TT-DEVICES+CBOR"}, Result.UNKNOWN_TYP_OR_CLAIM),
        ({"x5t#S256": None}, Result.MALFORMED),
        ({"x5t#S256": 7}, Result.WRONG_SIGNER),
        ({"x5t#S256": f"{HEADER['x5t#S256']}="}, Result.MALFORMED),
        ({"x5t#S256": ""}, Result.WRONG_SIGNER),
        ({"jwk": {}}, Result.MALFORMED),
        ({"x5c": []}, Result.MALFORMED),
        ({"kid": "1"}, Result.MALFORMED),
    ],
)
def test_the_header_is_exact(changes: dict[str, Any], result: Result) -> None:
    header = {name: value for name, value in (HEADER | changes).items() if value is not None}
    assert _result(_signed(json.dumps(header).encode())) is result


@pytest.mark.parametrize(
    "header",
    [
        json.dumps(HEADER)[:-1].encode() + b',"alg":"ES256"}',
        b"[]",
        b'"text"',
        b"{",
        b"\xff",
        b"[" * 500,
        json.dumps(HEADER).encode() + b"x",
    ],
    ids=["duplicate member", "array", "text", "cut", "no UTF-8", "deep", "trailing"],
)
def test_the_header_is_one_json_object(header: bytes) -> None:
    assert _result(_signed(header)) is Result.MALFORMED


GOOD = sign_detached(PAYLOAD, SP1_DOCUMENT, CERTIFICATE, JwsTyp.DEVICES)


@pytest.mark.parametrize(
    "jws",
    [
        "",
        "..",
        GOOD.replace("..", "."),
        GOOD.replace("..", "." + _b64(PAYLOAD) + "."),
        GOOD + ".",
        GOOD + "=",
        GOOD + "\n",
        " " + GOOD,
        GOOD.replace("..", ".\u200b."),
        json.dumps({"protected": GOOD.split("..")[0], "signature": GOOD.split("..")[1]}),
    ],
)
def test_only_the_compact_detached_form(jws: str) -> None:
    assert _result(jws) is Result.MALFORMED


def test_length_is_bounded() -> None:
    assert _result("a" * (MAX_JWS + 1)) is Result.TOO_LARGE


def test_every_truncation_is_refused() -> None:
    for length in range(len(GOOD)):
        assert _result(GOOD[:length]) in {Result.MALFORMED, Result.BAD_SIGNATURE}


@given(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii"))
@settings(deadline=None)
def test_every_change_is_refused(position: int, character: str) -> None:
    if GOOD[position] != character:
        _result(GOOD[:position] + character + GOOD[position + 1 :])


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    _result(text)


def test_certificate_and_key_belong_together() -> None:
    with pytest.raises(ValueError, match="not that of the signing key"):
        sign_detached(PAYLOAD, ATTACKER, CERTIFICATE, JwsTyp.DEVICES)


def test_a_certificate_of_another_kind() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(ValueError, match="P-256 or Ed25519"):
        sign_detached(PAYLOAD, key, certificate(key), JwsTyp.DEVICES)
    with pytest.raises(ValueError, match="P-256 or Ed25519"):
        verify_detached(GOOD, PAYLOAD, certificate(key), JwsTyp.DEVICES)
