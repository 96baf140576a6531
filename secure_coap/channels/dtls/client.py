"""The client side of the DTLS channel: one session with one server."""

from __future__ import annotations

from OpenSSL import SSL

from secure_coap.association import Address, Association
from secure_coap.channels.base import ChannelEvent, Closed, Opened, Received
from secure_coap.channels.dtls.config import DtlsClientConfig
from secure_coap.channels.dtls.context import make_context
from secure_coap.channels.dtls.handshake import MTU, Handshake
from secure_coap.channels.dtls.peer_check import PeerCheck
from secure_coap.channels.dtls.records import ContentType, is_one_record_of_data, split_records
from secure_coap.channels.dtls.server import TICK
from secure_coap.channels.dtls.session import DtlsSession, SessionState
from secure_coap.engine.rng import Rng
from secure_coap.limits import Limits


class DtlsClient:
    """Begins its handshake in `connect`; see `Channel`."""

    def __init__(self, config: DtlsClientConfig, rng: Rng, limits: Limits) -> None:
        self._context = make_context(config)
        self._config = config
        self._rng = rng
        self._limits = limits
        self._session: DtlsSession | None = None
        self._datagrams: list[tuple[Address, bytes]] = []
        self._events: list[ChannelEvent] = []

    def connect(self, remote: Address, now: float) -> None:
        """Send the ClientHello."""
        connection = SSL.Connection(self._context, None)
        connection.set_connect_state()
        connection.set_ciphertext_mtu(MTU)
        handshake = Handshake(connection, PeerCheck(self._config, self._rng), is_client=True)
        self._session = DtlsSession(handshake, remote, now)
        self._session.begin(now)
        self._after(self._session)

    def receive(self, datagram: bytes, remote: Address, now: float) -> Received | None:
        """See `Channel`. Only the server's address counts, and after the handshake only protected records."""
        session = self._session
        if session is None or session.remote != remote:
            return None
        if session.state is SessionState.OPEN and is_one_record_of_data(datagram):
            opened = session.receive(datagram)
            return None if opened is None else Received(session, opened)
        for record in split_records(datagram):
            if record.epoch == 0 and session.state is not SessionState.HANDSHAKE:
                continue
            if record.epoch == 0 and record.type == ContentType.HANDSHAKE and not record.is_sane_handshake:
                continue
            handshaking = session.state is SessionState.HANDSHAKE
            received = session.feed(record, now)
            if handshaking and session.state is SessionState.OPEN:
                self._events.append(Opened(session))
            if received is not None:
                self._events.append(Received(session, received))
        self._after(session)
        return None

    def _after(self, session: DtlsSession) -> None:
        self._datagrams += [(session.remote, datagram) for datagram in session.take_datagrams()]
        if session.state is SessionState.CLOSED and self._session is session:
            self._session = None
            self._events.append(Closed(session, session.reason, opened=bool(session.channel_binding)))

    def seal(self, association: Association, datagram: bytes) -> bytes | None:
        """See `Channel`."""
        session = self._session
        if session is not association or session is None or session.state is not SessionState.OPEN:
            return None
        return session.seal(datagram)

    def close(self, association: Association, reason: str) -> None:
        """See `Channel`."""
        if self._session is association and self._session is not None:
            self._session.close(reason)
            self._after(self._session)

    def next_timer(self, now: float) -> float | None:
        """See `Channel`."""
        handshaking = self._session is not None and self._session.state is SessionState.HANDSHAKE
        return now + TICK if handshaking else None

    def timer(self, now: float) -> None:
        """See `Channel`."""
        session = self._session
        if session is None or session.state is not SessionState.HANDSHAKE:
            return
        session.repeat_if_due()
        if now - session.started_at > self._limits.handshake_time:
            session.close("no answer, or the handshake took too long")
        self._after(session)

    def datagrams(self) -> list[tuple[Address, bytes]]:
        """See `Channel`."""
        sent, self._datagrams = self._datagrams, []
        return sent

    def events(self) -> list[ChannelEvent]:
        """See `Channel`."""
        happened, self._events = self._events, []
        return happened
