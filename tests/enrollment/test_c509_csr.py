"""C509 requests over EDHOC and OSCORE: small, tied to their session, and refused by name when they are not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.x509.oid import AttributeOID
from hypothesis import given
from hypothesis import strategies as st

from cose.cbor import decode, encode
from cose.keys import KeyKind, PrivateKey, generate_private_key, thumbprint
from device_pki.c509 import encode_csr, request_natively
from device_pki.names import device_subject
from enrollment.c509_csr import Possession, build_c509_csr, check_c509_csr
from enrollment.csr import CsrError, CsrReason, build_csr

KEY = generate_private_key()
ENDPOINT = "0123456789ab"
BINDING = bytes(range(32))
Y = ec.generate_private_key(ec.SECP256R1())
SERVER, DEVICE = Possession(BINDING, Y), Possession(BINDING, Y.public_key())
SIGNING = Possession(BINDING)
OTHER = Possession(bytes(32), ec.generate_private_key(ec.SECP256R1()))


def reason_for(data: bytes, possession: Possession = SERVER, endpoint: str = ENDPOINT) -> CsrReason:
    with pytest.raises(CsrError) as refused:
        check_c509_csr(data, endpoint=endpoint, possession=possession)
    return refused.value.reason


@pytest.mark.parametrize("endpoint", [None, ENDPOINT])
@pytest.mark.parametrize("possession", [DEVICE, SIGNING])
def test_a_request_asks_for_a_key(possession: Possession, endpoint: str | None) -> None:
    data = build_c509_csr(KEY, possession, endpoint)
    checked = check_c509_csr(data, endpoint=ENDPOINT, possession=SERVER)
    assert (checked.endpoint, checked.public_key, checked.pkcs10) == (ENDPOINT, KEY.public_key(), None)
    assert checked.key_thumbprint == thumbprint(KEY.public_key())


def test_sizes() -> None:
    """What a transfer pays."""
    assert len(build_c509_csr(KEY, DEVICE)) <= 75
    assert len(build_c509_csr(KEY, DEVICE, ENDPOINT)) <= 92
    assert len(build_c509_csr(KEY, SIGNING)) <= 121


@pytest.mark.parametrize("kind", KeyKind)
def test_other_kinds_of_keys_sign(kind: KeyKind) -> None:
    key = generate_private_key(kind)
    data = build_c509_csr(key, Possession(BINDING, Y.public_key() if kind is KeyKind.P256 else None))
    assert check_c509_csr(data, endpoint=ENDPOINT, possession=SERVER).public_key == key.public_key()


@pytest.mark.parametrize("possession", [DEVICE, SIGNING])
def test_a_request_of_another_session_is_refused(possession: Possession) -> None:
    data = build_c509_csr(KEY, possession)
    assert reason_for(data, OTHER) in {CsrReason.POSSESSION, CsrReason.SIGNATURE}
    assert reason_for(data, Possession(b"")) is CsrReason.POSSESSION


def test_a_mac_needs_the_responders_half() -> None:
    data = build_c509_csr(KEY, DEVICE)
    for without in (SIGNING, DEVICE):
        assert reason_for(data, without) is CsrReason.POSSESSION
    other_curve = Possession(BINDING, ec.generate_private_key(ec.SECP384R1()))
    assert reason_for(data, other_curve) is CsrReason.POSSESSION


def test_sessions_on_another_curve_offer_a_signature() -> None:
    class Association:
        channel_binding = BINDING
        responder_key = x25519.X25519PrivateKey.generate()

    assert Possession.of(Association()) == SIGNING
    assert Possession.of(object()) == Possession(b"")


def test_a_signature_without_binding_is_refused() -> None:
    csr = request_natively(KEY, device_subject(ENDPOINT))
    assert reason_for(csr.encoded) is CsrReason.POSSESSION


@pytest.mark.parametrize("possession", [DEVICE, SIGNING])
def test_another_name_is_refused(possession: Possession) -> None:
    assert reason_for(build_c509_csr(KEY, possession, ENDPOINT), endpoint="0123456789ac") is CsrReason.NAME


@pytest.mark.parametrize("possession", [DEVICE, SIGNING])
def test_a_stolen_key_is_refused(possession: Possession) -> None:
    """The public key of another device under our own proof."""
    items = decode(build_c509_csr(KEY, possession))
    items[4] = decode(build_c509_csr(generate_private_key(), possession))[4]
    assert reason_for(encode(items)) is CsrReason.SIGNATURE


def test_extensions_are_refused() -> None:
    extension = x509.BasicConstraints(ca=True, path_length=None)
    csr = request_natively(KEY, device_subject(ENDPOINT), extensions=[extension], challenge_password="AAECAwQFBgc")
    assert reason_for(csr.encoded) is CsrReason.ATTRIBUTE


def test_weak_and_damaged_keys_are_refused() -> None:
    items = decode(build_c509_csr(KEY, DEVICE))
    items[4] = b"\x02" + next(x for x in range(20) if not on_curve(x)).to_bytes(32, "big")
    assert reason_for(encode(items)) in {CsrReason.KEY_KIND, CsrReason.MALFORMED}
    p521 = ec.generate_private_key(ec.SECP521R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(device_subject(ENDPOINT))
    assert reason_for(encode_csr(builder.sign(p521, hashes.SHA512()))) is CsrReason.KEY_KIND


def on_curve(x: int) -> bool:
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x02" + x.to_bytes(32, "big"))
    except ValueError:
        return False
    return True


def test_a_re_encoded_request_keeps_its_pkcs10() -> None:
    """For authorities that want to see the device's own signature; the binding is the C509 one."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(device_subject(ENDPOINT))
    assert isinstance(KEY, ec.EllipticCurvePrivateKey)
    request = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"AAECAwQFBgc").sign(KEY, hashes.SHA256())
    checked = check_c509_csr(encode_csr(request), endpoint=ENDPOINT, possession=SERVER)
    assert checked.pkcs10 is not None
    assert x509.load_der_x509_csr(checked.pkcs10) == request
    foreign = encode_csr(x509.load_der_x509_csr(build_csr(KEY, ENDPOINT, BINDING)))
    assert reason_for(foreign) is CsrReason.POSSESSION


@pytest.mark.parametrize("data", [b"", b"\x87", bytes(2049), encode([2] * 7), encode({})])
def test_what_is_no_request_is_refused(data: bytes) -> None:
    assert reason_for(data) in {CsrReason.MALFORMED, CsrReason.TOO_LARGE}


GOOD = build_c509_csr(KEY, DEVICE)


@given(st.binary(max_size=100) | st.builds(lambda cut: GOOD[:cut], st.integers(0, len(GOOD) - 1)))
def test_no_input_brings_another_error(data: bytes) -> None:
    with pytest.raises(CsrError):
        check_c509_csr(data, endpoint=ENDPOINT, possession=SERVER)


@pytest.mark.parametrize("make", [lambda key: build_c509_csr(key, DEVICE), lambda key: build_c509_csr(key, SIGNING)])
def test_no_changed_octet_passes(make: Callable[[PrivateKey], bytes]) -> None:
    data = make(KEY)
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        with suppress(CsrError):
            check_c509_csr(bytes(changed), endpoint=ENDPOINT, possession=SERVER)
            pytest.fail(f"octet {position} may change")
