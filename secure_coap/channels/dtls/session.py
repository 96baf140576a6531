"""One DTLS session: an OpenSSL connection on memory buffers, as an `Association`."""

from __future__ import annotations

from contextlib import suppress
from enum import Enum, auto
from typing import Final

from OpenSSL import SSL

from device_pki.identity import Peer, PskIdentity
from secure_coap.association import Address, Transport
from secure_coap.channels.dtls.peer_check import PeerCheck
from secure_coap.channels.dtls.records import pack

MTU: Final = 1200
"""Bytes per datagram of a handshake; larger messages are fragmented by DTLS, not by IP."""
_READ: Final = 1 << 16


class SessionState(Enum):
    """Where a session stands."""

    HANDSHAKE = auto()
    OPEN = auto()
    CLOSED = auto()


class DtlsSession:
    """Feed it records; take its datagrams. It closes itself on the peer's alerts and on refused certificates."""

    def __init__(
        self,
        connection: SSL.Connection,
        check: PeerCheck,
        *,
        key: bytes,
        remote: Address,
        now: float,
        is_client: bool = False,
    ) -> None:
        connection.set_app_data(check)
        self._connection = connection
        self._check = check
        self._is_client = is_client
        self.key = key
        self.remote = remote
        self.opened_at = now
        self.started_at = now
        self.received_bytes = 0
        self.state = SessionState.HANDSHAKE
        self.reason = ""
        self.channel_binding = b""

    @property
    def transport(self) -> Transport:
        """DTLS."""
        return Transport.DTLS

    @property
    def peer(self) -> Peer | None:
        """The verified identity, once open."""
        return self._check.peer if self.state is SessionState.OPEN or self.channel_binding else None

    @property
    def cipher(self) -> str:
        """OpenSSL's name of the cipher suite in use, or empty."""
        return self._connection.get_cipher_name() or ""

    def feed(self, records: bytes, now: float) -> list[bytes]:
        """Records of one datagram; the application's datagrams they held."""
        self.received_bytes += len(records)
        if self.state is SessionState.CLOSED:
            return []
        self._connection.bio_write(records)
        if self.state is SessionState.HANDSHAKE:
            self.handshake(now)
        return self._read() if self.state is SessionState.OPEN else []

    def handshake(self, now: float) -> None:
        """Go on with the handshake as far as possible."""
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return
        except SSL.Error as error:
            self._end(self._failure(error))
            return
        self._finish_handshake(now)

    def _failure(self, error: SSL.Error) -> str:
        """Our own reason where we refused, else OpenSSL's."""
        refusal = self._check.error
        if refusal is None:
            return f"handshake failed: {_reason(error)}"
        return "pre-shared key lookup failed" if self._check.key_used else f"certificate refused: {refusal}"

    def _finish_handshake(self, now: float) -> None:
        """tls-unique is the first Finished of the handshake: in a full one, the client's (RFC 5929 section 3.1)."""
        finished = self._connection.get_finished() if self._is_client else self._connection.get_peer_finished()
        by_key = self.cipher.startswith("PSK-")
        if self._check.peer is None or isinstance(self._check.peer, PskIdentity) is not by_key or not finished:
            self.close("handshake ended without a verified peer")
            return
        self.channel_binding = finished
        self.opened_at = now
        self.state = SessionState.OPEN

    def _read(self) -> list[bytes]:
        received: list[bytes] = []
        while True:
            try:
                received.append(self._connection.recv(_READ))
            except SSL.WantReadError:
                return received
            except SSL.ZeroReturnError:
                self.close("closed by the peer")
                return received
            except SSL.Error as error:
                self._end(f"session failed: {_reason(error)}")
                return received

    def write(self, datagram: bytes) -> None:
        """One CoAP datagram as one record; dropped unless open."""
        if self.state is SessionState.OPEN:
            try:
                self._connection.send(datagram)
            except SSL.Error as error:
                self._end(f"session failed: {_reason(error)}")

    def close(self, reason: str) -> None:
        """Send close_notify and end."""
        if self.state is not SessionState.CLOSED:
            with suppress(SSL.Error):  # nothing to say goodbye with before the handshake has finished
                self._connection.shutdown()
            self._end(reason)

    def _end(self, reason: str) -> None:
        self.state = SessionState.CLOSED
        self.reason = reason

    def retransmit_if_due(self) -> None:
        """OpenSSL keeps the handshake's timer on its own clock (1 s, doubling); ask it from time to time."""
        if self.state is not SessionState.HANDSHAKE or (self._connection.DTLSv1_get_timeout() or 0) > 0:
            return
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._end(f"handshake failed: {_reason(error)}")

    def take_datagrams(self) -> list[bytes]:
        """What to send to the peer."""
        output = bytearray()
        while True:
            try:
                output += self._connection.bio_read(_READ)
            except SSL.WantReadError:
                return pack(bytes(output), MTU)


def _reason(error: SSL.Error) -> str:
    """The last entry of OpenSSL's error queue, in words."""
    queue = error.args[0] if error.args else ()
    return str(queue[-1][-1]) if isinstance(queue, list) and queue else "unexpected end"
