"""The open sessions of a DTLS server: one for an address, a few for a peer, so many in all."""

from __future__ import annotations

from device_pki.identity import OscoreIdentity, Peer, PskIdentity
from secure_coap.association import Address
from secure_coap.channels.dtls.session import DtlsSession
from secure_coap.limits import Limits


class OpenSessions:
    """Whoever has one key or certificate cannot fill the table: its own session heard longest ago gives way."""

    def __init__(self, limits: Limits) -> None:
        self.by_address: dict[Address, DtlsSession] = {}
        self._by_peer: dict[str | bytes, tuple[DtlsSession, ...]] = {}
        self._limit = limits.associations
        self._limit_of_peer = limits.associations_per_peer

    @property
    def full(self) -> bool:
        """Whether all places are taken."""
        return len(self.by_address) >= self._limit

    def holds(self, session: DtlsSession) -> bool:
        """Whether it is one of them."""
        return self.by_address.get(session.remote) is session

    def surplus(self, peer: Peer | None) -> DtlsSession | None:
        """The session that has to give way before this peer opens another one."""
        sessions = self._by_peer.get(_name(peer), ())
        if len(sessions) < self._limit_of_peer:
            return None
        return min(sessions, key=lambda session: session.heard_at)

    def add(self, session: DtlsSession) -> None:
        """The caller has made room."""
        self.by_address[session.remote] = session
        name = _name(session.peer)
        self._by_peer[name] = (*self._by_peer.get(name, ()), session)

    def remove(self, session: DtlsSession) -> None:
        """It ended."""
        del self.by_address[session.remote]
        name = _name(session.peer)
        others = tuple(other for other in self._by_peer[name] if other is not session)
        if others:
            self._by_peer[name] = others
        else:
            del self._by_peer[name]


def _name(peer: Peer | None) -> str | bytes:
    assert peer is not None, "an open session has a verified peer"
    assert not isinstance(peer, OscoreIdentity), "it belongs to OSCORE"
    return peer.identity if isinstance(peer, PskIdentity) else peer.key_thumbprint
