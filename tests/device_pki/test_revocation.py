"""Revocation lists: complete, fresh, of the right CA, never older; else closed."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from device_pki.issue import revocation_list
from device_pki.keys import signature_hash
from device_pki.path import PathError, PathReason, verify_path
from device_pki.revocation import CrlError, CrlReason, RevocationIndex, RevocationStatus, parse_crl
from device_pki.roles import Role
from tests.device_pki.builders import NOW, Authority, root

CA = root("CA1")
DEVICE = CA.device("dev-1")
GOOD, BAD = CA.operational(DEVICE).certificate, CA.operational(DEVICE).certificate
DAY = timedelta(days=1)


def crl(authority: Authority = CA, number: int = 1, start: datetime = NOW, *revoked: x509.Certificate) -> bytes:
    serials = {certificate.serial_number: start for certificate in revoked}
    return revocation_list(authority.issuer, serials, number, start, start + DAY)


LIST = crl(CA, 1, NOW, BAD)


def test_a_fresh_list_tells_good_from_revoked() -> None:
    index = RevocationIndex()
    index.add(LIST, CA.certificate, NOW)
    assert index.status(GOOD, NOW) is RevocationStatus.GOOD
    assert index.status(BAD, NOW) is RevocationStatus.REVOKED


def test_without_a_list_nothing_is_good() -> None:
    assert RevocationIndex().status(GOOD, NOW) is RevocationStatus.UNKNOWN_ISSUER


def test_a_list_of_another_ca_of_the_same_name_says_nothing() -> None:
    index = RevocationIndex()
    twin = root("CA1")
    index.add(crl(twin), twin.certificate, NOW)
    assert index.status(GOOD, NOW) is RevocationStatus.UNKNOWN_ISSUER


def test_a_list_grows_stale_but_revoked_stays_revoked() -> None:
    index = RevocationIndex()
    index.add(LIST, CA.certificate, NOW)
    later = NOW + DAY + timedelta(seconds=1)
    assert index.status(GOOD, later) is RevocationStatus.STALE
    assert index.status(BAD, later) is RevocationStatus.REVOKED


def test_an_older_list_undoes_no_revocation() -> None:
    index = RevocationIndex()
    newer = crl(CA, 2, NOW, BAD)
    for _ in range(2):
        index.add(newer, CA.certificate, NOW)
    with pytest.raises(CrlError) as refused:
        index.add(crl(CA, 1), CA.certificate, NOW)
    assert refused.value.reason is CrlReason.OLDER
    assert index.status(BAD, NOW) is RevocationStatus.REVOKED


def unnumbered() -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(CA.certificate.subject)
    builder = builder.last_update(NOW).next_update(NOW + DAY)
    return builder.sign(CA.issuer.private_key, signature_hash(CA.issuer.private_key)).public_bytes(Encoding.DER)


def delta() -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(CA.certificate.subject)
    builder = builder.last_update(NOW).next_update(NOW + DAY).add_extension(x509.CRLNumber(2), critical=False)
    builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
    return builder.sign(CA.issuer.private_key, signature_hash(CA.issuer.private_key)).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("data", "when", "reason"),
    [
        (b"", NOW, CrlReason.MALFORMED),
        (LIST + b"\0", NOW, CrlReason.MALFORMED),
        (bytes(8 * 1024 * 1024 + 1), NOW, CrlReason.TOO_LARGE),
        (crl(root("CA1")), NOW, CrlReason.WRONG_ISSUER),
        (crl(root("CA2")), NOW, CrlReason.WRONG_ISSUER),
        (LIST, NOW - DAY, CrlReason.NOT_YET_VALID),
        (LIST, NOW + 2 * DAY, CrlReason.STALE),
        (unnumbered(), NOW, CrlReason.MALFORMED),
        (delta(), NOW, CrlReason.MALFORMED),
    ],
)
def test_a_list_that_must_not_count_is_refused_by_name(data: bytes, when: datetime, reason: CrlReason) -> None:
    with pytest.raises(CrlError) as refused:
        parse_crl(data, CA.certificate, when)
    assert refused.value.reason is reason


def test_a_path_needs_a_known_status() -> None:
    index = RevocationIndex()

    def check(certificate: x509.Certificate) -> None:
        verify_path(certificate, [], anchors=[CA.certificate], role=Role.OPERATIONAL_DEVICE, now=NOW, revocation=index)

    with pytest.raises(PathError) as closed:
        check(GOOD)
    assert closed.value.reason is PathReason.REVOCATION_UNKNOWN
    index.add(LIST, CA.certificate, NOW)
    check(GOOD)
    with pytest.raises(PathError) as revoked:
        check(BAD)
    assert revoked.value.reason is PathReason.REVOKED


@given(st.integers(0, len(LIST) - 1), st.integers(0, 255))
def test_a_changed_octet_brings_no_other_error(position: int, octet: int) -> None:
    data = bytearray(LIST)
    data[position] = octet
    with suppress(CrlError):
        parse_crl(bytes(data), CA.certificate, NOW)
