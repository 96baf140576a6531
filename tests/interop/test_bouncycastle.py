"""C509 with Bouncy Castle, both ways: what one writes the other reads, to the octet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import AttributeOID

from cose.cbor import decode
from device_pki.bag import BagError, decode_c5b, encode_c5b
from device_pki.c509 import (
    C509Error,
    C509Reason,
    RequestTemplate,
    decode_certificate,
    decode_csr,
    encode_certificate,
    encode_csr,
    encode_private_key,
    request_natively,
    sign_natively,
)
from device_pki.c509.registry import Extension
from device_pki.fingerprints import der
from device_pki.issue import common_name, natively
from device_pki.names import device_subject
from tests.device_pki.builders import root
from tests.device_pki.c509.samples import KEY, NAME, VECTORS, certificate
from tests.device_pki.c509.test_extensions import AS_DER, COMPACT
from tests.device_pki.c509.test_request import ALTERNATIVE, REQUESTS
from tests.device_pki.c509.test_template import DEVICE, OPEN
from tests.interop.bouncycastle_peer import BouncyCastle, BouncyCastleRefused

UNKNOWN_TO_IT = {Extension.SUBJECT_DIRECTORY_ATTRIBUTES, Extension.PRECERTIFICATE_SIGNING}
"""Registered extensions that Bouncy Castle 1.87 knows as DER only."""
ARRAY_OF_11 = b"\x8b"
CA = root()
PKCS8 = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
SPKI = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
EXAMPLES = [
    x509.load_der_x509_certificate(bytes.fromhex(example["hex"]))
    for example in VECTORS
    if example["kind"] == "x509-der"
]


@pytest.fixture(scope="module")
def peer() -> Iterator[BouncyCastle]:
    with BouncyCastle() as running:
        yield running


@pytest.mark.parametrize("issued", [*EXAMPLES, CA.certificate, CA.device("device-1").certificate])
def test_certificates_are_the_same_octets(peer: BouncyCastle, issued: x509.Certificate) -> None:
    theirs = peer.ask("certificate-to-c509", der(issued))
    assert decode_certificate(theirs[1:]).to_x509() == issued
    assert peer.ask("certificate-to-der", ARRAY_OF_11 + encode_certificate(issued)) == der(issued)
    if "brainpool" not in issued.subject.rfc4514_string():  # these points it compresses, against the draft's example
        assert theirs == ARRAY_OF_11 + encode_certificate(issued)


@pytest.mark.parametrize("extension", [*(extension for extension, _ in COMPACT), *AS_DER])
@pytest.mark.parametrize("critical", [False, True])
def test_every_extension(peer: BouncyCastle, extension: x509.ExtensionType, critical: bool) -> None:
    issued = certificate((extension, critical))
    ours, theirs = ARRAY_OF_11 + encode_certificate(issued), peer.ask("certificate-to-c509", der(issued))
    if Extension.of(extension.oid) in UNKNOWN_TO_IT:
        with pytest.raises(C509Error):
            decode_certificate(theirs[1:])
        with pytest.raises(BouncyCastleRefused):
            peer.ask("certificate-to-der", ours)
        return
    assert theirs == ours
    assert peer.ask("certificate-to-der", ours) == der(issued)


@pytest.mark.parametrize("request_", [request_ for request_, _ in REQUESTS])
def test_requests_are_the_same_octets(peer: BouncyCastle, request_: x509.CertificateSigningRequest) -> None:
    encoded = request_.public_bytes(Encoding.DER)
    theirs = peer.ask("request-to-c509", encoded)
    assert theirs == encode_csr(request_)
    assert peer.ask("request-to-der", theirs) == encoded
    decode_csr(theirs).verify_possession()


def test_our_native_certificates_verify_there(peer: BouncyCastle) -> None:
    native = natively(CA.device("device-1").certificate, CA.issuer)
    issuer = CA.issuer.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert peer.ask("verify-certificate", ARRAY_OF_11 + native.encoded, issuer) == b"\1"
    assert peer.ask("verify-certificate", ARRAY_OF_11 + native.encoded, SPKI) == b"\0"


def test_its_native_certificates_verify_here(peer: BouncyCastle) -> None:
    issued = certificate((ALTERNATIVE, False), issuer=NAME, subject=common_name("device-1"))
    theirs = decode_certificate(peer.ask("issue", der(issued), PKCS8)[1:])
    theirs.verify_signed_by(KEY.public_key())
    assert theirs.encoded[:-64] == sign_natively(issued, KEY).encoded[:-64]


def test_its_native_names_have_negative_numbers_which_the_draft_forbids(peer: BouncyCastle) -> None:
    """A PrintableString it writes as in a re-encoded certificate; "all CBOR ints SHALL be non-negative" (3.1.4)."""
    issued = certificate(subject=device_subject("device-1"))
    theirs = peer.ask("issue", der(issued), PKCS8)
    assert decode(theirs)[6] == [1, "device-1", -3, "device-1"]
    with pytest.raises(C509Error) as refused:
        decode_certificate(theirs[1:])
    assert refused.value.reason is C509Reason.NOT_DETERMINISTIC


def test_our_native_requests_verify_there(peer: BouncyCastle) -> None:
    csr = request_natively(KEY, device_subject("device-1"), extensions=[ALTERNATIVE], challenge_password="secret")
    assert peer.ask("verify-request", csr.encoded) == b"\1"
    changed = csr.encoded.replace(b"secret", b"public")
    assert peer.ask("verify-request", changed) == b"\0"


@pytest.mark.parametrize(
    "password", [b"x", b"longer than the extension is, so that a set of both would be turned round"]
)
def test_its_native_requests_verify_here(peer: BouncyCastle, password: bytes) -> None:
    builder = x509.CertificateSigningRequestBuilder().subject_name(common_name("device-1"))
    builder = builder.add_extension(ALTERNATIVE, critical=False)
    builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, password)
    request_ = builder.sign(KEY, hashes.SHA256())
    csr = decode_csr(peer.ask("request", request_.public_bytes(Encoding.DER), PKCS8))
    csr.verify_possession()
    assert csr.native
    assert csr.challenge_password == password.decode()
    assert csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == ALTERNATIVE


@pytest.mark.parametrize("template", [OPEN, DEVICE])
def test_our_templates_are_read_there(peer: BouncyCastle, template: RequestTemplate) -> None:
    assert peer.ask("template", template.encode()) == template.encode()


def test_our_private_keys_are_read_there(peer: BouncyCastle) -> None:
    """It takes the COSE_Key out, and makes a key only of the other type."""
    cose_key = decode(peer.ask("private-key", encode_private_key(KEY)))
    assert cose_key == {1: 2, -1: 1, -4: KEY.private_numbers().private_value.to_bytes(32, "big")}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_bags_differ_in_what_is_in_the_byte_strings(peer: BouncyCastle, count: int) -> None:
    """C509CertData is the sequence ~C509Certificate in the draft's text and example, and the array in its bags."""
    encoded = [encode_certificate(CA.device(f"device-{number}").certificate) for number in range(count)]
    theirs = peer.ask("bag", *(ARRAY_OF_11 + single for single in encoded))
    assert theirs == encode_c5b([ARRAY_OF_11 + single for single in encoded])
    assert peer.ask("count-bag", theirs) == bytes([count])
    with pytest.raises(BagError):
        decode_c5b(theirs, count)
