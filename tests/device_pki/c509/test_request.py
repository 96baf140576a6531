"""Certification requests in C509: both types, their attributes, and the proof of possession."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import AttributeOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from cose.cbor import Tagged, decode, decode_sequence, encode
from device_pki.c509 import (
    C509Csr,
    C509Error,
    C509Reason,
    RequestType,
    decode_csr,
    encode_certificate,
    encode_csr,
    request_natively,
)
from device_pki.hardware import hardware_module_name
from device_pki.names import device_subject, endpoint_name
from tests.device_pki.builders import HARDWARE, root
from tests.device_pki.c509.samples import KEY

SUBJECT = device_subject("device-1")
ALTERNATIVE = x509.SubjectAlternativeName([hardware_module_name(HARDWARE, b"\1\2")])
STATEMENT = x509.ObjectIdentifier("1.3.6.1.4.1.22112.2.1")


def builder() -> x509.CertificateSigningRequestBuilder:
    return x509.CertificateSigningRequestBuilder().subject_name(SUBJECT)


def signed(of: x509.CertificateSigningRequestBuilder) -> x509.CertificateSigningRequest:
    return of.sign(KEY, hashes.SHA256())


REQUESTS: list[tuple[x509.CertificateSigningRequest, list[Any]]] = [
    (signed(builder()), []),
    (
        signed(builder().add_extension(ALTERNATIVE, critical=False)),
        [0, [3, [-1, [b"\x2b\6\1\4\1\xab\x33\1", b"\1\2"]]]],
    ),
    (signed(builder().add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"secret")), [1, "secret"]),
    (
        signed(builder().add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"secret", _tag=_ASN1Type.PrintableString)),
        [1, Tagged(121, "secret")],
    ),
    (
        signed(builder().add_attribute(AttributeOID.UNSTRUCTURED_NAME, b"abc")),
        [bytes.fromhex("2a864886f70d010902"), bytes.fromhex("31050c03616263")],
    ),
]


@pytest.mark.parametrize(("request_", "attributes"), REQUESTS)
def test_a_request_and_its_re_encoding_stand_for_each_other(
    request_: x509.CertificateSigningRequest, attributes: list[Any]
) -> None:
    encoded = encode_csr(request_)
    items = decode(encoded)
    assert items[:4] == [3, 0, [1, "device-1", -3, "device-1"], 1]
    assert items[5] == attributes
    decoded = decode_csr(encoded)
    assert decoded.type is RequestType.RE_ENCODED
    assert decoded.to_pkcs10() == request_
    decoded.verify_possession()


@pytest.mark.parametrize("key", [KEY, ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()])
def test_a_native_request(key: Any) -> None:
    made = request_natively(key, SUBJECT, extensions=[ALTERNATIVE], challenge_password="bound to the channel")
    csr = decode_csr(made.encoded)
    csr.verify_possession()
    assert csr.native
    assert csr.public_key == key.public_key()
    assert csr.subject == SUBJECT
    assert endpoint_name(csr.view) == "device-1"
    assert csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == ALTERNATIVE
    assert csr.challenge_password == "bound to the channel"
    with pytest.raises(C509Error) as refused:
        csr.to_pkcs10()
    assert refused.value.reason is C509Reason.TYPE


def test_sizes_of_a_device_with_a_p256_key() -> None:
    mac = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "01-23-45-FF-FE-67-89-AB")])
    assert len(request_natively(KEY, mac).encoded) == 115
    assert len(request_natively(KEY, x509.Name([])).encoded) == 107
    assert len(request_natively(KEY, x509.Name([]), extensions=[ALTERNATIVE]).encoded) == 125


def test_attributes_of_a_native_request_may_come_in_any_order() -> None:
    made = request_natively(KEY, SUBJECT, extensions=[ALTERNATIVE], challenge_password="x")
    items = decode(made.encoded)
    items[5] = items[5][2:] + items[5][:2]
    turned = decode_csr(encode(items))
    assert turned.challenge_password == "x"
    with pytest.raises(C509Error):
        turned.verify_possession()


@pytest.mark.parametrize("certificate", [None, decode_sequence(encode_certificate(root().certificate))])
def test_a_statement_of_possession_names_the_certificate_of_another_key(certificate: list[Any] | None) -> None:
    csr = decode_csr(changed(5, [2, ["Some CA", b"\5", certificate]]))
    [attribute] = csr.view.attributes
    assert attribute.oid == STATEMENT
    assert b"Some CA" in attribute.value
    assert (b"Permanent CA" in attribute.value) == (certificate is not None)


@pytest.mark.parametrize("proof", [b"mac", ["Some CA", b"\5", b"mac"]])
def test_a_proof_by_mac_is_read_and_proves_nothing_to_us(proof: Any) -> None:
    items = decode(encode_csr(signed(builder())))
    items[1], items[6] = 14, proof
    csr = decode_csr(encode(items))
    assert encode_csr(csr.to_pkcs10()) == csr.encoded
    with pytest.raises(C509Error) as refused:
        csr.verify_possession()
    assert refused.value.reason is C509Reason.SIGNATURE


def test_no_changed_octet_proves_possession() -> None:
    encoded = request_natively(KEY, SUBJECT, challenge_password="x").encoded
    for place in range(len(encoded)):
        changed = bytearray(encoded)
        changed[place] ^= 1
        with pytest.raises(C509Error):
            decode_csr(bytes(changed)).verify_possession()


def test_possession_needs_a_key_of_an_allowed_kind() -> None:
    request_ = builder().sign(rsa.generate_private_key(65537, 2048), hashes.SHA256())
    csr = decode_csr(encode_csr(request_))
    with pytest.raises(C509Error) as refused:
        csr.verify_possession()
    assert refused.value.reason is C509Reason.KEY


def changed(place: int, item: Any) -> bytes:
    items = decode(request_natively(KEY, SUBJECT).encoded)
    items[place] = item
    return encode(items)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", C509Reason.MALFORMED),
        (encode(7), C509Reason.MALFORMED),
        (encode([]), C509Reason.MALFORMED),
        (bytes(8193), C509Reason.TOO_LARGE),
        (encode_certificate(root().certificate), C509Reason.MALFORMED),
        (changed(0, 1), C509Reason.TYPE),
        (changed(0, None), C509Reason.TYPE),
        (changed(1, 99), C509Reason.MALFORMED),
        (changed(2, None), C509Reason.MALFORMED),
        (changed(2, [-1, "x"]), C509Reason.NOT_DETERMINISTIC),
        (changed(4, b"\xfe" + bytes(32)), C509Reason.MALFORMED),
        (changed(5, [0]), C509Reason.MALFORMED),
        (changed(5, [9, []]), C509Reason.MALFORMED),
        (changed(5, [1, "a", 1, "a"]), C509Reason.MALFORMED),
        (changed(5, [1, Tagged(121, "a")]), C509Reason.NOT_DETERMINISTIC),
        (changed(5, [1, Tagged(122, "a")]), C509Reason.MALFORMED),
        (changed(5, [2, ["x", b"\1"]]), C509Reason.MALFORMED),
        (changed(5, [2, ["x", b"\1", [2, 1]]]), C509Reason.UNSUPPORTED),
        (changed(5, [b"\x2a\x03", b""]), C509Reason.MALFORMED),
        (changed(5, [b"\x2a\x03", b"\x0c\0"]), C509Reason.MALFORMED),
        (changed(6, bytes(3)), C509Reason.MALFORMED),
    ],
)
def test_other_requests_are_refused(data: bytes, reason: C509Reason) -> None:
    with pytest.raises(C509Error) as refused:
        decode_csr(data)
    assert refused.value.reason is reason


@given(place=st.integers(0, 300), value=st.integers(0, 255))
def test_any_change_is_another_request_or_refused(place: int, value: int) -> None:
    whole = REQUESTS[1][0]
    encoded = bytearray(encode_csr(whole))
    encoded[place % len(encoded)] = value
    with suppress(C509Error):
        csr: C509Csr = decode_csr(bytes(encoded))
        assert csr.native or encode_csr(csr.to_pkcs10()) == bytes(encoded)
