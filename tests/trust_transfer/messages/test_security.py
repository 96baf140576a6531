"""Security tests 1 to 7, 9, 12 and 14 as far as messages alone decide them; each names the Result of its refusal.

What needs the device's record - audience (7), seq (8), time (9, 11), nonce (10), minimum (13), busy (15) - is tested
with the device; here it is shown that the parser hands these values on unchanged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cose.cbor import Tagged, decode, encode
from cose.keys import PrivateKey, kid
from cose.numbers import Algorithm, Claim, Header
from cose.sign1 import create
from tests.trust_transfer.messages.samples import (
    ATTACKER,
    COMMITTED,
    DAY,
    DEVICES,
    ENDPOINT,
    FACTORY,
    SP1_DOCUMENT,
    SP1_FIRMWARE,
    SP1_TRANSFER,
    SP2_TRANSFER,
    TEMPLATE,
    TERMS,
    TRANSFER_ID,
    message,
    receipts,
    signed_template,
)
from tests.trust_transfer.messages.signing import signed_claims, with_claims, with_header
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import PRIVATE_TRANSFER, Form, Result, TransferKey, Typ
from trust_transfer.messages.receipts import encode_receipts
from trust_transfer.messages.template import TransferTemplate
from trust_transfer.messages.transfer_message import (
    TransferOrder,
    endorsed_message,
    parse_transfer_message,
    plain_message,
)
from trust_transfer.messages.values import MAX_WINDOW

SP1, SP2 = SP1_TRANSFER.public_key(), SP2_TRANSFER.public_key()
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
FORMS = pytest.mark.parametrize("form", Form, ids=lambda form: form.name)
Edit = Callable[[dict[Any, Any]], None]


def _read(raw: bytes) -> TransferOrder:
    return parse_transfer_message(raw).verify(SP1, [SP2])


def _result(raw: bytes) -> Result:
    with pytest.raises(MessageError) as caught:
        _read(raw)
    return caught.value.result


def _endorsed_with(template: bytes) -> bytes:
    """SP1's honest message with another embedded template, as no builder would make it."""

    def embed(claims: dict[Any, Any]) -> None:
        claims[PRIVATE_TRANSFER][TransferKey.ENDORSEMENT] = template

    return with_claims(message(Form.ENDORSED), SP1_TRANSFER, embed)


# ---- 1: other documents ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "result"),
    [
        (signed_template(), Result.UNKNOWN_TYP_OR_CLAIM),
        (COMMITTED.sign(FACTORY), Result.UNKNOWN_TYP_OR_CLAIM),
        (encode_receipts(TRANSFER_ID, receipts()), Result.MALFORMED),
        (DEVICES.encode(), Result.MALFORMED),
        (encode(Tagged(107, {2: b"", 3: b""})), Result.MALFORMED),
        (b"", Result.MALFORMED),
    ],
    ids=["template", "report", "receipts", "devices", "SUIT envelope", "nothing"],
)
def test_1_another_document_is_no_transfer_message(raw: bytes, result: Result) -> None:
    assert _result(raw) is result


@pytest.mark.parametrize("typ", [0, 65001, 65003, 65004])
def test_1_the_typ_counts_even_under_the_right_key(typ: int) -> None:
    raw = with_header(message(Form.PLAIN), SP1_TRANSFER, protected={Header.TYP: typ})
    assert _result(raw) is Result.UNKNOWN_TYP_OR_CLAIM


# ---- 2, 3: other signers --------------------------------------------------------------------------


@FORMS
@pytest.mark.parametrize("key", [SP1_FIRMWARE, SP1_DOCUMENT, SP2_TRANSFER, FACTORY, ATTACKER])
def test_2_only_the_pinned_transfer_key_counts(form: Form, key: PrivateKey) -> None:
    assert _result(message(form, key)) is Result.WRONG_SIGNER


@FORMS
def test_3_a_kid_proves_nothing(form: Form) -> None:
    borrowed = {Header.KID: kid(SP1)}
    raw = message(form)
    assert _result(with_header(raw, ATTACKER, protected=borrowed)) is Result.BAD_SIGNATURE
    for label in (Header.X5CHAIN, Header.X5BAG, Header.X5T, Header.X5U, 35, "jwk"):
        protected = with_header(raw, ATTACKER, protected={**borrowed, label: b"certificate"})
        unprotected = with_header(raw, ATTACKER, protected=borrowed, unprotected={label: b"certificate"})
        assert _result(protected) is Result.MALFORMED
        assert _result(unprotected) is Result.MALFORMED


def test_2_an_algorithm_that_does_not_fit_the_key() -> None:
    members = decode(message(Form.PLAIN)).value
    header = decode(members[0]) | {Header.ALG: Algorithm.ED25519}
    assert _result(encode(Tagged(18, [encode(header), *members[1:]]))) is Result.BAD_SIGNATURE


# ---- 4, 5: envelopes ---------------------------------------------------------------------------------


def _envelope(**changes: Any) -> bytes:
    names = ("protected", "unprotected", "payload", "signature")
    members = dict(zip(names, decode(message(Form.PLAIN)).value, strict=True))
    header = decode(members["protected"])
    for label, value in changes.pop("header", {}).items():
        header.pop(label) if value is None else header.update({label: value})
    members |= {"protected": encode(header)} | changes
    return encode(Tagged(18, list(members.values())))


@pytest.mark.parametrize(
    "raw",
    [
        _envelope(header={Header.ALG: None}, unprotected={Header.ALG: Algorithm.ESP256}),
        _envelope(header={Header.KID: None}, unprotected={Header.KID: kid(SP1)}),
        _envelope(unprotected={99: 0}),
        _envelope(unprotected={Header.KID: kid(SP1)}),
        create(b"", SP1_TRANSFER, protected={}),
    ],
    ids=["alg unprotected", "kid unprotected", "extra label", "kid twice", "neither"],
)
def test_4_headers_are_protected_and_exact(raw: bytes) -> None:
    assert _result(raw) is Result.MALFORMED


@pytest.mark.parametrize("critical", [[], [1], [4, 16], [99], "typ", None])
def test_5_crit_is_never_met(critical: Any) -> None:
    raw = with_header(message(Form.PLAIN), SP1_TRANSFER, protected={Header.CRIT: critical})
    assert _result(raw) is Result.MALFORMED


@FORMS
def test_5_one_encoding_only(form: Form) -> None:
    raw = message(form)
    protected, payload = decode(raw).value[0], decode(raw).value[2]
    longer_tag = b"\xd8\x12" + raw[1:]
    indefinite = raw[:1] + b"\x9f" + raw[2:] + b"\xff"
    longer_length = raw.replace(
        bytes([0x40 + len(protected)]) + protected, b"\x58" + bytes([len(protected)]) + protected
    )
    for changed in (longer_tag, indefinite, longer_length, raw + b"\x00"):
        assert changed != raw
        assert _result(changed) is Result.MALFORMED
    # The same within the claims, properly signed: a longer integer, an indefinite map, a trailing byte.
    seq = encode({TransferKey.SEQ: TERMS.seq})[1:]
    longer_seq = payload.replace(seq, b"\x00\x1b" + TERMS.seq.to_bytes(8, "big"))
    for claims in (longer_seq, b"\xbf" + payload[1:] + b"\xff", payload + b"\x00"):
        assert claims != payload
        assert _result(signed_claims(claims, SP1_TRANSFER, Typ.MESSAGE)) is Result.MALFORMED


@pytest.mark.parametrize("alias", [b"\xf5", b"\xf9\x3c\x00", b"\xc2\x41\x01"], ids=["True", "1.0", "bignum 1"])
def test_rule_6_nothing_but_1_is_the_key_1(alias: bytes) -> None:
    payload = encode({Claim.ISS: "sp1"})
    raw = signed_claims(payload.replace(b"\xa1\x01", b"\xa1" + alias), SP1_TRANSFER, Typ.MESSAGE)
    assert _result(raw) is Result.MALFORMED


# ---- 6, 7: for the device to judge --------------------------------------------------------------------


@FORMS
def test_6_a_malleated_signature_is_the_same_cti_and_seq(form: Form) -> None:
    """It verifies, as ECDSA does; the device refuses it because cti and seq are used up and the bytes differ."""
    raw = message(form)
    signature = decode(raw).value[3]
    s = int.from_bytes(signature[32:], "big")
    other = raw[:-32] + (P256_ORDER - s).to_bytes(32, "big")
    assert other != raw
    first, second = _read(raw), _read(other)
    assert (first.transfer_id, first.seq) == (second.transfer_id, second.seq)
    assert first.raw != second.raw


@FORMS
@pytest.mark.parametrize("audience", [ENDPOINT[:-1], ENDPOINT + "2", ENDPOINT.upper(), "é"])
def test_7_the_audience_is_handed_on_as_it_is(form: Form, audience: str) -> None:
    assert _read(message(form, audience=audience)).audience == audience != ENDPOINT


@pytest.mark.parametrize("audience", ["", "x" * 65, "é" * 33, ["a"], b"a", None])
def test_7_what_is_no_audience(audience: Any) -> None:
    raw = with_claims(message(Form.PLAIN), SP1_TRANSFER, lambda claims: claims.update({Claim.AUD: audience}))
    assert _result(raw) is Result.MALFORMED


# ---- 9: windows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [MAX_WINDOW + 1, 0, -1])
def test_9_a_window_lasts_1_second_to_90_days(length: int) -> None:
    def stretch(claims: dict[Any, Any]) -> None:
        claims[Claim.EXP] = claims[Claim.NBF] + length

    assert _result(with_claims(message(Form.PLAIN), SP1_TRANSFER, stretch)) is Result.WINDOW
    stretched = with_claims(signed_template(), SP2_TRANSFER, stretch)
    with pytest.raises(MessageError) as caught:
        TransferTemplate.parse(stretched, SP2)
    assert caught.value.result is Result.WINDOW
    assert _result(_endorsed_with(stretched)) is Result.ENDORSEMENT_INVALID


@pytest.mark.parametrize(
    "widen",
    [
        {Claim.NBF: TEMPLATE.not_before - 1},
        {Claim.EXP: TEMPLATE.not_after + 1},
        {Claim.NBF: 0, Claim.EXP: TEMPLATE.not_after},
        {Claim.NBF: TEMPLATE.not_after + DAY, Claim.EXP: TEMPLATE.not_after + 2 * DAY},
    ],
)
def test_9_a_window_outside_the_templates(widen: dict[Any, Any]) -> None:
    raw = with_claims(message(Form.ENDORSED), SP1_TRANSFER, lambda claims: claims.update(widen))
    assert _result(raw) is Result.ENDORSEMENT_INVALID


def test_9_a_window_narrowed_to_nothing() -> None:
    narrowed = {Claim.NBF: TEMPLATE.not_before + 5, Claim.EXP: TEMPLATE.not_before + 5}
    raw = with_claims(message(Form.ENDORSED), SP1_TRANSFER, lambda claims: claims.update(narrowed))
    assert _result(raw) is Result.WINDOW


@FORMS
def test_9_the_builder_refuses_them_too(form: Form) -> None:
    widened: list[dict[str, Any]] = [{"not_before": TEMPLATE.not_before - 1}, {"not_after": TEMPLATE.not_after + 1}]
    for terms in widened:
        with pytest.raises(MessageError) as caught:
            message(form, **terms)
        assert caught.value.result is Result.ENDORSEMENT_INVALID


# ---- 12: endorsements -----------------------------------------------------------------------------------


def test_12_an_endorser_the_device_does_not_hold() -> None:
    raw = _endorsed_with(signed_template(key=ATTACKER))
    assert _result(raw) is Result.ENDORSER_UNKNOWN
    with pytest.raises(MessageError) as caught:
        parse_transfer_message(message(Form.ENDORSED)).verify(SP1)
    assert caught.value.result is Result.ENDORSER_UNKNOWN


def test_12_an_endorsers_kid_under_another_key() -> None:
    forged = with_header(signed_template(), ATTACKER, protected={Header.KID: kid(SP2)})
    assert _result(_endorsed_with(forged)) is Result.ENDORSEMENT_INVALID


def test_12_each_endorser_with_that_kid_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trust_transfer.messages.signed.kid", lambda key: kid(SP2) if key is not SP1 else kid(SP1))
    order = parse_transfer_message(message(Form.ENDORSED)).verify(SP1, [ATTACKER.public_key(), SP2])
    assert order.form is Form.ENDORSED


@pytest.mark.parametrize(
    "template",
    [
        b"",
        b"\x00",
        signed_template() + b"\x00",
        signed_template()[:-1],
        with_header(signed_template(), SP2_TRANSFER, protected={Header.TYP: 65002}),
        signed_claims(b"\xa0", SP2_TRANSFER, Typ.TEMPLATE),
        COMMITTED.sign(FACTORY),
    ],
    ids=["empty", "no envelope", "trailing", "cut", "typ", "no claims", "report"],
)
def test_12_what_is_no_template(template: bytes) -> None:
    assert _result(_endorsed_with(template)) is Result.ENDORSEMENT_INVALID


@pytest.mark.parametrize(
    "contradict",
    [
        {Claim.CTI: bytes(16)},
        {Claim.ISS: "sp3.example"},
        {Claim.ISS: ""},
        {Claim.ISS: TEMPLATE.audience.upper()},
    ],
)
def test_12_a_message_that_contradicts_its_template(contradict: dict[Any, Any]) -> None:
    raw = with_claims(message(Form.ENDORSED), SP1_TRANSFER, lambda claims: claims.update(contradict))
    assert _result(raw) is Result.ENDORSEMENT_INVALID


def test_12_a_template_addressed_to_nobody() -> None:
    nobody = dataclasses.replace(TEMPLATE, audience="")
    assert _result(_endorsed_with(signed_template(nobody))) is Result.ENDORSEMENT_INVALID


def test_12_a_message_that_agrees_with_its_template() -> None:
    agreeing = {Claim.CTI: TEMPLATE.transfer_id, Claim.ISS: TEMPLATE.audience}
    raw = with_claims(message(Form.ENDORSED), SP1_TRANSFER, lambda claims: claims.update(agreeing))
    assert _read(raw).issuer == TEMPLATE.audience


def test_12_the_builder_refuses_another_providers_template() -> None:
    with pytest.raises(MessageError) as caught:
        message(Form.ENDORSED, issuer="sp3.example")
    assert caught.value.result is Result.ENDORSEMENT_INVALID


# ---- claims, in the order of the registry ------------------------------------------------------------------


def _private(changes: dict[Any, Any]) -> Edit:
    return lambda claims: claims[PRIVATE_TRANSFER].update(changes)


@pytest.mark.parametrize(
    ("form", "edit", "result"),
    [
        (Form.PLAIN, lambda claims: claims.update({8: {}}), Result.UNKNOWN_TYP_OR_CLAIM),
        (Form.PLAIN, _private({13: 0}), Result.UNKNOWN_TYP_OR_CLAIM),
        (Form.ENDORSED, _private({13: 0}), Result.UNKNOWN_TYP_OR_CLAIM),
        (Form.ENDORSED, _private({TransferKey.ENROLL_URI: "coaps://evil"}), Result.UNKNOWN_TYP_OR_CLAIM),
        (Form.ENDORSED, _private({TransferKey.AUTHORITIES: {}}), Result.UNKNOWN_TYP_OR_CLAIM),
        (Form.PLAIN, lambda claims: claims.pop(PRIVATE_TRANSFER), Result.MALFORMED),
        (Form.PLAIN, lambda claims: claims.pop(Claim.EXP), Result.MALFORMED),
        (Form.PLAIN, lambda claims: claims.pop(Claim.NBF), Result.MALFORMED),
        (Form.PLAIN, lambda claims: claims.pop(Claim.CTI), Result.MALFORMED),
        (Form.PLAIN, lambda claims: claims[PRIVATE_TRANSFER].pop(TransferKey.AUTHORITIES), Result.MALFORMED),
        (Form.PLAIN, lambda claims: claims.update({Claim.EAT_NONCE: bytes(15)}), Result.MALFORMED),
        (Form.PLAIN, lambda claims: claims.update({Claim.EAT_NONCE: bytes(33)}), Result.MALFORMED),
        (Form.PLAIN, lambda claims: claims.update({Claim.IAT: None}), Result.MALFORMED),
        (Form.PLAIN, _private({TransferKey.SEQ: -1}), Result.MALFORMED),
        (Form.PLAIN, _private({TransferKey.SEQ: True}), Result.MALFORMED),
        (Form.PLAIN, _private({TransferKey.UPDATE_FIRST: 1}), Result.MALFORMED),
        (Form.PLAIN, _private({TransferKey.ANCHORS: []}), Result.MALFORMED),
        (Form.PLAIN, _private({TransferKey.ANCHORS: [[16, bytes(32)]]}), Result.MALFORMED),
        (Form.PLAIN, _private({TransferKey.LIMITS: [0, 300]}), Result.MALFORMED),
        (Form.PLAIN, _private({TransferKey.LIMITS: [1, 299]}), Result.MALFORMED),
        (Form.PLAIN, _private({TransferKey.FALLBACK_URI: ""}), Result.MALFORMED),
        (Form.PLAIN, _private({TransferKey.FALLBACK_URI: "x" * 256}), Result.MALFORMED),
        (Form.PLAIN, _private({TransferKey.AGREED_STATE: [-16, bytes(31)]}), Result.MALFORMED),
        (Form.PLAIN, _private({TransferKey.PINNED_KEY: b"\x02" + b"\xff" * 32}), Result.MALFORMED),
        (Form.PLAIN, _private({TransferKey.AUTHORITIES: {0: b"\x05" * 33, 1: bytes(32)}}), Result.MALFORMED),
        (Form.ENDORSED, _private({TransferKey.ENDORSEMENT: "text"}), Result.MALFORMED),
    ],
)
def test_claims_outside_the_contract(form: Form, edit: Edit, result: Result) -> None:
    assert _result(with_claims(message(form), SP1_TRANSFER, edit)) is result


def test_14_a_template_has_no_fallback_uri() -> None:
    raw = with_claims(signed_template(), SP2_TRANSFER, _private({TransferKey.FALLBACK_URI: "coaps://sp1.example"}))
    with pytest.raises(MessageError) as caught:
        TransferTemplate.parse(raw, SP2)
    assert caught.value.result is Result.UNKNOWN_TYP_OR_CLAIM


# ---- order of the checks ------------------------------------------------------------------------------------


def test_size_comes_before_everything() -> None:
    assert _result(b"\xff" * 1025) is Result.TOO_LARGE
    with pytest.raises(MessageError) as caught:
        parse_transfer_message(bytes(4097), max_size=4096)
    assert caught.value.result is Result.TOO_LARGE


def test_nothing_is_read_before_the_signature() -> None:
    """Garbage inside is not noticed unless the right key signed it."""
    garbage = signed_claims(b"\xff\xff", ATTACKER, Typ.MESSAGE)
    assert _result(garbage) is Result.WRONG_SIGNER
    borrowed = create(b"\xff\xff", ATTACKER, protected={Header.KID: kid(SP1), Header.TYP: 65002})
    assert _result(borrowed) is Result.BAD_SIGNATURE
    assert _result(signed_claims(b"\xff\xff", SP1_TRANSFER, Typ.MESSAGE)) is Result.MALFORMED


@pytest.mark.parametrize(
    "terms",
    [{"audience": ""}, {"audience": "x" * 65}, {"fallback_uri": ""}, {"nonce": b"short"}, {"seq": -1}],
)
def test_builders_refuse_what_a_device_would_find_malformed(terms: dict[str, Any]) -> None:
    with pytest.raises(MessageError) as caught:
        message(Form.PLAIN, **terms)
    assert caught.value.result is Result.MALFORMED


def test_builders_refuse_what_a_device_would_find_too_large() -> None:
    long_uri = "coaps://" + "x" * 192
    destination = dataclasses.replace(TEMPLATE.destination, enroll_uri=long_uri, update_uri=long_uri)
    template = dataclasses.replace(TEMPLATE, destination=destination, issuer="z" * 100)
    terms = dataclasses.replace(TERMS, fallback_uri=long_uri)
    assert len(plain_message(template, terms, SP1_TRANSFER)) <= 1024
    with pytest.raises(MessageError) as caught:
        endorsed_message(signed_template(template), terms, SP1_TRANSFER)
    assert caught.value.result is Result.TOO_LARGE


def test_a_p384_key_cannot_sign_messages() -> None:
    with pytest.raises(ValueError, match="P-256 or Ed25519"):
        message(Form.PLAIN, ec.generate_private_key(ec.SECP384R1()))
