"""What certificates and requests are said to hold, in every encoding."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from device_pki.c509 import decode_certificate, decode_csr, encode_certificate, encode_csr, request_natively
from device_pki.description import (
    STRUCTURE,
    Description,
    describe_c509,
    describe_c509_csr,
    describe_pkcs10,
    describe_x509,
)
from device_pki.fingerprints import der
from device_pki.issue import natively
from device_pki.names import device_subject
from tests.device_pki.builders import root
from tests.device_pki.c509.samples import KEY, VECTORS, certificate
from tests.device_pki.c509.test_extensions import AS_DER, COMPACT
from tests.device_pki.c509.test_request import ALTERNATIVE, REQUESTS

CA = root()
DEVICE = CA.device("device-1").certificate
NATIVE_CSR = request_natively(KEY, device_subject("device-1"), extensions=[ALTERNATIVE], challenge_password="secret")


def texts(description: Description) -> dict[str, str]:
    return {field.name: field.value for field in description.fields}


def sizes(description: Description) -> dict[str, int]:
    return {field.name: field.size for field in description.fields}


EXAMPLES = [x509.load_der_x509_certificate(bytes.fromhex(one["hex"])) for one in VECTORS if one["kind"] == "x509-der"]


@pytest.mark.parametrize("issued", [*EXAMPLES, CA.certificate, DEVICE])
def test_sizes_sum_up_to_the_whole_and_both_encodings_say_the_same(issued: x509.Certificate) -> None:
    described = describe_x509(issued), describe_c509(decode_certificate(encode_certificate(issued)))
    for description, size in zip(described, (len(der(issued)), len(encode_certificate(issued))), strict=True):
        assert description.size == sum(field.size for field in description.fields) == size
        assert description.fields[-1].name == STRUCTURE
        assert all(field.size >= 0 for field in description.fields)
    x509_texts, c509_texts = map(texts, described)
    del x509_texts["signature algorithm again"], c509_texts["type"]
    assert x509_texts == c509_texts


def test_a_factory_certificate_in_words() -> None:
    described = texts(describe_x509(DEVICE))
    assert described["subject"] == "serialNumber=device-1,CN=device-1"
    assert described["not after"] == "never"
    assert described["key algorithm"] == "secp256r1"
    assert described["key usage (critical)"] == "digitalSignature"
    assert described["basic constraints (critical)"] == "no CA"
    assert described["extended key usage"] == "client auth"
    assert described["subject alt name"] == "hardware:1.3.6.1.4.1.5555.1/device-1"


def test_where_the_octets_go() -> None:
    native = natively(DEVICE, CA.issuer)
    described = describe_c509(native)
    assert texts(described)["type"] == "2, natively signed"
    assert sizes(described)["public key"] == 35
    assert sizes(described)["signature"] == 66
    assert sizes(described)["not after"] == 1
    assert sizes(describe_x509(DEVICE))["public key"] == 68


@pytest.mark.parametrize("extension", [*(extension for extension, _ in COMPACT), *AS_DER])
def test_every_extension_is_said_somehow(extension: x509.ExtensionType) -> None:
    issued = certificate((extension, False))
    described = describe_x509(issued), describe_c509(decode_certificate(encode_certificate(issued)))
    assert texts(described[0])["serial number"] == "1"
    assert [texts(one)[STRUCTURE] for one in described] == ["", ""]
    assert all(field.value for one in described for field in one.fields[:-1])


@pytest.mark.parametrize("request_", [request_ for request_, _ in REQUESTS])
def test_requests(request_: x509.CertificateSigningRequest) -> None:
    csr = decode_csr(encode_csr(request_))
    for description in (describe_pkcs10(request_), describe_c509_csr(csr)):
        assert description.size == sum(field.size for field in description.fields)
        assert texts(description)["subject"] == "serialNumber=device-1,CN=device-1"
        assert "secret" not in str(description)


def test_a_native_request() -> None:
    described = texts(describe_c509_csr(NATIVE_CSR))
    assert described["type"] == "2, natively signed"
    assert described["challenge password"] == "present"
    assert described["extension request"].startswith("subject alt name: hardware:")


def test_a_key_of_a_kind_that_is_not_used_here() -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(device_subject("device-1"))
    request_ = builder.sign(rsa.generate_private_key(65537, 2048), hashes.SHA256())
    assert texts(describe_pkcs10(request_))["key algorithm"] == "RSAPublicKey"
