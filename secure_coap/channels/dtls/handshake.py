"""One DTLS handshake: an OpenSSL connection on memory buffers, until it succeeds or fails."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from OpenSSL import SSL

from device_pki.identity import Peer, PskIdentity
from secure_coap.channels.dtls.peer_check import PeerCheck
from secure_coap.channels.dtls.protection import RecordProtection, Secrets
from secure_coap.channels.dtls.records import Record, pack, split_records
from secure_coap.channels.dtls.suites import Suite

MTU: Final = 1200
"""Bytes per datagram of a handshake; larger messages are fragmented by DTLS, not by IP."""
_READ: Final = 1 << 17
"""Bytes; more than any flight has."""


class HandshakeRefused(Exception):
    """The handshake has failed for good; the text says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished handshake."""

    peer: Peer
    finished: bytes
    """tls-unique of RFC 5929."""
    suite: Suite
    protection: RecordProtection


class Handshake:
    """Feed it records and take its datagrams until `feed` or `advance` says that it has finished."""

    __slots__ = ("_check", "_connection", "_is_client", "_last_protected", "_output")

    def __init__(self, connection: SSL.Connection, check: PeerCheck, *, is_client: bool) -> None:
        connection.set_app_data(check)
        self._connection = connection
        self._check = check
        self._is_client = is_client
        self._output: list[bytes] = []
        self._last_protected: bytes | None = None

    def feed(self, record: Record) -> bool:
        """One record of the peer; whether the handshake has now finished. Raises `HandshakeRefused`."""
        self._connection.bio_write(record.data)
        return self.advance()

    def advance(self) -> bool:
        """Go on as far as possible; whether it has finished. Raises `HandshakeRefused`."""
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise HandshakeRefused(self._failure(error)) from None
        finally:
            self._collect()
        return True

    def _failure(self, error: SSL.Error) -> str:
        """Our own reason where we refused, else OpenSSL's."""
        refusal = self._check.error
        if refusal is None:
            return f"handshake failed: {_reason(error)}"
        return "pre-shared key lookup failed" if self._check.key_used else f"certificate refused: {refusal}"

    def repeat_if_due(self) -> bool:
        """OpenSSL keeps the timer on its own clock (1 s, doubling); ask it from time to time. Never finishes."""
        if (self._connection.DTLSv1_get_timeout() or 0) > 0:
            return False
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            raise HandshakeRefused(f"handshake failed: {_reason(error)}") from None
        finally:
            self._collect()
        return False

    def give_up(self) -> None:
        """Tell the peer where that is possible."""
        with suppress(SSL.Error):
            self._connection.shutdown()
        self._collect()

    @property
    def key_used(self) -> bool:
        """Whether the peer has named the identity of a pre-shared key."""
        return self._check.key_used

    @property
    def peer_named(self) -> bool:
        """Whether it is clear who the peer is if the handshake finishes."""
        return self._check.peer is not None

    def outcome(self) -> Outcome:
        """What it led to, once finished. Raises `HandshakeRefused` where anything is missing.

        tls-unique is the first Finished of the handshake: in a full one, the client's (RFC 5929 section 3.1).
        """
        connection, peer = self._connection, self._check.peer
        suite = Suite(connection.get_cipher_name())
        finished = connection.get_finished() if self._is_client else connection.get_peer_finished()
        master, client, server = connection.master_key(), connection.client_random(), connection.server_random()
        last = self._last_protected
        if peer is None or isinstance(peer, PskIdentity) is not suite.by_key or not finished:
            self.give_up()
            raise HandshakeRefused("handshake ended without a verified peer")
        if not self._check.still_holds:
            self.give_up()
            raise HandshakeRefused("the pre-shared key was withdrawn during the handshake")
        if master is None or client is None or server is None or last is None:
            raise HandshakeRefused("handshake ended without keys")
        secrets = Secrets(suite, master, client, server)
        return Outcome(peer, finished, suite, RecordProtection(secrets, is_client=self._is_client, sent=last))

    def take_datagrams(self) -> list[bytes]:
        """What to send to the peer."""
        sent, self._output = self._output, []
        return sent

    def _collect(self) -> None:
        """OpenSSL's output is a stream of records."""
        try:
            output = self._connection.bio_read(_READ)
        except SSL.WantReadError:
            return
        records = list(split_records(output))
        for record in records:
            if record.epoch:
                self._last_protected = record.data
        self._output += pack(records, MTU)


def _reason(error: SSL.Error) -> str:
    """The last entry of OpenSSL's error queue, in words."""
    queue = error.args[0] if error.args else ()
    return str(queue[-1][-1]) if isinstance(queue, list) and queue else "unexpected end"
