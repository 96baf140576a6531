"""One question, two sources: lists and OCSP answers, and what happens when neither knows."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography import x509

from device_pki.issue import revocation_list
from device_pki.ocsp import answers
from device_pki.ocsp.answers import MAX_AGE, OcspAnswers
from device_pki.ocsp.client import build_request
from device_pki.ocsp.errors import OcspError, OcspReason
from device_pki.ocsp.identifiers import CertId
from device_pki.ocsp.responder import SerialStatus, parse_request, sign_answer
from device_pki.path import PathError, PathReason, verify_path
from device_pki.revocation import RevocationIndex, RevocationStatus
from device_pki.revocation_check import FailurePolicy, RevocationCheck
from device_pki.roles import Role
from tests.device_pki.builders import NOW, root

CA = root("CA1")
DEVICE = CA.operational(CA.device("dev-1")).certificate
DAY = timedelta(days=1)
GOOD, REVOKED, UNKNOWN = SerialStatus(True), SerialStatus(True, NOW), SerialStatus(False)


def answered(kept: OcspAnswers, status: SerialStatus, now: datetime = NOW) -> RevocationStatus:
    question = parse_request(build_request(CertId.of(DEVICE.serial_number, CA.certificate), b"nonce"))
    data = sign_answer(CA.issuer, question, status, now, now + DAY)
    return kept.take(data, DEVICE.serial_number, CA.certificate, nonce=b"nonce", now=now)


def lists(*revoked: x509.Certificate, end: datetime = NOW + DAY) -> RevocationIndex:
    index = RevocationIndex()
    serials = {certificate.serial_number: NOW for certificate in revoked}
    index.add(revocation_list(CA.issuer, serials, 1, NOW, end), CA.certificate, NOW)
    return index


class TestAnswers:
    def test_a_good_answer_counts_for_a_minute(self) -> None:
        kept = OcspAnswers()
        assert kept.status(DEVICE, NOW, CA.certificate) is RevocationStatus.UNANSWERED
        assert answered(kept, GOOD) is RevocationStatus.GOOD
        assert kept.status(DEVICE, NOW + MAX_AGE, CA.certificate) is RevocationStatus.GOOD
        late = NOW + MAX_AGE + timedelta(seconds=1)
        assert kept.status(DEVICE, late, CA.certificate) is RevocationStatus.UNANSWERED
        assert kept.status(DEVICE, NOW) is RevocationStatus.UNANSWERED

    def test_revoked_stays_revoked_until_a_newer_answer(self) -> None:
        kept = OcspAnswers()
        answered(kept, REVOKED, NOW + DAY)
        assert kept.status(DEVICE, NOW + 9 * DAY, CA.certificate) is RevocationStatus.REVOKED
        with pytest.raises(OcspError) as refused:
            answered(kept, GOOD, NOW)
        assert refused.value.reason is OcspReason.STALE
        answered(kept, GOOD, NOW + 9 * DAY)
        assert kept.status(DEVICE, NOW + 9 * DAY, CA.certificate) is RevocationStatus.GOOD

    def test_it_is_asked_again_before_the_answer_is_old(self) -> None:
        kept = OcspAnswers()
        assert kept.due(DEVICE, CA.certificate, NOW)
        answered(kept, GOOD)
        assert not kept.due(DEVICE, CA.certificate, NOW + MAX_AGE / 3)
        assert kept.due(DEVICE, CA.certificate, NOW + MAX_AGE / 2)

    def test_only_so_many_are_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(answers, "MAX_ANSWERS", 3)
        kept = OcspAnswers()
        for serial in range(1, 10):
            question = parse_request(build_request(CertId.of(serial, CA.certificate), None))
            kept.take(
                sign_answer(CA.issuer, question, GOOD, NOW, NOW + DAY), serial, CA.certificate, nonce=None, now=NOW
            )
        assert len(kept._kept) == 3


@pytest.mark.parametrize(
    ("listed", "answer", "hard", "soft"),
    [
        (None, None, RevocationStatus.UNANSWERED, RevocationStatus.GOOD),
        (None, GOOD, RevocationStatus.GOOD, RevocationStatus.GOOD),
        (None, REVOKED, RevocationStatus.REVOKED, RevocationStatus.REVOKED),
        (None, UNKNOWN, RevocationStatus.UNKNOWN_SERIAL, RevocationStatus.GOOD),
        ("good", None, RevocationStatus.GOOD, RevocationStatus.GOOD),
        ("good", REVOKED, RevocationStatus.REVOKED, RevocationStatus.REVOKED),
        ("revoked", GOOD, RevocationStatus.REVOKED, RevocationStatus.REVOKED),
        ("stale", None, RevocationStatus.STALE, RevocationStatus.GOOD),
        ("stale", GOOD, RevocationStatus.GOOD, RevocationStatus.GOOD),
        ("stale and revoked", GOOD, RevocationStatus.REVOKED, RevocationStatus.REVOKED),
    ],
)
def test_what_both_sources_say_together(
    listed: str | None, answer: SerialStatus | None, hard: RevocationStatus, soft: RevocationStatus
) -> None:
    now, kept = NOW + 2 * DAY, OcspAnswers()
    if answer is not None:
        answered(kept, answer, now)
    revoked = [DEVICE] if listed and "revoked" in listed else []
    end = NOW + DAY if listed and "stale" in listed else NOW + 9 * DAY
    index = RevocationIndex() if listed is None else lists(*revoked, end=end)
    for policy, expected in ((FailurePolicy.HARD, hard), (FailurePolicy.SOFT, soft)):
        assert RevocationCheck(index, kept, policy).status(DEVICE, now, CA.certificate) is expected


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(REVOKED, PathReason.REVOKED), (UNKNOWN, PathReason.REVOCATION_UNKNOWN), (None, PathReason.REVOCATION_UNKNOWN)],
)
def test_a_path_is_refused_by_an_answer(answer: SerialStatus | None, reason: PathReason) -> None:
    kept = OcspAnswers()
    if answer is not None:
        answered(kept, answer)
    check = RevocationCheck(RevocationIndex(), kept)
    with pytest.raises(PathError) as refused:
        verify_path(DEVICE, [], anchors=[CA.certificate], role=Role.OPERATIONAL_DEVICE, now=NOW, revocation=check)
    assert refused.value.reason is reason
