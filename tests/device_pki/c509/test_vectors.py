"""The examples of draft-ietf-cose-cbor-encoded-cert-20, appendix A, byte for byte."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from device_pki.c509 import (
    C509Error,
    C509Reason,
    CertificateType,
    decode_certificate,
    encode_certificate,
    sign_natively,
)
from device_pki.names import endpoint_name
from tests.device_pki.c509.samples import VECTORS, vector

FILE = json.loads((Path(__file__).parents[2] / "vectors" / "c509" / "appendix_a.json").read_text())
ISSUER_KEY = ec.derive_private_key(int(FILE["issuer_priv"], 16), ec.SECP256R1())
REENCODED = {316: 140, 577: 275}
DIAGNOSTIC_ONLY = {
    1209: (835, "4cff01756c61d631"),
    1647: (1295, "ea2664ea8c663641"),
    791: (446, "7bb93ffaa08f7550"),
}
"""Size of the DER -> size and start of the SHA-256 of what the appendix shows in diagnostic notation."""


@pytest.mark.parametrize(("size", "compact"), REENCODED.items())
def test_a_certificate_and_its_re_encoding_stand_for_each_other(size: int, compact: int) -> None:
    certificate = x509.load_der_x509_certificate(vector("x509-der", size))
    expected = vector("~C509 type 3", compact)
    assert encode_certificate(certificate) == expected
    decoded = decode_certificate(expected)
    assert decoded.type is CertificateType.RE_ENCODED
    assert decoded.to_x509() == certificate


@pytest.mark.parametrize(("size", "compact", "digest"), [(size, *rest) for size, rest in DIAGNOSTIC_ONLY.items()])
def test_examples_shown_in_diagnostic_notation(size: int, compact: int, digest: str) -> None:
    certificate = x509.load_der_x509_certificate(vector("x509-der", size))
    encoded = encode_certificate(certificate)
    assert len(encoded) == compact
    assert hashlib.sha256(encoded).hexdigest()[:16] == digest
    assert decode_certificate(encoded).to_x509() == certificate


def test_the_natively_signed_example() -> None:
    decoded = decode_certificate(vector("~C509 type 2", 140))
    assert decoded.type is CertificateType.NATIVE
    assert endpoint_name(decoded.view) == "01-23-45-FF-FE-67-89-AB"
    decoded.verify_signed_by(ISSUER_KEY.public_key())
    with pytest.raises(C509Error) as refused:
        decoded.to_x509()
    assert refused.value.reason is C509Reason.TYPE


def test_the_re_encoded_example_is_signed_by_the_same_issuer() -> None:
    decode_certificate(vector("~C509 type 3", 140)).verify_signed_by(ISSUER_KEY.public_key())


def test_signing_natively_changes_type_key_and_signature_alone() -> None:
    example = vector("~C509 type 2", 140)
    ours = sign_natively(x509.load_der_x509_certificate(vector("x509-der", 316)), ISSUER_KEY)
    assert ours.encoded[:-64] == example[:-64]
    ours.verify_signed_by(ISSUER_KEY.public_key())


def test_every_example_is_tested() -> None:
    kinds = {(example["kind"], example["len"]) for example in VECTORS}
    tested = {("x509-der", size) for size in (*REENCODED, *DIAGNOSTIC_ONLY)}
    tested |= {("~C509 type 3", size) for size in REENCODED.values()} | {("~C509 type 2", 140)}
    assert kinds - tested == {("C509Certificate array", 141), ("C509CertData", 142)}
