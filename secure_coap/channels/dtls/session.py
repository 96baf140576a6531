"""One DTLS session, as an `Association`: first a handshake, then nothing but keys and two counters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final

from device_pki.identity import Peer
from secure_coap.association import Address, Transport
from secure_coap.channels.dtls.handshake import Handshake, HandshakeRefused
from secure_coap.channels.dtls.protection import RecordProtection
from secure_coap.channels.dtls.records import Alert, AlertLevel, ContentType, HandshakeType, Record
from secure_coap.channels.dtls.suites import Suite
from secure_coap.engine.link import LinkState

_NO_FLIGHT: Final = ()


class SessionState(Enum):
    """Where a session stands."""

    HANDSHAKE = auto()
    OPEN = auto()
    CLOSED = auto()


class DtlsSession(LinkState):
    """Feed it records; take its datagrams. It closes itself on the peer's alerts and on refused peers."""

    __slots__ = (
        "_handshake",
        "_last_flight",
        "_output",
        "_protection",
        "channel_binding",
        "opened_at",
        "peer",
        "reason",
        "received_bytes",
        "remote",
        "started_at",
        "state",
        "suite",
    )

    def __init__(self, handshake: Handshake, remote: Address, now: float) -> None:
        super().__init__()
        self._handshake: Handshake | None = handshake
        self._protection: RecordProtection | None = None
        self._last_flight: Sequence[bytes] = _NO_FLIGHT
        self._output: list[bytes] = []
        self.remote = remote
        self.opened_at = now
        self.started_at = now
        self.received_bytes = 0
        self.state = SessionState.HANDSHAKE
        self.reason = ""
        self.peer: Peer | None = None
        """Who was verified; None before."""
        self.channel_binding = b""
        self.suite: Suite | None = None

    @property
    def transport(self) -> Transport:
        """DTLS."""
        return Transport.DTLS

    def feed(self, record: Record, now: float) -> bytes | None:
        """One record of the peer; the application's datagram it held, if any."""
        if self._protection is not None:
            return self.receive(record.data)
        if self._handshake is not None:
            self.received_bytes += len(record.data)
            self._step(self._handshake, now, lambda handshake: handshake.feed(record))
        return None

    def take_datagrams(self) -> list[bytes]:
        """What to send to the peer, besides what `seal` returned."""
        sent, self._output = self._output, []
        return sent

    def _end(self, reason: str) -> None:
        self.state = SessionState.CLOSED
        self.reason = reason
        self._handshake = self._protection = None

    # --- the handshake ---

    def begin(self, now: float) -> None:
        """Send the first flight."""
        if self._handshake is not None:
            self._step(self._handshake, now, Handshake.advance)

    def repeat_if_due(self) -> None:
        """Send a lost flight again."""
        if self._handshake is not None:
            self._step(self._handshake, self.started_at, Handshake.repeat_if_due)

    @property
    def key_used(self) -> bool:
        """Whether the peer has named the identity of a pre-shared key in the handshake in progress."""
        return self._handshake is not None and self._handshake.key_used

    @property
    def peer_named(self) -> bool:
        """Whether it is clear who the peer is if the handshake in progress finishes."""
        return self._handshake is not None and self._handshake.peer_named

    def _step(self, handshake: Handshake, now: float, step: Callable[[Handshake], bool]) -> None:
        try:
            finished = step(handshake)
            outcome = handshake.outcome() if finished else None
        except HandshakeRefused as refused:
            self._output += handshake.take_datagrams()
            self._end(str(refused))
            return
        flight = handshake.take_datagrams()
        self._output += flight
        if outcome is None:
            return
        self.peer, self.suite, self.channel_binding = outcome.peer, outcome.suite, outcome.finished
        self._protection = outcome.protection
        self._handshake = None
        self._last_flight = flight
        self.opened_at = now
        self.state = SessionState.OPEN

    # --- protected records ---

    def seal(self, datagram: bytes) -> bytes:
        """One CoAP datagram as one record; only of an open session."""
        assert self._protection is not None, "only an open session sends"
        return self._protection.seal(ContentType.APPLICATION_DATA, datagram)

    def receive(self, record: bytes) -> bytes | None:
        """One whole record of the peer of an open session; the application's datagram it held, if any."""
        protection = self._protection
        opened = None if protection is None else protection.open(record)
        if protection is None or opened is None:
            return None
        content_type, plaintext = opened
        if content_type == ContentType.APPLICATION_DATA:
            self._last_flight = _NO_FLIGHT  # who sends data has our Finished
            return plaintext
        if content_type == ContentType.ALERT:
            self._alerted(plaintext)
        elif content_type == ContentType.HANDSHAKE:
            self._asked_again(protection, plaintext)
        return None

    def _alerted(self, alert: bytes) -> None:
        if alert == bytes((AlertLevel.WARNING, Alert.CLOSE_NOTIFY)):
            self.close("closed by the peer")
        elif len(alert) == 2 and alert[0] == AlertLevel.FATAL:
            self._end(f"session failed: alert {alert[1]} of the peer")

    def _asked_again(self, protection: RecordProtection, message: bytes) -> None:
        """The peer repeats its Finished when ours got lost (RFC 6347 section 4.2.4). Nothing is negotiated twice."""
        if message[:1] == bytes((HandshakeType.FINISHED,)):
            self._output += self._last_flight
        elif message[:1] in (bytes((HandshakeType.HELLO_REQUEST,)), bytes((HandshakeType.CLIENT_HELLO,))):
            self._output.append(_alert(protection, AlertLevel.WARNING, Alert.NO_RENEGOTIATION))

    def close(self, reason: str) -> None:
        """Say goodbye and end."""
        if self._handshake is not None:
            self._handshake.give_up()
            self._output += self._handshake.take_datagrams()
        elif self._protection is not None:
            self._output.append(_alert(self._protection, AlertLevel.WARNING, Alert.CLOSE_NOTIFY))
        if self.state is not SessionState.CLOSED:
            self._end(reason)


def _alert(protection: RecordProtection, level: AlertLevel, alert: Alert) -> bytes:
    return protection.seal(ContentType.ALERT, bytes((level, alert)))
