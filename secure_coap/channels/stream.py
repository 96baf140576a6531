"""An association over a connection: TCP without security, or TLS."""

from __future__ import annotations

from device_pki.identity import Peer
from secure_coap.association import Address, Transport
from secure_coap.engine.link import LinkState


class StreamAssociation(LinkState):
    """One connection's peer."""

    __slots__ = ("channel_binding", "opened_at", "peer", "remote", "transport")

    def __init__(
        self, remote: Address, now: float, *, transport: Transport, peer: Peer | None, channel_binding: bytes
    ) -> None:
        super().__init__()
        self.remote = remote
        self.opened_at = self.heard_at = now
        self.transport = transport
        self.peer = peer
        self.channel_binding = channel_binding
