"""Certificate requests: what passes, and each refusal by its reason."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID
from hypothesis import given
from hypothesis import strategies as st

from cose.keys import KeyKind, generate_private_key, thumbprint
from device_pki.names import device_subject
from enrollment.csr import CsrError, CsrReason, build_csr, check_csr, check_factory_csr

KEY = generate_private_key()
BINDING = bytes(range(12))
GOOD = build_csr(KEY, "dev-1", BINDING)

Builder = x509.CertificateSigningRequestBuilder


def crafted(change: Callable[[Builder], Builder] = lambda builder: builder, key: object = KEY) -> bytes:
    builder = Builder().subject_name(device_subject("dev-1"))
    builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, base64.b64encode(BINDING))
    return change(builder).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)  # type: ignore[arg-type]


def reason_for(data: bytes, endpoint: str = "dev-1", binding: bytes = BINDING) -> CsrReason:
    with pytest.raises(CsrError) as refused:
        check_csr(data, endpoint=endpoint, channel_binding=binding)
    return refused.value.reason


@pytest.mark.parametrize("kind", KeyKind)
def test_a_request_names_device_and_key(kind: KeyKind) -> None:
    key = generate_private_key(kind)
    checked = check_csr(build_csr(key, "dev-1", BINDING), endpoint="dev-1", channel_binding=BINDING)
    assert (checked.endpoint, checked.public_key) == ("dev-1", key.public_key())
    assert checked.key_thumbprint == thumbprint(key.public_key())


def test_the_crafted_request_is_good_by_itself() -> None:
    check_csr(crafted(), endpoint="dev-1", channel_binding=BINDING)


@pytest.mark.parametrize("endpoint", ["dev-2", "dev-", "DEV-1", "dev-10", ""])
def test_a_request_for_another_name_is_refused(endpoint: str) -> None:
    assert reason_for(GOOD, endpoint=endpoint) is CsrReason.NAME


@pytest.mark.parametrize("binding", [b"", bytes(12), BINDING[:-1], BINDING + b"\0"])
def test_a_request_of_another_session_is_refused(binding: bytes) -> None:
    assert reason_for(GOOD, binding=binding) is CsrReason.POSSESSION


def test_a_session_without_binding_takes_no_request() -> None:
    assert reason_for(build_csr(KEY, "dev-1", b""), binding=b"") is CsrReason.POSSESSION
    assert reason_for(build_csr(KEY, "dev-1"), binding=BINDING) is CsrReason.POSSESSION


@pytest.mark.parametrize(
    "extension",
    [
        x509.BasicConstraints(ca=True, path_length=None),
        x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")]),
        x509.SubjectAlternativeName([x509.DNSName("sp1.example")]),
        x509.KeyUsage(True, False, False, False, False, True, True, False, False),
    ],
)
def test_a_request_asks_for_no_extension(extension: x509.ExtensionType) -> None:
    data = crafted(lambda builder: builder.add_extension(extension, critical=False))
    assert reason_for(data) is CsrReason.ATTRIBUTE


def test_other_attributes_are_refused() -> None:
    data = crafted(lambda builder: builder.add_attribute(AttributeOID.UNSTRUCTURED_NAME, b"x"))
    assert reason_for(data) is CsrReason.ATTRIBUTE


def test_a_request_signed_by_another_key_is_refused() -> None:
    forged = bytearray(GOOD)
    forged[-1] ^= 1
    assert reason_for(bytes(forged)) in {CsrReason.SIGNATURE, CsrReason.MALFORMED}
    stolen = GOOD.replace(public_point(KEY), public_point(generate_private_key()))
    assert reason_for(stolen) is CsrReason.SIGNATURE


def public_point(key: object) -> bytes:
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


@pytest.mark.parametrize(
    "key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256K1())], ids=["rsa", "k1"]
)
def test_other_kinds_of_keys_are_refused(key: object) -> None:
    assert reason_for(crafted(key=key)) is CsrReason.KEY_KIND


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", CsrReason.MALFORMED),
        (GOOD[:-1], CsrReason.MALFORMED),
        (GOOD + b"\0", CsrReason.MALFORMED),
        (bytes(2049), CsrReason.TOO_LARGE),
    ],
)
def test_what_is_no_request_is_refused(data: bytes, reason: CsrReason) -> None:
    assert reason_for(data) is reason


def test_a_signature_has_one_encoding() -> None:
    """A BIT STRING that claims unused bits would be another request with the same signature."""
    data = bytearray(GOOD)
    signature = x509.load_der_x509_csr(GOOD).signature
    data[-len(signature) - 1] = 1
    assert reason_for(bytes(data)) is CsrReason.MALFORMED


def test_a_factory_request_belongs_to_no_session() -> None:
    assert check_factory_csr(build_csr(KEY, "dev-1")).endpoint == "dev-1"
    with pytest.raises(CsrError) as refused:
        check_factory_csr(GOOD)
    assert refused.value.reason is CsrReason.ATTRIBUTE


def test_a_request_is_small() -> None:
    assert len(build_csr(KEY, "urn:dev:ops:32473-device-000001")) < 280


@given(st.binary(max_size=100) | st.builds(lambda cut: GOOD[:cut], st.integers(0, len(GOOD) - 1)))
def test_no_input_brings_another_error(data: bytes) -> None:
    with pytest.raises(CsrError):
        check_csr(data, endpoint="dev-1", channel_binding=BINDING)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_changed_octet_passes_nothing_else(position: int, octet: int) -> None:
    data = bytearray(GOOD)
    data[position] = octet
    with suppress(CsrError):
        check_csr(bytes(data), endpoint="dev-1", channel_binding=BINDING)
        assert bytes(data) == GOOD
