"""One question about a certificate, two sources: its issuer's revocation list and OCSP."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from device_pki.ocsp.answers import OcspAnswers
from device_pki.revocation import RevocationIndex, RevocationStatus


class FailurePolicy(enum.StrEnum):
    """What becomes of a certificate that no source knows to be good or revoked."""

    HARD = "hard"
    """It is refused. Transfers and enrollment know nothing else (security rule 24)."""
    SOFT = "soft"
    """It is believed: only what is known to be revoked is refused."""


@dataclass(frozen=True, slots=True)
class RevocationCheck:
    """A `RevocationSource`. Whatever says revoked is right; one fresh source that says good is enough."""

    lists: RevocationIndex
    answers: OcspAnswers
    policy: FailurePolicy = FailurePolicy.HARD

    def status(
        self, certificate: x509.Certificate, now: datetime, issuer: x509.Certificate | None = None
    ) -> RevocationStatus:
        """Return what both sources together say at `now`."""
        listed = self.lists.status(certificate, now, issuer)
        answered = self.answers.status(certificate, now, issuer)
        if RevocationStatus.REVOKED in {listed, answered}:
            return RevocationStatus.REVOKED
        if RevocationStatus.GOOD in {listed, answered} or self.policy is FailurePolicy.SOFT:
            return RevocationStatus.GOOD
        return answered if listed is RevocationStatus.UNKNOWN_ISSUER else listed
