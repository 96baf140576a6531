"""Who may open a session: the two classes of device certificates, and their revocation (registry.md, "Logging in").

The issuing CA tells the class: certificates beneath the operational CA's anchor are operational, those of the
permanent CA are factory certificates. An operational certificate counts only while a fresh CRL says it is good.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from pathlib import Path

import structlog
from cryptography import x509

from cose.cbor import decode, encode
from cose.files import write_durably
from device_pki.encodings import Certificate
from device_pki.identity import Peer, PeerIdentity
from device_pki.path import PathError, PathReason, verify_path
from device_pki.revocation import MAX_CRL_SIZE, CrlError, CrlReason
from device_pki.roles import Role
from enrollment.ca_client import MAX_EARLIER
from lwm2m_server.clock import Clock
from lwm2m_server.server.revocation import DeviceRevocation, SessionRefusal, expiry

log = structlog.get_logger()

_NOT_OPERATIONAL = frozenset({PathReason.NO_PATH, PathReason.EXTENDED_KEY_USAGE, PathReason.EXPIRED})
"""Reasons that leave open whether it is a factory certificate; any other one is final."""


class DeviceTrust:
    """Verifies device certificates at the handshake and again while their sessions last."""

    def __init__(
        self,
        operational: DeviceRevocation,
        permanent: Sequence[x509.Certificate],
        crl_file: Path,
        clock: Clock,
    ) -> None:
        self._operational = operational
        self._permanent = tuple(permanent)
        self._crl_file = crl_file
        self._clock = clock
        self._newest: tuple[bytes, ...] = ()
        self.factory: DeviceRevocation | None = None
        """What is known about factory certificates; None: none is revoked."""

    def verify(self, chain: Sequence[Certificate]) -> PeerIdentity:
        """The identity a presented chain (leaf first) proves; raises `PathError`."""
        if not chain:
            raise PathError(PathReason.NO_CERTIFICATE)
        try:
            return self._identity(chain, self._operational.issuers, Role.OPERATIONAL_DEVICE, self._operational)
        except PathError as error:
            if error.reason not in _NOT_OPERATIONAL:
                log.warning("handshake_refused", reason=error.reason.value)
                raise
        try:
            return self._identity(chain, self._permanent, Role.FACTORY_DEVICE, self.factory)
        except PathError as error:
            log.warning("handshake_refused", reason=error.reason.value)
            raise

    def _identity(
        self,
        chain: Sequence[Certificate],
        anchors: Sequence[x509.Certificate],
        role: Role,
        revocation: DeviceRevocation | None,
    ) -> PeerIdentity:
        now = self._clock.datetime()
        path = verify_path(chain[0], chain[1:], anchors=anchors, role=role, now=now, revocation=revocation)
        return PeerIdentity.of(path)

    def _revocation(self, peer: PeerIdentity) -> DeviceRevocation | None:
        return self._operational if peer.role is Role.OPERATIONAL_DEVICE else self.factory

    def refusal(self, peer: PeerIdentity) -> SessionRefusal | None:
        """Why an open session must end now, or None."""
        revocation = self._revocation(peer)
        return expiry(peer, self._clock.datetime()) if revocation is None else revocation.refusal(peer)

    def ready(self, peer: Peer | None) -> Awaitable[None] | None:
        """What has to be waited for before `refusal` can tell; None when nothing has."""
        revocation = self._revocation(peer) if isinstance(peer, PeerIdentity) else None
        return None if revocation is None else revocation.ready(peer)

    async def refresh(self, peers: Iterable[Peer | None]) -> None:
        """Ask again about those whose sessions last."""
        known = [peer for peer in peers if isinstance(peer, PeerIdentity)]
        for revocation in (self._operational, self.factory):
            if revocation is not None and revocation.ocsp.responders:
                await revocation.refresh(peer for peer in known if self._revocation(peer) is revocation)

    def load(self) -> None:
        """Take the lists that were stored before the last stop, as far as they are still fresh."""
        if self._crl_file.exists():
            self._take(decode(self._crl_file.read_bytes(), max_size=MAX_EARLIER * MAX_CRL_SIZE, max_depth=2))

    def update(self, *crls: bytes) -> None:
        """Take the lists that were fetched, one by each key of the CA, and store them.

        Those that do not verify change nothing.
        """
        if crls != self._newest and self._take(crls):
            self._newest = crls
            write_durably(self._crl_file, encode(list(crls)), 0o600)

    def _take(self, crls: Sequence[bytes]) -> bool:
        """True when one of them counts. Lists by keys that are no anchors here are nobody's we know."""
        refusals = []
        for crl in crls:
            try:
                self._operational.take(crl)
            except CrlError as error:
                refusals.append(error)
        for refusal in refusals:
            if refusal.reason is not CrlReason.WRONG_ISSUER or len(refusals) == len(crls):
                log.warning("crl_refused", reason=str(refusal))
        return len(refusals) < len(crls)
