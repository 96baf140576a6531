"""Private keys on their way to a device: opened by us and by OpenSSL, and by nobody else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from device_pki.keys import check_key
from enrollment.cms.der import items_of, tlv
from enrollment.cms.enveloped import MAX_SIZE, envelop, open_envelope
from enrollment.cms.errors import CmsError
from enrollment.cms.numbers import SIGNED_DATA
from enrollment.cms.signed import Signer, sign_key, signed_key
from enrollment.key_request import key_identifier
from tests.device_pki.builders import root

CA = root("CA1")
assert isinstance(CA.issuer.private_key, ec.EllipticCurvePrivateKey)
SIGNER = Signer(CA.certificate, CA.issuer.private_key)
DEVICE = CA.device("dev-1")
KEY = ec.generate_private_key(ec.SECP256R1())
PKCS8 = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
SIGNED = sign_key(PKCS8, SIGNER)


def device_key() -> ec.EllipticCurvePrivateKey:
    assert isinstance(DEVICE.key, ec.EllipticCurvePrivateKey)
    return DEVICE.key


def enveloped() -> bytes:
    public = device_key().public_key()
    return envelop(SIGNED, public, key_identifier(public))


def test_the_device_opens_what_was_made_for_it() -> None:
    key, signer = signed_key(open_envelope(enveloped(), device_key()))
    assert (key, signer) == (PKCS8, CA.certificate)


def test_no_envelope_equals_another() -> None:
    assert enveloped() != enveloped()
    assert PKCS8 not in enveloped()


def test_another_key_opens_nothing() -> None:
    for other in (ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())):
        with pytest.raises(CmsError):
            open_envelope(enveloped(), other)


def test_openssl_opens_and_verifies(tmp_path: Path) -> None:
    """A third party's `cms -decrypt` with the device's key, its `cms -verify` with the CA's certificate."""

    def write(name: str, data: bytes) -> str:
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    private = device_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key, own = write("key.pem", private), write("own.pem", DEVICE.certificate.public_bytes(Encoding.PEM))
    ca = write("ca.pem", CA.certificate.public_bytes(Encoding.PEM))
    opened = openssl(
        "-decrypt", "-inform", "DER", "-in", write("e", enveloped()), "-inkey", key, "-recip", own, "-binary"
    )
    assert opened == SIGNED

    @asn1.sequence
    class ContentInfo:
        kind: x509.ObjectIdentifier
        explicit: bytes

    wrapped = asn1.encode_der(ContentInfo(kind=SIGNED_DATA, explicit=SIGNED)).replace(
        b"\x04\x82" + len(SIGNED).to_bytes(2, "big"), b"\xa0\x82" + len(SIGNED).to_bytes(2, "big")
    )
    signed = write("s", wrapped)
    package = openssl("-verify", "-inform", "DER", "-in", signed, "-CAfile", ca, "-purpose", "any", "-binary")
    (found,) = items_of(package)
    restored = load_der_private_key(asn1.encode_der(found), None)
    assert isinstance(restored, ec.EllipticCurvePrivateKey)
    assert check_key(restored.public_key()) == KEY.public_key()


def openssl(*arguments: str) -> bytes:
    return subprocess.run(["openssl", "cms", *arguments], capture_output=True, check=True, timeout=20).stdout


def test_a_key_signed_by_nobody_is_refused() -> None:
    other = root("CA1")
    assert isinstance(other.issuer.private_key, ec.EllipticCurvePrivateKey)
    forged = sign_key(PKCS8, Signer(CA.certificate, other.issuer.private_key))
    with pytest.raises(CmsError, match="signature is wrong"):
        signed_key(forged)


def test_another_key_in_the_same_signature_is_refused() -> None:
    secret = KEY.private_numbers().private_value.to_bytes(32, "big")
    swapped = SIGNED.replace(secret, bytes(31) + b"\x01")
    assert swapped != SIGNED
    with pytest.raises(CmsError, match="another content"):
        signed_key(swapped)


@given(st.integers(0, len(SIGNED) - 1), st.integers(1, 255))
def test_a_changed_octet_of_a_signed_key_brings_no_other_key(position: int, change: int) -> None:
    data = bytearray(SIGNED)
    data[position] ^= change
    try:
        key, _ = signed_key(bytes(data))
    except CmsError:
        return
    assert key == PKCS8


@given(st.binary(max_size=200) | st.builds(lambda cut: SIGNED[:cut], st.integers(0, len(SIGNED) - 1)))
def test_no_input_brings_another_error(data: bytes) -> None:
    with pytest.raises(CmsError):
        signed_key(data)
    with pytest.raises(CmsError):
        open_envelope(data, device_key())


def test_sizes_are_bounded() -> None:
    with pytest.raises(CmsError, match="octets"):
        open_envelope(bytes(MAX_SIZE + 1), device_key())
    with pytest.raises(ValueError, match="pars"):
        tlv(b"\x30\x03")
