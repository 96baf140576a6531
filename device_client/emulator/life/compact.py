"""The compact profile: how the device names itself in EDHOC, and how it judges whom it meets there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from device_client.emulator.life.trust import Identity, Peer, Trust
from device_client.emulator.transport.edhoc import EdhocCredentials
from device_pki.fingerprints import fingerprint
from device_pki.identity import PeerIdentity
from enrollment.credentials import (
    CERTIFICATE_EXPECTED,
    CertificateResolver,
    certificate_identity,
    resolve_pinned,
)
from secure_coap.edhoc import CredentialLookup, Method

AMPLIFICATION: Final = 3
"""How many times the bytes it got a server sends to an address that is not proven (security rule 26)."""
MOST_PADDED: Final = 400
"""Bytes a first datagram is padded to at most: from there on an Echo costs less."""


class Compact:
    """EDHOC's credentials for one device. What servers said about references is known until power off."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._to_bring: set[tuple[str, bytes]] = set()
        """Servers, by URI, that do not hold a certificate, by fingerprint."""
        self._sizes: dict[tuple[str, Method], int] = {}
        """How large the first datagram must be for a server to answer it at once."""

    def credentials(self, identity: Identity, peer: Peer, host: str) -> EdhocCredentials:
        """For an association with `peer` at `host`, as `identity`.

        A pinned key is authenticated by static Diffie-Hellman on both sides and needs no certificate. Every other
        server shows or names one, and both sides sign.
        """
        pair = (peer.uri, fingerprint(identity.certificate))
        by_reference = identity.well_known and pair not in self._to_bring
        chain = (identity.certificate, *identity.chain)
        own = certificate_identity(identity.private_key, chain, by_reference=by_reference)
        method, judge = self._judge(peer, host)
        known = (peer.uri, method)
        return EdhocCredentials(
            method,
            own,
            judge,
            padded_to=self._sizes.get(known, CERTIFICATE_EXPECTED if method.responder_signs else 0),
            answered=lambda size: self._sizes.update({known: min(-(-size // AMPLIFICATION), MOST_PADDED)}),
            unknown=lambda: self._to_bring.add(pair),
        )

    def _judge(self, peer: Peer, host: str) -> tuple[Method, CredentialLookup]:
        pinned = peer.pinned_key
        if pinned is not None:
            return Method.STATIC_STATIC, lambda id_cred: resolve_pinned(id_cred, pinned)
        check = self._trust.server_check(peer, host)
        held = self._trust.directory()
        resolver = CertificateResolver(lambda chain: PeerIdentity.of(check(chain)), held)
        return Method.SIGNATURE_SIGNATURE, lambda id_cred: resolver.resolve(id_cred, datetime.now(UTC))
