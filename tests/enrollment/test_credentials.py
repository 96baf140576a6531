"""Certificates as EDHOC credentials: named, found, judged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from cose.keys import authority_key
from device_pki.c509 import encode_certificate
from device_pki.directory import CertificateDirectory
from device_pki.encodings import Certificate
from device_pki.identity import PeerIdentity
from device_pki.issue import natively
from device_pki.path import PathError, verify_path
from device_pki.references import CertificateHash
from device_pki.roles import Role
from enrollment.credentials import CertificateResolver, certificate_identity, pinned_identity, resolve_pinned
from secure_coap.edhoc import IdCred, UnknownCredential
from secure_coap.edhoc.credentials import x509_credential
from secure_coap.edhoc.numbers import CredentialHeader
from tests.device_client.pki import Identified, Pki, device_of, new_key

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki.make()


def judged_by(pki: Pki):  # type: ignore[no-untyped-def]
    def verify(chain: Sequence[Certificate]) -> PeerIdentity:
        role, anchors = Role.FACTORY_DEVICE, [pki.permanent.certificate]
        return PeerIdentity.of(verify_path(chain[0], chain[1:], anchors=anchors, role=role, now=NOW))

    return verify


def knowing(pki: Pki, *certificates: Certificate) -> CertificateResolver:
    known = CertificateDirectory()
    for certificate in certificates:
        known.add(certificate)
    return CertificateResolver(judged_by(pki), known)


def test_a_certificate_travels_as_c509_or_as_a_reference_of_13_bytes(pki: Pki) -> None:
    device = device_of(pki)
    whole = certificate_identity(device.key, [device.certificate], by_reference=False)
    named = certificate_identity(device.key, [device.certificate], by_reference=True)
    encoded = encode_certificate(device.certificate)
    assert whole.id_cred.presented(CredentialHeader.C5C) == (encoded,)
    assert named.id_cred == IdCred.of_c5t(encoded) and len(named.id_cred.encode()) == 13
    assert whole.credential == named.credential == b"\x8b" + encoded  # the array is what is authenticated


@pytest.mark.parametrize("by_reference", [True, False])
def test_a_natively_signed_certificate_is_as_good(pki: Pki, by_reference: bool) -> None:
    device = device_of(pki)
    native = natively(device.certificate, pki.permanent)
    shown = certificate_identity(device.key, [native], by_reference=by_reference)
    found = knowing(pki, native).resolve(shown.id_cred, NOW)
    assert found.credential == shown.credential
    assert isinstance(found.peer, PeerIdentity)
    assert found.peer.fingerprint == sha256(native.encoded).digest()


@pytest.mark.parametrize("encoding", ["c509", "x509"])
@pytest.mark.parametrize("by_reference", [True, False])
def test_what_one_side_names_the_other_finds(pki: Pki, encoding: str, by_reference: bool) -> None:
    device = device_of(pki)
    der = device.certificate.public_bytes(Encoding.DER)
    if encoding == "c509":
        shown = certificate_identity(device.key, [device.certificate], by_reference=by_reference)
        id_cred, credential = shown.id_cred, shown.credential
    else:
        id_cred, credential = IdCred.of_x5t(der) if by_reference else IdCred.of_x5chain([der]), x509_credential(der)
    found = knowing(pki, device.certificate).resolve(id_cred, NOW)
    assert found.credential == credential
    assert isinstance(found.peer, PeerIdentity) and found.peer.endpoint == "device-1"
    assert found.public_key == device.key.public_key()


def test_a_reference_that_may_mean_two_certificates_means_none(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = device_of(pki), device_of(pki, "device-2")
    reference = certificate_identity(one.key, [one.certificate], by_reference=True).id_cred
    with pytest.raises(UnknownCredential, match="0 certificates"):
        knowing(pki, other.certificate).resolve(reference, NOW)
    monkeypatch.setattr(CertificateHash, "matches", lambda *_: True)
    monkeypatch.setattr("device_pki.directory.short_hash", lambda _: reference.headers[CredentialHeader.C5T][1])
    with pytest.raises(UnknownCredential, match="2 certificates"):
        knowing(pki, one.certificate, other.certificate).resolve(reference, NOW)


def test_finding_is_not_believing(pki: Pki) -> None:
    server = pki.sp1.server
    shown = certificate_identity(server.key, [server.certificate], by_reference=False)
    with pytest.raises(PathError):
        knowing(pki).resolve(shown.id_cred, NOW)


@pytest.mark.parametrize(
    "id_cred",
    [
        IdCred.of_kid(b"\x00"),
        IdCred({int(CredentialHeader.C5C): b"\x00"}),
        IdCred({int(CredentialHeader.X5CHAIN): b"\x30\x00"}),
        IdCred({int(CredentialHeader.X5CHAIN): [b"\x30\x00"] * 9}),
        IdCred({int(CredentialHeader.C5T): "text"}),
    ],
)
def test_what_is_no_certificate_is_refused(pki: Pki, id_cred: IdCred) -> None:
    with pytest.raises(UnknownCredential):
        knowing(pki).resolve(id_cred, NOW)


def test_a_pinned_key_is_its_own_credential() -> None:
    key = new_key()
    own, pinned = pinned_identity(key), authority_key(key.public_key())
    found = resolve_pinned(own.id_cred, pinned)
    assert (found.credential, found.public_key) == (own.credential, key.public_key())
    assert resolve_pinned(own.id_cred, authority_key(new_key().public_key())).credential != own.credential
    with pytest.raises(UnknownCredential):
        resolve_pinned(IdCred.of_kid(b"\x01"), pinned)


def test_a_chain_is_shown_leaf_first(pki: Pki) -> None:
    device = Identified(device_of(pki).certificate, new_key())
    shown = certificate_identity(device.key, [device.certificate, pki.permanent.certificate], by_reference=False)
    assert shown.id_cred.presented(CredentialHeader.C5C) == tuple(
        encode_certificate(one) for one in (device.certificate, pki.permanent.certificate)
    )
