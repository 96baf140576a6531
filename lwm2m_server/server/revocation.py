"""Device certificates that no longer count: at the handshake, at each registration, and in sessions that are open.

Closed by default (security rule 24): a certificate counts only while a fresh list of its issuer says it is good.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from cryptography import x509

from device_pki.identity import PeerIdentity
from device_pki.revocation import CrlError, CrlReason, RevocationIndex, RevocationStatus
from lwm2m_server.clock import Clock
from secure_coap.errors import ServiceUnavailable, Unauthorized

log = structlog.get_logger()

RETRY_AFTER: Final = 30
"""Seconds a device is asked to wait while no fresh revocation list is here (Max-Age of 5.03)."""


@dataclass(frozen=True, slots=True)
class SessionRefusal:
    """Why a session must end. Not `final`: our own list is out of date, which says nothing against the device."""

    reason: str
    final: bool

    def answer(self, peer: PeerIdentity) -> None:
        """Refuse the request of a device; raises `Unauthorized`, or `ServiceUnavailable` when it may come again.

        A final answer ends a transfer's step for good: only what is wrong with the device gets one (rule 12).
        """
        log.warning("session_refused", endpoint=peer.endpoint, reason=self.reason)
        if self.final:
            raise Unauthorized(self.reason)
        raise ServiceUnavailable("certificates cannot be checked now", max_age=RETRY_AFTER)


class DeviceRevocation:
    """The newest revocation lists of the CAs `issuers`, and what they say about devices."""

    def __init__(self, issuers: Sequence[x509.Certificate], clock: Clock, points: Collection[str] = ()) -> None:
        self.issuers = tuple(issuers)
        self.index = RevocationIndex(points)
        """For `device_pki.path.verify_path`, at the handshake."""
        self._clock = clock

    def take(self, crl: bytes) -> tuple[x509.Certificate, ...]:
        """Take in a list (DER); returns the CAs it is of, which is one unless they share a key.

        Raises `CrlError` for a list that must not count; then nothing changes.
        """
        refusal = CrlError(CrlReason.WRONG_ISSUER, "the list is not signed by any of the CAs whose devices come here")
        taken = []
        for issuer in self.issuers:
            try:
                self.index.add(crl, issuer, self._clock.datetime())
            except CrlError as error:
                if error.reason is not CrlReason.WRONG_ISSUER:
                    refusal = error
            else:
                taken.append(issuer)
        if not taken:
            raise refusal
        return tuple(taken)

    def refusal(self, peer: PeerIdentity) -> SessionRefusal | None:
        """Why an open session must end now, or None."""
        now = self._clock.datetime()
        expired, objection = expiry(peer, now), self.index.objection(peer.chain, now)
        if expired is not None or objection is None:
            return expired
        _, status = objection
        return SessionRefusal(status.value, final=status is RevocationStatus.REVOKED)


def expiry(peer: PeerIdentity, now: datetime) -> SessionRefusal | None:
    """The refusal of a certificate that has expired while its session lasted."""
    if now > peer.certificate.not_valid_after_utc:
        return SessionRefusal("certificate expired", final=True)
    return None
