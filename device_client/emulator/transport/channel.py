"""What protects the messages of a session: bytes in, bytes out, no socket and no clock."""

from __future__ import annotations

from typing import Protocol


class ChannelError(ConnectionError):
    """The association failed or is over: a new handshake is needed."""


class HandshakeRefused(ChannelError):
    """The server ended the handshake: most often it does not accept the device's certificate."""


class ServerNotTrusted(ChannelError):
    """The server's certificate or key fails the check this step demands; `__cause__` says why."""


class Channel(Protocol):
    """One association from its first datagram to its end; never reused."""

    established: bool
    closed: bool
    channel_binding: bytes
    """What ties a certificate request to this association: tls-unique of a DTLS session (RFC 5929), an exported key of
    EDHOC; empty without either."""

    def start(self) -> None:
        """Produce the first datagram, if the client speaks first."""

    def receive(self, datagram: bytes) -> list[bytes]:
        """The messages in a datagram. Raises ChannelError when the association failed or has ended."""

    def send(self, plaintext: bytes) -> None:
        """Protect one message; take the datagram with `datagrams`."""

    def datagrams(self) -> list[bytes]:
        """What is to be sent now."""

    def timeout(self) -> float | None:
        """Seconds until `handle_timeout` is due; None when nothing waits for an answer."""

    def handle_timeout(self) -> None:
        """Repeat what was not answered. Raises ChannelError when there is no use in it any more."""

    def close(self) -> None:
        """End the association; idempotent."""


class PlainChannel:
    """No protection at all (NoSec): for servers in a laboratory, and what RFC 7252 section 9 calls NoSec."""

    channel_binding = b""

    def __init__(self) -> None:
        self.established = False
        self.closed = False
        self._out: list[bytes] = []

    def start(self) -> None:
        self.established = True

    def receive(self, datagram: bytes) -> list[bytes]:
        return [datagram]

    def send(self, plaintext: bytes) -> None:
        self._out.append(plaintext)

    def datagrams(self) -> list[bytes]:
        out, self._out = self._out, []
        return out

    def timeout(self) -> float | None:
        return None

    def handle_timeout(self) -> None:
        """Nothing waits for an answer."""

    def close(self) -> None:
        self.closed = True
