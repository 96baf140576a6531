"""Device certificates that no longer count: at the handshake, at each registration, and in sessions that are open.

Closed by default (security rule 24): a certificate counts only while a fresh list of its issuer says it is good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from cryptography import x509

from device_pki.identity import Peer, PeerIdentity
from device_pki.ocsp.answers import OcspAnswers
from device_pki.revocation import CrlError, CrlReason, RevocationIndex, RevocationStatus, objection
from device_pki.revocation_check import FailurePolicy, RevocationCheck
from lwm2m_server.clock import Clock
from lwm2m_server.server.ocsp import OcspClient
from secure_coap.errors import ServiceUnavailable, Unauthorized

log = structlog.get_logger()

RETRY_AFTER: Final = 30
"""Seconds a device is asked to wait while no fresh revocation list is here (Max-Age of 5.03)."""


_OPEN: Final = frozenset({RevocationStatus.STALE, RevocationStatus.UNKNOWN_ISSUER, RevocationStatus.UNANSWERED})
"""What says nothing about the certificate: asking may bring an answer."""
_FINAL: Final = frozenset({RevocationStatus.REVOKED, RevocationStatus.UNKNOWN_SERIAL})
"""What says that the certificate does not count."""


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
    """What the newest lists of the CAs `issuers`, and the OCSP responders of some, say about devices.

    `points`: as for `device_pki.revocation.parse_crl`. `responders`: the URL for each CA that has one.
    """

    def __init__(
        self,
        issuers: Sequence[x509.Certificate],
        clock: Clock,
        *,
        points: Collection[str] = (),
        responders: Mapping[x509.Certificate, str] | None = None,
        policy: FailurePolicy = FailurePolicy.HARD,
    ) -> None:
        self.issuers = tuple(issuers)
        self.check = RevocationCheck(RevocationIndex(points), OcspAnswers(), policy)
        self.ocsp = OcspClient(responders or {}, self.check.answers, clock)
        self._clock = clock

    def status(
        self, certificate: x509.Certificate, now: datetime, issuer: x509.Certificate | None = None
    ) -> RevocationStatus:
        """For `device_pki.path.verify_path`, at the handshake, which waits for nobody.

        What only OCSP can tell is asked before the first request is looked at: see `ready`.
        """
        status = self.check.status(certificate, now, issuer)
        return RevocationStatus.GOOD if status in _OPEN and self.ocsp.answers_for(issuer) else status

    def ready(self, peer: Peer | None) -> Awaitable[None] | None:
        """What has to be waited for before `refusal` can tell; None when nothing has, or an answer still counts."""
        if not self.ocsp.responders or not isinstance(peer, PeerIdentity) or not self.ocsp.due(peer.chain):
            return None
        known_good = objection(self.check, peer.chain, self._clock.datetime()) is None
        return None if known_good else self.ocsp.ask(peer.chain)

    async def refresh(self, peers: Iterable[Peer | None]) -> None:
        """Ask again about those whose sessions last, some at a time."""
        waiting = [self.ocsp.ask(p.chain) for p in peers if isinstance(p, PeerIdentity) and self.ocsp.due(p.chain)]
        await asyncio.gather(*waiting)

    def take(self, crl: bytes) -> tuple[x509.Certificate, ...]:
        """Take in a list (DER); returns the CAs it is of, which is one unless they share a key.

        Raises `CrlError` for a list that must not count; then nothing changes.
        """
        refusal = CrlError(CrlReason.WRONG_ISSUER, "the list is not signed by any of the CAs whose devices come here")
        taken = []
        for issuer in self.issuers:
            try:
                self.check.lists.add(crl, issuer, self._clock.datetime())
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
        expired, found = expiry(peer, now), objection(self.check, peer.chain, now)
        if expired is not None or found is None:
            return expired
        _, status = found
        return SessionRefusal(status.value, final=status in _FINAL)


def expiry(peer: PeerIdentity, now: datetime) -> SessionRefusal | None:
    """The refusal of a certificate that has expired while its session lasted."""
    if now > peer.certificate.not_valid_after_utc:
        return SessionRefusal("certificate expired", final=True)
    return None
