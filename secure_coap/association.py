"""What the layers above see of a security association.

Requests go both ways on it. The identity belongs to the association, never to the address: one address may hold
several, one after the other or side by side while a new handshake runs. Nothing here assumes DTLS, so OSCORE or a
transport with connection identifiers can stand behind it.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from device_pki.identity import Peer

Address = tuple[str, int]
"""IP address as text, port."""


class Transport(Enum):
    """What carries the messages (RFC 7252, RFC 8323)."""

    UDP = "udp"
    DTLS = "dtls"
    TCP = "tcp"
    TLS = "tls"


class Association(Protocol):
    """One authenticated (or, with NoSec on loopback, anonymous) peer."""

    @property
    def remote(self) -> Address:
        """Where its datagrams go now."""

    @property
    def transport(self) -> Transport:
        """What carries its messages."""

    @property
    def peer(self) -> Peer | None:
        """Who was verified, by certificate or pre-shared key; None without security."""

    @property
    def channel_binding(self) -> bytes:
        """tls-unique of RFC 5929: the client's Finished of the full handshake; empty without security."""

    @property
    def opened_at(self) -> float:
        """Seconds on the endpoint's monotonic clock."""
