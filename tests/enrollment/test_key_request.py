"""Requests for keys the CA makes: what passes, and each refusal by its reason."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from device_pki.names import device_subject
from enrollment.csr import CsrError, CsrReason, build_csr
from enrollment.key_request import (
    ASYMMETRIC_DECRYPT_KEY_IDENTIFIER,
    DECRYPT_KEY_IDENTIFIER,
    build_key_request,
    check_key_request,
    key_identifier,
)

KEY = ec.generate_private_key(ec.SECP256R1())
BINDING = bytes(range(12))
PLAIN = build_key_request(KEY, "dev-1", BINDING)
ENCRYPTED = build_key_request(KEY, "dev-1", BINDING, encrypted=True)


def reason_for(data: bytes, endpoint: str = "dev-1", binding: bytes = BINDING) -> CsrReason:
    with pytest.raises(CsrError) as refused:
        check_key_request(data, endpoint=endpoint, channel_binding=binding)
    return refused.value.reason


def test_a_request_may_name_a_key_to_encrypt_for() -> None:
    checked = check_key_request(ENCRYPTED, endpoint="dev-1", channel_binding=BINDING)
    assert checked.encrypt_for == key_identifier(KEY.public_key())
    assert check_key_request(PLAIN, endpoint="dev-1", channel_binding=BINDING).encrypt_for is None


def test_key_and_signature_are_ignored() -> None:
    """RFC 7030 4.4.1: whatever key the device's library put there."""
    broken = bytearray(PLAIN)
    broken[-1] ^= 1
    builder = x509.CertificateSigningRequestBuilder().subject_name(device_subject("dev-1"))
    other = builder.sign(rsa.generate_private_key(65537, 2048), hashes.SHA256()).public_bytes(Encoding.DER)
    for data in (bytes(broken), build_csr(KEY, "dev-1"), other):
        assert check_key_request(data, endpoint="dev-1", channel_binding=BINDING).endpoint == "dev-1"


def test_another_name_and_another_session_are_refused() -> None:
    assert reason_for(PLAIN, endpoint="dev-2") is CsrReason.NAME
    assert reason_for(PLAIN, binding=bytes(12)) is CsrReason.POSSESSION


def test_extensions_are_refused() -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(device_subject("dev-1"))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    data = builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)
    assert reason_for(data) is CsrReason.ATTRIBUTE


def test_what_cannot_be_encrypted_for_is_refused() -> None:
    oid, other = (asn1.encode_der(kind) for kind in (ASYMMETRIC_DECRYPT_KEY_IDENTIFIER, DECRYPT_KEY_IDENTIFIER))
    assert reason_for(ENCRYPTED.replace(oid, other)) is CsrReason.DECRYPT_KEY
    aes = asn1.encode_der(x509.ObjectIdentifier("2.16.840.1.101.3.4.1.2"))
    assert reason_for(ENCRYPTED.replace(aes, aes[:-1] + b"\x03")) is CsrReason.DECRYPT_KEY
    identifier = b"\x04\x14" + key_identifier(KEY.public_key())
    assert reason_for(ENCRYPTED.replace(identifier, b"\x0c" + identifier[1:])) is CsrReason.DECRYPT_KEY


@given(st.binary(max_size=100) | st.builds(lambda cut: ENCRYPTED[:cut], st.integers(0, len(ENCRYPTED) - 1)))
def test_no_input_brings_another_error(data: bytes) -> None:
    with pytest.raises(CsrError):
        check_key_request(data, endpoint="dev-1", channel_binding=BINDING)
