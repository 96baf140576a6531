"""Who may open a session: the two classes of device certificates, and their revocation (registry.md, "Logging in").

The issuing CA tells the class: certificates beneath the operational CA's anchor are operational, those of the
permanent CA are factory certificates. An operational certificate counts only while a fresh CRL says it is good.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

import structlog
from cryptography import x509

from device_pki.identity import PeerIdentity
from device_pki.path import PathError, PathReason, verify_path
from device_pki.revocation import CrlError
from device_pki.roles import Role
from lwm2m_server.clock import Clock
from lwm2m_server.server.revocation import DeviceRevocation, SessionRefusal, expiry

log = structlog.get_logger()

_NOT_OPERATIONAL = frozenset({PathReason.NO_PATH, PathReason.EXTENDED_KEY_USAGE, PathReason.EXPIRED})
"""Reasons that leave open whether it is a factory certificate; any other one is final."""


class DeviceTrust:
    """Verifies device certificates at the handshake and again while their sessions last."""

    def __init__(
        self,
        operational: Sequence[x509.Certificate],
        permanent: Sequence[x509.Certificate],
        crl_file: Path,
        clock: Clock,
        points: Collection[str] = (),
    ) -> None:
        self._permanent = tuple(permanent)
        self._crl_file = crl_file
        self._clock = clock
        self._revocation = DeviceRevocation(operational, clock, points)

    def verify(self, chain: Sequence[x509.Certificate]) -> PeerIdentity:
        """The identity a presented chain (leaf first) proves; raises `PathError`."""
        now = self._clock.datetime()
        if not chain:
            raise PathError(PathReason.NO_CERTIFICATE)
        leaf, intermediates = chain[0], chain[1:]
        try:
            return PeerIdentity.of(
                verify_path(
                    leaf,
                    intermediates,
                    anchors=self._revocation.issuers,
                    role=Role.OPERATIONAL_DEVICE,
                    now=now,
                    revocation=self._revocation.index,
                )
            )
        except PathError as error:
            if error.reason not in _NOT_OPERATIONAL:
                log.warning("handshake_refused", reason=error.reason.value)
                raise
        try:
            path = verify_path(leaf, intermediates, anchors=self._permanent, role=Role.FACTORY_DEVICE, now=now)
        except PathError as error:
            log.warning("handshake_refused", reason=error.reason.value)
            raise
        return PeerIdentity.of(path)

    def refusal(self, peer: PeerIdentity) -> SessionRefusal | None:
        """Why an open session must end now, or None."""
        if peer.role is not Role.OPERATIONAL_DEVICE:
            return expiry(peer, self._clock.datetime())
        return self._revocation.refusal(peer)

    def load(self) -> None:
        """Take the CRL that was stored before the last stop, when there is one and it is still fresh."""
        if self._crl_file.exists():
            self._take(self._crl_file.read_bytes())

    def update(self, crl: bytes) -> None:
        """Take a CRL that was fetched, and store it. One that does not verify changes nothing."""
        if self._take(crl):
            temporary = self._crl_file.with_suffix(".new")
            temporary.write_bytes(crl)
            os.replace(temporary, self._crl_file)  # noqa: PTH105 - atomic on the same file system

    def _take(self, crl: bytes) -> bool:
        try:
            self._revocation.take(crl)
        except CrlError as error:
            log.warning("crl_refused", reason=str(error))
            return False
        return True
