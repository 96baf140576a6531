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
    """What carries the messages, or protects them (RFC 7252, RFC 8323, RFC 8613)."""

    UDP = "udp"
    DTLS = "dtls"
    TCP = "tcp"
    TLS = "tls"
    OSCORE = "oscore"


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
        """Who was verified, by certificate, raw key or shared secret; None without security."""

    @property
    def channel_binding(self) -> bytes:
        """What proof of possession is bound to; empty without security, and with a context nobody made a handshake for.

        Over (D)TLS tls-unique of RFC 5929: the client's Finished of the full handshake. After EDHOC 32 bytes of
        EDHOC_Exporter (`edhoc.exporter.Exporter.channel_binding`).
        """

    @property
    def opened_at(self) -> float:
        """Seconds on the endpoint's monotonic clock."""
