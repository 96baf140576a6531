"""Natively signed C509 in paths: the same rules and reasons as X.509, in any mixture."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from cose.keys import KeyKind
from device_pki.c509 import C509Certificate, decode_certificate, encode_certificate
from device_pki.encodings import Certificate
from device_pki.identity import PeerIdentity
from device_pki.issue import natively, revocation_list
from device_pki.path import PathError, PathReason, verify_path
from device_pki.revocation import RevocationIndex
from device_pki.roles import Role
from tests.device_pki.builders import NOW, Authority, root

ROOT = root()
CA = ROOT.sub("CA1")
DEVICE = ROOT.device("device-1")
OPERATIONAL = CA.operational(DEVICE)
NATIVE_ROOT = natively(ROOT.certificate, ROOT.issuer)
NATIVE_CA = natively(CA.certificate, ROOT.issuer)
NATIVE = natively(OPERATIONAL.certificate, CA.issuer)


def verify(leaf: Certificate, *above: Certificate, role: Role = Role.OPERATIONAL_DEVICE) -> PeerIdentity:
    *intermediates, anchor = above
    return PeerIdentity.of(verify_path(leaf, intermediates, anchors=[anchor], role=role, now=NOW))


@pytest.mark.parametrize("leaf", [NATIVE, OPERATIONAL.certificate])
@pytest.mark.parametrize("ca", [NATIVE_CA, CA.certificate, decode_certificate(encode_certificate(CA.certificate))])
@pytest.mark.parametrize("anchor", [NATIVE_ROOT, ROOT.certificate])
def test_both_encodings_mix_in_a_path(leaf: Certificate, ca: Certificate, anchor: Certificate) -> None:
    identity = verify(leaf, ca, anchor)
    assert identity.endpoint == "device-1"
    assert len(identity.chain) == 3


def test_a_native_identity_is_named_by_its_own_bytes() -> None:
    identity = verify(NATIVE, CA.certificate)
    assert identity.fingerprint == hashlib.sha256(NATIVE.encoded).digest()
    assert identity.native is not None
    assert identity.native.encoded == NATIVE.encoded
    assert identity.certificate.serial_number == OPERATIONAL.certificate.serial_number
    assert verify(OPERATIONAL.certificate, CA.certificate).native is None


def test_a_re_encoded_certificate_is_the_x509_certificate() -> None:
    decoded = decode_certificate(encode_certificate(OPERATIONAL.certificate))
    identity = verify(decoded, CA.certificate)
    assert identity.native is None
    assert identity.certificate == OPERATIONAL.certificate


def test_the_view_of_a_native_certificate_passes_for_no_certificate() -> None:
    with pytest.raises(PathError) as refused:
        verify(NATIVE.view, CA.certificate)
    assert refused.value.reason is PathReason.NO_PATH


def refusal(leaf: C509Certificate, anchor: Authority, role: Role, **options: object) -> PathReason:
    with pytest.raises(PathError) as refused:
        verify_path(leaf, [], anchors=[anchor.certificate], role=role, **{"now": NOW, **options})  # type: ignore[arg-type]
    return refused.value.reason


def test_the_same_reasons_as_for_x509() -> None:
    other = root("Permanent CA")
    assert refusal(NATIVE, other, Role.OPERATIONAL_DEVICE) is PathReason.NO_PATH
    assert refusal(NATIVE, CA, Role.SERVER, host="a") is PathReason.EXTENDED_KEY_USAGE
    assert refusal(NATIVE_CA, ROOT, Role.OPERATIONAL_DEVICE) is PathReason.LEAF_IS_CA
    late = NOW + timedelta(days=366)
    assert refusal(NATIVE, CA, Role.OPERATIONAL_DEVICE, now=late) is PathReason.EXPIRED
    factory = natively(DEVICE.certificate, ROOT.issuer)
    assert refusal(factory, CA, Role.FACTORY_DEVICE) is PathReason.NO_PATH


def test_revocation_by_the_same_lists() -> None:
    index = RevocationIndex()
    serial = OPERATIONAL.certificate.serial_number
    index.add(revocation_list(CA.issuer, {}, 1, NOW, NOW + timedelta(days=1)), CA.certificate, NOW)
    options = {"anchors": [CA.certificate], "role": Role.OPERATIONAL_DEVICE, "now": NOW, "revocation": index}
    verify_path(NATIVE, [], **options)  # type: ignore[arg-type]
    index.add(revocation_list(CA.issuer, {serial: NOW}, 2, NOW, NOW + timedelta(days=1)), CA.certificate, NOW)
    assert refusal(NATIVE, CA, Role.OPERATIONAL_DEVICE, revocation=index) is PathReason.REVOKED


def test_an_ed25519_ca_signs_natively_too() -> None:
    authority = root(kind=KeyKind.ED25519)
    native = natively(authority.operational(DEVICE).certificate, authority.issuer)
    assert verify(native, authority.certificate).endpoint == "device-1"
