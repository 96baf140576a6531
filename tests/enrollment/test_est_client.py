"""The device's side of EST: CA-URIs and answers that must not be used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cose.keys import generate_private_key
from device_pki.fingerprints import der
from enrollment.est.client import EstAnswerError, EstReason, crts_request, parse_certificate, parse_crts
from enrollment.est.paths import CaUri, CaUriError, EstOperation, is_label, new_label
from enrollment.pkcs7 import encode_certs_only
from secure_coap.errors import Forbidden
from secure_coap.exchange import Response
from secure_coap.numbers import Code, ContentFormat
from tests.device_pki.builders import root

CA = root()
DEVICE = CA.device("dev-1")
KEY = DEVICE.key.public_key()
PKIX, BUNDLE = ContentFormat.PKIX_CERT, ContentFormat.PKCS7_CERTS_ONLY


def test_labels_are_unguessable_and_recognised() -> None:
    labels = {new_label() for _ in range(100)}
    assert len(labels) == 100
    assert all(is_label(label) for label in labels)
    assert not any(is_label(text) for text in ("", "x" * 21, "x" * 23, "x" * 21 + "=", "x" * 21 + "\n"))


def test_a_ca_uri_has_host_port_and_path() -> None:
    uri = CaUri.parse("coaps://[2001:db8::1]:5685/est/abc")
    assert (uri.host, uri.port, uri.path) == ("2001:db8::1", 5685, ("est", "abc"))
    assert CaUri.parse("coaps://ca1.example/est/abc").port == 5684
    assert CaUri.parse("coap://ca1.example/est/abc").port == 5683
    for rootless in ("coap://ca1.example", "coap://ca1.example/"):
        assert CaUri.parse(rootless).below(EstOperation.SIMPLE_ENROLL) == ("sen",)
    assert uri.below(EstOperation.SIMPLE_ENROLL) == ("est", "abc", "sen")
    assert crts_request(uri).path == ("est", "abc", "crts")


@pytest.mark.parametrize(
    "text",
    [
        "http://ca1.example/est/abc",
        "coaps://good@evil/est/abc",
        "coaps://ca1.example/est//",
        "coaps://ca1.example//abc",
        "coaps://ca1.example/est/../abc",
        "coaps://ca1.example/est/abc?x",
        "coaps://ca1.example/est/abc#x",
        "coaps://ca1.example:99999/est/abc",
        "coaps:///est/abc",
        "coaps://[::1/est/abc",
        "",
    ],
)
def test_other_uris_are_refused(text: str) -> None:
    with pytest.raises(CaUriError):
        CaUri.parse(text)


@given(st.text(max_size=60))
def test_no_uri_brings_another_error(text: str) -> None:
    try:
        CaUri.parse(text)
    except CaUriError:
        return
    assert text.lower().startswith(("coaps:", "coap:"))


def test_a_refusal_keeps_its_code() -> None:
    with pytest.raises(Forbidden):
        parse_certificate(Response(Code.FORBIDDEN), KEY)
    with pytest.raises(Forbidden):
        parse_crts(Response(Code.FORBIDDEN))


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (Response(Code.CHANGED, b"", PKIX), EstReason.MALFORMED),
        (Response(Code.CHANGED, b"x", BUNDLE), EstReason.MALFORMED),
        (Response(Code.CHANGED, der(DEVICE.certificate), None), EstReason.FORMAT),
        (Response(Code.CHANGED, der(DEVICE.certificate), ContentFormat.PKCS10), EstReason.FORMAT),
        (Response(Code.CHANGED, der(CA.certificate), PKIX), EstReason.WRONG_KEY),
        (Response(Code.CHANGED, encode_certs_only([CA.certificate]), BUNDLE), EstReason.WRONG_KEY),
    ],
)
def test_an_answer_that_must_not_be_used_is_named(response: Response, reason: EstReason) -> None:
    with pytest.raises(EstAnswerError) as refused:
        parse_certificate(response, KEY)
    assert refused.value.reason is reason


def test_the_own_certificate_is_picked_out_of_a_bundle() -> None:
    bundle = encode_certs_only([CA.certificate, DEVICE.certificate])
    assert parse_certificate(Response(Code.CHANGED, bundle, BUNDLE), KEY) == DEVICE.certificate
    with pytest.raises(EstAnswerError):
        parse_certificate(Response(Code.CHANGED, bundle, BUNDLE), generate_private_key().public_key())


def test_crts_come_as_a_bundle() -> None:
    bundle = encode_certs_only([CA.certificate])
    assert parse_crts(Response(Code.CONTENT, bundle, BUNDLE)) == [CA.certificate]
    assert parse_crts(Response(Code.CONTENT, der(CA.certificate), PKIX)) == [CA.certificate]
    with pytest.raises(EstAnswerError):
        parse_crts(Response(Code.CONTENT, der(CA.certificate), ContentFormat.PKCS10))
