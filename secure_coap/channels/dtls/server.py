"""Many DTLS sessions on one socket.

An address holds at most one open session and one handshake. A handshake replaces the session only when it finishes
(security rule 27), so a forged ClientHello harms nobody and a rebooted device gets in again from the same port.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from secure_coap.association import Address, Association
from secure_coap.channels.base import ChannelEvent, Closed, Opened, Received
from secure_coap.channels.dtls.config import DtlsServerConfig
from secure_coap.channels.dtls.context import make_context
from secure_coap.channels.dtls.cookies import CookieListener
from secure_coap.channels.dtls.guesses import Guesses
from secure_coap.channels.dtls.handshake import Handshake
from secure_coap.channels.dtls.open_sessions import OpenSessions
from secure_coap.channels.dtls.peer_check import PeerCheck
from secure_coap.channels.dtls.records import ContentType, Record, is_one_record_of_data, split_records
from secure_coap.channels.dtls.session import DtlsSession, SessionState
from secure_coap.channels.source import source_of
from secure_coap.counters import Counters
from secure_coap.engine.rng import Rng
from secure_coap.limits import Limits

TICK: Final = 0.05
"""Seconds between looks at OpenSSL's handshake timers."""
_STALLED: Final = 5.0
"""A handshake this old gives way when all places are taken."""


class _HalfOpen:
    """A handshake in progress, and the ClientHello that began it."""

    __slots__ = ("client_random", "guess", "session", "source")

    def __init__(self, session: DtlsSession, client_random: bytes) -> None:
        self.session = session
        self.client_random = client_random
        self.source = source_of(session.remote[0])
        self.guess: tuple[float, bool] | None = None
        """When a Finished came that did not open, and whether the identity it came for is known."""


class DtlsServer:
    """The server side of the DTLS channel; see `Channel`."""

    def __init__(self, config: DtlsServerConfig, rng: Rng, limits: Limits, counters: Counters) -> None:
        self._config = config
        self._rng = rng
        self._limits = limits
        self._listener = CookieListener(make_context(config), rng.randbytes(32))
        self._open = OpenSessions(limits)
        self._by_address = self._open.by_address
        self._half_open: dict[Address, _HalfOpen] = {}
        self._per_source: Counter[str | None] = Counter()
        self._guesses = Guesses(limits)
        self._datagrams: list[tuple[Address, bytes]] = []
        self._events: list[ChannelEvent] = []
        self._counters = counters

    # --- receiving ---

    def receive(self, datagram: bytes, remote: Address, now: float) -> Received | None:
        """See `Channel`. Records that no session can decrypt disappear."""
        current = self._by_address.get(remote)
        if current is not None and is_one_record_of_data(datagram):
            received = current.receive(datagram)
            return None if received is None else Received(current, received)
        for record in split_records(datagram):
            client_random = record.client_random
            if client_random is not None:
                self._receive_hello(record, client_random, remote, now)
            elif (session := self._session_for(record, remote)) is not None:
                self._feed(session, record, now)
            else:
                self._counters.records_dropped += 1
        return None

    def _receive_hello(self, record: Record, client_random: bytes, remote: Address, now: float) -> None:
        half_open = self._half_open.get(remote)
        if half_open is not None and half_open.client_random == client_random:
            return  # repeated: OpenSSL repeats its own flight by its timer
        if self._guesses.paused(source_of(remote[0]), now):
            self._counters.hellos_paused += 1
            return
        connection, replies = self._listener.listen(record.data, remote, now)
        self._datagrams += [(remote, reply) for reply in replies]
        self._counters.cookies += len(replies)
        if connection is None:
            return
        if not self._make_room(remote, now):
            self._counters.no_room += 1
            return
        handshake = Handshake(connection, PeerCheck(self._config, self._rng), is_client=False)
        session = DtlsSession(handshake, remote, now)
        half_open = self._half_open[remote] = _HalfOpen(session, client_random)
        self._per_source[half_open.source] += 1
        session.begin(now)
        self._after(session)

    def _session_for(self, record: Record, remote: Address) -> DtlsSession | None:
        """Unprotected records belong to the handshake; protected handshake records too, while there is one."""
        half_open = self._half_open.get(remote)
        handshake = half_open.session if half_open else None
        if record.epoch == 0:
            broken = record.type == ContentType.HANDSHAKE and not record.is_sane_handshake
            return None if broken or record.type == ContentType.APPLICATION_DATA else handshake
        current = self._by_address.get(remote)
        if record.type == ContentType.HANDSHAKE:
            return handshake or current
        return current or handshake

    def _feed(self, session: DtlsSession, record: Record, now: float) -> None:
        if session.state is SessionState.OPEN:
            received = session.feed(record, now)
            if received is not None:
                self._events.append(Received(session, received))
                return
        else:
            self._feed_handshake(session, record, now)
        self._after(session)

    def _feed_handshake(self, session: DtlsSession, record: Record, now: float) -> None:
        key_used = session.key_used
        session.feed(record, now)
        if session.state is SessionState.OPEN:
            self._establish(session)
        elif session.received_bytes > self._limits.handshake_bytes:
            session.close("handshake too large")
        elif key_used and record.epoch:
            self._guessed(session, now)

    def _guessed(self, session: DtlsSession, now: float) -> None:
        """The client's Finished came and did not open. Counted once for each handshake, taken back if it finishes."""
        half_open = self._half_open.get(session.remote)
        if half_open is None or half_open.session is not session or half_open.guess is not None:
            return
        half_open.guess = now, session.peer_named
        self._guesses.add(half_open.source, now)

    def _establish(self, session: DtlsSession) -> None:
        half_open = self._half_open.get(session.remote)
        if half_open is not None and half_open.guess is not None:
            self._guesses.take_back(half_open.source, half_open.guess[0])
        self._forget_half_open(session.remote)
        self._counters.handshakes += 1
        former = self._by_address.get(session.remote)
        if former is not None:
            self._open.remove(former)
            self._events.append(Closed(former, "replaced by a new handshake from its address"))
        surplus = self._open.surplus(session.peer)
        if surplus is not None:
            self._counters.evicted += 1
            self.close(surplus, "gave way to a newer session of the same peer")
        if self._open.full:
            self._counters.no_room += 1
            session.close("too many associations")
            self._flush(session)
            return
        self._open.add(session)
        self._events.append(Opened(session))

    def _after(self, session: DtlsSession) -> None:
        """Send what the session has to say; tidy up when it ended."""
        self._flush(session)
        if session.state is not SessionState.CLOSED:
            return
        half_open = self._half_open.get(session.remote)
        if half_open is not None and half_open.session is session:
            self._forget_half_open(session.remote)
            self._events.append(Closed(session, session.reason, opened=False))
        elif self._open.holds(session):
            self._open.remove(session)
            self._events.append(Closed(session, session.reason))

    def _flush(self, session: DtlsSession) -> None:
        self._datagrams += [(session.remote, datagram) for datagram in session.take_datagrams()]

    # --- bounds ---

    def _make_room(self, remote: Address, now: float) -> bool:
        """Places for handshakes, in all and per source address (budget of security.md)."""
        self._forget_half_open(remote)
        source = source_of(remote[0])
        if self._source_is_full(source):
            self._evict_stalled(now, source)
        elif len(self._half_open) >= self._limits.half_open:
            self._evict_stalled(now, None)
        return not self._source_is_full(source) and len(self._half_open) < self._limits.half_open

    def _source_is_full(self, source: str | None) -> bool:
        return source is not None and self._per_source[source] >= self._limits.half_open_per_source

    def _evict_stalled(self, now: float, source: str | None) -> None:
        """Drop the oldest handshake (of one source) if it makes no progress; the table is ordered by age."""
        for address, half_open in self._half_open.items():
            if source in (None, half_open.source):
                if now - half_open.session.started_at > _STALLED:
                    self._forget_half_open(address)
                return

    def _forget_half_open(self, remote: Address) -> None:
        half_open = self._half_open.pop(remote, None)
        if half_open is None:
            return
        self._per_source[half_open.source] -= 1
        if not self._per_source[half_open.source]:
            del self._per_source[half_open.source]
        if half_open.session.state is SessionState.OPEN:
            return
        self._counters.handshakes_failed += 1
        if half_open.guess is not None:
            _, known = half_open.guess
            self._counters.wrong_keys += known
            self._counters.unknown_identities += not known

    # --- the rest of the channel ---

    def seal(self, association: Association, datagram: bytes) -> bytes | None:
        """See `Channel`."""
        session = self._by_address.get(association.remote)
        return session.seal(datagram) if session is association else None

    def close(self, association: Association, reason: str) -> None:
        """See `Channel`."""
        session = self._by_address.get(association.remote)
        if session is association:
            session.close(reason)
            self._after(session)

    def next_timer(self, now: float) -> float | None:
        """See `Channel`."""
        return now + TICK if self._half_open else None

    def timer(self, now: float) -> None:
        """See `Channel`."""
        for half_open in list(self._half_open.values()):
            session = half_open.session
            session.repeat_if_due()
            if session.state is SessionState.HANDSHAKE and now - session.started_at > self._limits.handshake_time:
                session.close("handshake took too long" if half_open.guess is None else "no proof of the key")
            self._after(session)

    def datagrams(self) -> list[tuple[Address, bytes]]:
        """See `Channel`."""
        sent, self._datagrams = self._datagrams, []
        return sent

    def events(self) -> list[ChannelEvent]:
        """See `Channel`."""
        happened, self._events = self._events, []
        return happened
