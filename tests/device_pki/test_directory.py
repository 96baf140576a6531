"""References to certificates, and the directory they are looked up in."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from cose.cbor import encode
from device_pki import directory as directory_module
from device_pki.c509 import encode_certificate, sign_natively
from device_pki.directory import CertificateDirectory
from device_pki.fingerprints import der
from device_pki.references import CertificateHash, UnusableReference, c5t, x5t
from tests.device_pki.builders import root
from tests.device_pki.c509.samples import KEY, NAME

CA = root()
FIRST, SECOND = CA.device("device-1").certificate, CA.device("device-2").certificate
NATIVE = sign_natively(FIRST, KEY)


def test_a_short_reference_is_the_start_of_sha_256() -> None:
    assert x5t(der(FIRST)) == [-15, hashlib.sha256(der(FIRST)).digest()[:8]]
    assert len(encode({22: c5t(NATIVE.encoded)})) == 13


def test_x509_is_found_by_both_its_forms_and_native_c509_by_its_own() -> None:
    known = CertificateDirectory()
    for certificate in (FIRST, SECOND, NATIVE, FIRST):
        known.add(certificate)
    assert [entry.certificate for entry in known.find_x5t(x5t(der(FIRST)))] == [FIRST]
    assert [entry.certificate for entry in known.find_c5t(c5t(encode_certificate(SECOND)))] == [SECOND]
    assert [entry.certificate for entry in known.find_c5t(c5t(NATIVE.encoded))] == [NATIVE]
    assert known.find_x5t(x5t(NATIVE.encoded)) == ()
    assert [entry.certificate for entry in known.find_x5t([-16, hashlib.sha256(der(FIRST)).digest()])] == [FIRST]
    known.discard(FIRST)
    known.discard(FIRST)
    assert known.find_x5t(x5t(der(FIRST))) == known.find_c5t(c5t(encode_certificate(FIRST))) == ()


def test_all_candidates_of_a_colliding_reference_are_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real collision of 64 bits costs days: here every short hash is the same, and the whole ones decide."""
    same = bytes(8)
    monkeypatch.setattr(directory_module, "short_hash", lambda _: same)
    monkeypatch.setattr(
        CertificateHash, "matches", lambda wanted, of: wanted.value in (same, hashlib.sha256(of).digest())
    )
    known = CertificateDirectory()
    known.add(FIRST)
    known.add(SECOND)
    assert [entry.certificate for entry in known.find_x5t([-15, same])] == [FIRST, SECOND]
    known.discard(FIRST)
    assert [entry.certificate for entry in known.find_x5t([-15, same])] == [SECOND]


def test_what_has_no_c509_form_is_found_by_its_der() -> None:
    twice = x509.Name([x509.RelativeDistinguishedName([*NAME, x509.NameAttribute(x509.NameOID.SURNAME, "x")])])
    builder = x509.CertificateBuilder(
        NAME, twice, KEY.public_key(), 1, FIRST.not_valid_before_utc, FIRST.not_valid_after_utc
    )
    certificate = builder.sign(KEY, hashes.SHA256())
    known = CertificateDirectory()
    known.add(certificate)
    [entry] = known.find_x5t(x5t(der(certificate)))
    assert (entry.certificate, entry.encoded) == (certificate, der(certificate))


@pytest.mark.parametrize(
    "item", [None, b"12345678", [-15, b"1234567"], [-16, b"12345678"], [-44, bytes(64)], [True, b""], [-15, "x"], [-15]]
)
def test_other_references_are_refused(item: Any) -> None:
    with pytest.raises(UnusableReference):
        CertificateDirectory().find_c5t(item)
