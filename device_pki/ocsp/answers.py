"""Verified OCSP answers at hand: each counts for a while, and is asked for again before that is over."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.x509.ocsp import OCSPCertStatus

from device_pki.fingerprints import fingerprint
from device_pki.ocsp.client import Answer, verify_answer
from device_pki.ocsp.errors import OcspError, OcspReason
from device_pki.ocsp.identifiers import CertId
from device_pki.revocation import RevocationStatus

MAX_AGE: Final = timedelta(seconds=60)
"""How long an answer counts, however long its responder calls it fresh: what is revoked is refused within a minute."""
MAX_ANSWERS: Final = 100_000
"""Answers kept, about 0.5 kB each."""

_VERDICTS: Final = {
    OCSPCertStatus.GOOD: RevocationStatus.GOOD,
    OCSPCertStatus.REVOKED: RevocationStatus.REVOKED,
    OCSPCertStatus.UNKNOWN: RevocationStatus.UNKNOWN_SERIAL,
}


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: Answer
    taken_at: datetime


class OcspAnswers:
    """The newest answer about each certificate, asked by certificate and issuer."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, int], _Kept] = OrderedDict()

    def take(
        self, data: bytes, serial_number: int, issuer: x509.Certificate, *, nonce: bytes | None, now: datetime
    ) -> RevocationStatus:
        """Take in the DER answer to a request; return what it says. Raises `OcspError`, and keeps what is there."""
        answer = verify_answer(data, CertId.of(serial_number, issuer), issuer, nonce=nonce, now=now)
        key = fingerprint(issuer), serial_number
        known = self._kept.get(key)
        if known is not None and answer.this_update < known.answer.this_update:
            raise OcspError(OcspReason.STALE, "older than the answer at hand")
        self._kept[key] = _Kept(answer, now)
        self._kept.move_to_end(key)
        if len(self._kept) > MAX_ANSWERS:
            self._kept.popitem(last=False)
        return _VERDICTS[answer.status]

    def due(self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> bool:
        """Is it time to ask about this certificate?"""
        kept = self._kept.get((fingerprint(issuer), certificate.serial_number))
        return kept is None or now >= min(kept.taken_at + MAX_AGE / 2, kept.answer.next_update)

    def status(
        self, certificate: x509.Certificate, now: datetime, issuer: x509.Certificate | None = None
    ) -> RevocationStatus:
        """Return what the newest answer says at `now`. Only a good one grows old: revoked stays revoked."""
        kept = None if issuer is None else self._kept.get((fingerprint(issuer), certificate.serial_number))
        if kept is None:
            return RevocationStatus.UNANSWERED
        status = _VERDICTS[kept.answer.status]
        fresh = now <= min(kept.taken_at + MAX_AGE, kept.answer.next_update)
        return status if fresh or status is not RevocationStatus.GOOD else RevocationStatus.UNANSWERED
