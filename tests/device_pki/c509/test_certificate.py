"""Certificates in C509: each field, one encoding each, and a typed error for everything else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from cose.cbor import Tagged, decode_sequence, encode
from device_pki.c509 import (
    C509Certificate,
    C509Error,
    C509Reason,
    decode_certificate,
    encode_certificate,
    sign_natively,
)
from device_pki.c509.certificate import MAX_SIZE
from device_pki.issue import UNLIMITED, Validity
from tests.device_pki.builders import HARDWARE, root
from tests.device_pki.c509.samples import KEY, NAME, certificate, items, vector

CN, SERIAL = NameOID.COMMON_NAME, NameOID.SERIAL_NUMBER


def name(*attributes: tuple[x509.ObjectIdentifier, str] | tuple[x509.ObjectIdentifier, str, _ASN1Type]) -> x509.Name:
    return x509.Name([x509.NameAttribute(*attribute) for attribute in attributes])


@pytest.mark.parametrize(
    ("subject", "expected", "native"),
    [
        (name((CN, "Some device")), "Some device", "Some device"),
        (name((CN, "0123abcd")), b"\x01\x23\xab\xcd", b"\x01\x23\xab\xcd"),
        (name((CN, "0123ABCD")), "0123ABCD", "0123ABCD"),
        (name((CN, "123")), "123", "123"),
        (name((CN, "01-23-45-FF-FE-67-89-AB")), Tagged(48, bytes.fromhex("0123456789ab")), ...),
        (name((CN, "01-23-45-67-89-AB-CD-EF")), Tagged(48, bytes.fromhex("0123456789abcdef")), ...),
        (name((CN, "01-23-45-ff-fe-67-89-ab")), "01-23-45-ff-fe-67-89-ab", ...),
        (name((CN, "x", _ASN1Type.PrintableString)), [-1, "x"], "x"),
        (name((SERIAL, "x")), [-3, "x"], [3, "x"]),
        (name((NameOID.COUNTRY_NAME, "SE"), (CN, "x")), [-4, "SE", 1, "x"], [4, "SE", 1, "x"]),
        (name((NameOID.EMAIL_ADDRESS, "a@b")), [0, "a@b"], [0, "a@b"]),
        (name((NameOID.DOMAIN_COMPONENT, "example")), [22, "example"], [22, "example"]),
        (name((x509.ObjectIdentifier("1.2.3"), "x")), [b"\x2a\x03", b"\x0c\x01x"], [b"\x2a\x03", b"\x0c\x01x"]),
        (name(), [], []),
    ],
)
def test_subjects(subject: x509.Name, expected: Any, native: Any) -> None:
    issued = certificate(subject=subject)
    assert items(issued)[6] == expected
    assert decode_certificate(encode_certificate(issued)).to_x509() == issued
    signed = sign_natively(issued, KEY)
    assert decode_sequence(signed.encoded)[6] == (expected if native is ... else native)
    assert signed.view.subject == subject
    assert signed.view.issuer == NAME


@pytest.mark.parametrize(
    "subject",
    [
        x509.Name([x509.RelativeDistinguishedName([*name((CN, "x")), *name((SERIAL, "y"))])]),
        name((CN, "x", _ASN1Type.BMPString)),
        name((CN, "x", _ASN1Type.T61String)),
        name((NameOID.EMAIL_ADDRESS, "x", _ASN1Type.UTF8String)),
    ],
)
def test_subjects_without_a_form(subject: x509.Name) -> None:
    with pytest.raises(C509Error) as refused:
        encode_certificate(certificate(subject=subject))
    assert refused.value.reason is C509Reason.UNSUPPORTED


def test_an_issuer_that_is_the_subject_is_null() -> None:
    ca = root()
    assert items(ca.certificate)[3] is None
    assert items(ca.device("device-1").certificate)[3] == "Permanent CA"


@pytest.mark.parametrize(
    ("serial", "expected"), [(1, b"\1"), (0x80, b"\x80"), ((1 << 159) - 1, b"\x7f" + b"\xff" * 19)]
)
def test_serial_numbers_without_leading_zeros(serial: int, expected: bytes) -> None:
    assert items(certificate(serial=serial))[1] == expected


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (UNLIMITED, None),
        (datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), 2524607999),
        (datetime(2050, 1, 1, tzinfo=UTC), 2524608000),
        (datetime(9999, 12, 31, 23, 59, 58, tzinfo=UTC), 253402300798),
    ],
)
def test_ends_of_validity(end: datetime, expected: int | None) -> None:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    issued = x509.CertificateBuilder(NAME, NAME, KEY.public_key(), 1, start, end).sign(KEY, hashes.SHA256())
    assert items(issued)[4:6] == [0, expected]
    assert decode_certificate(encode_certificate(issued)).to_x509() == issued


def signed_by(key: Any, digest: Any, subject_key: Any = None) -> x509.Certificate:
    validity = Validity(datetime(2026, 1, 1, tzinfo=UTC), UNLIMITED)
    public = (subject_key or key).public_key()
    builder = x509.CertificateBuilder(NAME, NAME, public, 7, validity.not_before, validity.not_after)
    return builder.sign(key, digest)


P256, P384, P521 = (ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()))
BRAINPOOL = ec.generate_private_key(ec.BrainpoolP256R1())
RSA = rsa.generate_private_key(65537, 2048)
RSA_3 = rsa.generate_private_key(3, 2048)


@pytest.mark.parametrize(
    ("issued", "algorithm", "key_algorithm", "key_size", "signature_size"),
    [
        (signed_by(P256, hashes.SHA256()), 0, 1, 33, 64),
        (signed_by(P384, hashes.SHA384()), 1, 2, 49, 96),
        (signed_by(P384, hashes.SHA256()), 0, 2, 49, 96),
        (signed_by(P521, hashes.SHA512(), P256), 2, 1, 33, 132),
        (signed_by(BRAINPOOL, hashes.SHA256()), 0, 24, 65, 64),
        (signed_by(ed25519.Ed25519PrivateKey.generate(), None), 12, 12, 32, 64),
        (signed_by(RSA, hashes.SHA256()), 23, 0, 256, 256),
    ],
)
def test_algorithms(
    issued: x509.Certificate, algorithm: int, key_algorithm: int, key_size: int, signature_size: int
) -> None:
    encoded = items(issued)
    assert (encoded[2], encoded[7], len(encoded[8])) == (algorithm, key_algorithm, key_size)
    assert len(encoded[10]) in {signature_size, 128 if signature_size == 132 else signature_size}
    assert decode_certificate(encode_certificate(issued)).to_x509() == issued


def test_an_rsa_key_of_another_exponent_has_both_numbers() -> None:
    issued = signed_by(RSA_3, hashes.SHA384())
    assert [len(number) for number in items(issued)[8]] == [256, 1]
    assert decode_certificate(encode_certificate(issued)).to_x509() == issued


def test_an_uncompressed_point_may_be_sent() -> None:
    sequence = items(certificate())
    numbers = KEY.public_key().public_numbers()
    sequence[8] = b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
    joined = b"".join(encode(item) for item in sequence)
    issued = decode_certificate(joined).to_x509()
    assert issued.public_key() == KEY.public_key()
    assert len(encode_certificate(issued)) == len(joined) - 32


# ---- natively signed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "digest"),
    [(P256, hashes.SHA256()), (P384, hashes.SHA384()), (ed25519.Ed25519PrivateKey.generate(), None)],
)
def test_a_native_signature_is_one_of_the_issuer(key: Any, digest: Any) -> None:
    signed = sign_natively(signed_by(key, digest), key)
    assert signed.native
    signed.verify_signed_by(key.public_key())
    with pytest.raises(C509Error) as refused:
        signed.verify_signed_by(KEY.public_key())
    assert refused.value.reason is C509Reason.SIGNATURE


def test_no_changed_octet_of_a_native_certificate_verifies() -> None:
    device = root().device("device-1")
    issuer = KEY.public_key()
    encoded = sign_natively(device.certificate, KEY).encoded
    for place in range(len(encoded)):
        changed = bytearray(encoded)
        changed[place] ^= 1
        with pytest.raises(C509Error):
            decode_certificate(bytes(changed)).verify_signed_by(issuer)


def test_the_types_cannot_be_exchanged() -> None:
    issued = certificate()
    re_encoded, native = encode_certificate(issued), sign_natively(issued, KEY).encoded
    for data, kind in ((re_encoded, b"\x02"), (native, b"\x03")):
        with suppress(C509Error):
            changed: C509Certificate = decode_certificate(kind + data[1:])
            with pytest.raises(C509Error):
                changed.verify_signed_by(KEY.public_key())


def test_a_native_view_is_no_valid_x509_certificate() -> None:
    view = sign_natively(certificate(), KEY).view
    with pytest.raises(Exception):  # noqa: B017  # whatever cryptography raises
        view.verify_directly_issued_by(certificate())


# ---- what is refused ------------------------------------------------------------------------------


def changed(place: int, item: Any, of: x509.Certificate | None = None) -> bytes:
    sequence = items(of or certificate())
    sequence[place] = item
    return b"".join(encode(member) for member in sequence)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", C509Reason.MALFORMED),
        (b"\xff", C509Reason.MALFORMED),
        (bytes(MAX_SIZE + 1), C509Reason.TOO_LARGE),
        (encode(items(certificate())), C509Reason.MALFORMED),
        (b"".join(map(encode, items(certificate())[:-1])), C509Reason.MALFORMED),
        (encode_certificate(certificate()) + b"\0", C509Reason.MALFORMED),
        (changed(0, 1), C509Reason.TYPE),
        (changed(0, True), C509Reason.TYPE),
        (changed(1, b"\0\1"), C509Reason.NOT_DETERMINISTIC),
        (changed(1, b""), C509Reason.UNSUPPORTED),
        (changed(1, b"\xff" * 21), C509Reason.UNSUPPORTED),
        (changed(1, 1), C509Reason.MALFORMED),
        (changed(2, 99), C509Reason.MALFORMED),
        (changed(2, bytes.fromhex("2a8648ce3d040302")), C509Reason.MALFORMED),
        (changed(2, [bytes.fromhex("2a8648ce3d040302")]), C509Reason.MALFORMED),
        (changed(3, "Some CA"), C509Reason.NOT_DETERMINISTIC),
        (changed(3, [1, "other"]), C509Reason.NOT_DETERMINISTIC),
        (changed(4, -1), C509Reason.MALFORMED),
        (changed(4, 1.5), C509Reason.MALFORMED),
        (changed(4, 1 << 60), C509Reason.MALFORMED),
        (changed(5, 253402300799), C509Reason.NOT_DETERMINISTIC),
        (changed(6, "0a0b"), C509Reason.NOT_DETERMINISTIC),
        (changed(6, None), C509Reason.MALFORMED),
        (changed(6, [1, "x"]), C509Reason.NOT_DETERMINISTIC),
        (changed(6, [99, "x"]), C509Reason.MALFORMED),
        (changed(6, [4, "SWE"]), C509Reason.UNSUPPORTED),
        (changed(6, Tagged(48, b"1234567")), C509Reason.MALFORMED),
        (changed(6, Tagged(49, b"123456")), C509Reason.MALFORMED),
        (changed(7, 99), C509Reason.MALFORMED),
        (changed(8, b"\xfe" + b"\xff" * 32), C509Reason.KEY),
        (changed(8, b"\xfe" + b"\xff" * 31), C509Reason.KEY),
        (changed(8, [b"", b""]), C509Reason.MALFORMED),
        (changed(10, bytes(63)), C509Reason.MALFORMED),
        (changed(10, 2 * (b"\0" * 16 + b"\1" * 32)), C509Reason.NOT_DETERMINISTIC),
        (changed(10, "x"), C509Reason.MALFORMED),
    ],
)
def test_other_certificates_are_refused(data: bytes, reason: C509Reason) -> None:
    with pytest.raises(C509Error) as refused:
        decode_certificate(data)
    assert refused.value.reason is reason


def test_what_is_too_large_is_not_made() -> None:
    large = certificate((x509.SubjectAlternativeName([x509.DNSName("a" * 63)] * 200), False))
    with pytest.raises(C509Error) as refused:
        encode_certificate(large)
    assert refused.value.reason is C509Reason.TOO_LARGE


# ---- properties -----------------------------------------------------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
ATTRIBUTES = st.lists(st.tuples(st.sampled_from([CN, SERIAL, NameOID.ORGANIZATION_NAME]), TEXT), min_size=0, max_size=4)


@given(attributes=ATTRIBUTES, serial=st.integers(1, (1 << 159) - 1), seconds=st.integers(0, 253402300798))
def test_any_names_serial_numbers_and_times_come_back(
    attributes: list[tuple[x509.ObjectIdentifier, str]], serial: int, seconds: int
) -> None:
    subject = name(*((oid, text, _ASN1Type.UTF8String) for oid, text in attributes))
    start = datetime.fromtimestamp(seconds, UTC)
    builder = x509.CertificateBuilder(NAME, subject, KEY.public_key(), serial, start, UNLIMITED)
    issued = builder.sign(KEY, hashes.SHA256())
    assert decode_certificate(encode_certificate(issued)).to_x509() == issued
    native = sign_natively(issued, KEY)
    assert native.view.subject == subject
    assert native.view.serial_number == serial


@pytest.fixture(scope="module")
def device() -> bytes:
    return encode_certificate(root().device("urn:dev:ops:32473-x-1").certificate)


MUTATIONS: list[Callable[[bytes, int, int], bytes]] = [
    lambda data, place, value: data[:place] + bytes((value,)) + data[place + 1 :],
    lambda data, place, _: data[:place] + data[place + 1 :],
    lambda data, place, value: data[:place] + bytes((value,)) + data[place:],
]


@given(place=st.integers(0, 300), value=st.integers(0, 255), mutate=st.sampled_from(MUTATIONS))
def test_what_is_changed_is_another_certificate_or_refused(
    device: bytes, place: int, value: int, mutate: Callable[[bytes, int, int], bytes]
) -> None:
    for whole in (device, vector("~C509 type 3", 275), vector("~C509 type 2", 140)):
        data = mutate(whole, place % len(whole), value)
        with suppress(C509Error):
            decoded = decode_certificate(data)
            assert decoded.encoded == data != whole or data == whole


@given(st.binary(max_size=200))
def test_any_bytes_are_a_certificate_or_refused(data: bytes) -> None:
    with suppress(C509Error):
        decode_certificate(b"\x03\x41\x01\x00" + data)


def test_hardware_names_are_named_by_their_number() -> None:
    device = root().device("device-1").certificate
    alternative = items(device)[9][-1]
    assert alternative == [-1, [bytes.fromhex("2b06010401ab3301"), b"device-1"]]
    assert HARDWARE.dotted_string == "1.3.6.1.4.1.5555.1"
