"""One association with one server: by EDHOC, or with a context that both sides were given."""

from __future__ import annotations

from collections.abc import Callable

from secure_coap.association import Address, Association
from secure_coap.channels.base import Closed, Opened, Received
from secure_coap.channels.oscore.association import OscoreAssociation
from secure_coap.channels.oscore.channel import OscoreChannel
from secure_coap.channels.oscore.config import EdhocClientConfig, OscoreClientConfig
from secure_coap.channels.oscore.edhoc_messages import complaint
from secure_coap.channels.oscore.exchanges import Exchange
from secure_coap.channels.oscore.initiator import Agreed, EdhocInitiator
from secure_coap.channels.oscore.stored import Reservation
from secure_coap.channels.plain import PlainAssociation
from secure_coap.counters import Counters
from secure_coap.edhoc import EdhocError
from secure_coap.edhoc.messages import SMALL, error_of
from secure_coap.engine.rng import Rng
from secure_coap.limits import Limits
from secure_coap.message import Message
from secure_coap.numbers.parameters import TransmissionParameters
from secure_coap.oscore import SecurityContext

Renewed = Callable[[str | None], None]
"""Told the outcome of a key update: None, or why it failed."""


class OscoreClient(OscoreChannel):
    """Begins in `connect`; see `Channel`. A key update runs EDHOC within the association (`renew`)."""

    def __init__(
        self,
        config: OscoreClientConfig,
        rng: Rng,
        parameters: TransmissionParameters,
        limits: Limits,
        counters: Counters,
    ) -> None:
        super().__init__(rng, parameters, limits, counters, config.contexts)
        self._config = config
        self._remote: Address = ("", 0)
        self._association: OscoreAssociation | None = None
        self._initiator: EdhocInitiator | None = None
        self._begun = 0.0
        self._renewed: Renewed | None = None
        self._former_binding = b""
        """Of the keys before a key update."""

    def connect(self, remote: Address, now: float) -> None:
        """Send message 1, or ask for the numbers the association opens with."""
        self._remote, self._now = remote, now
        if self._config.context is not None and self._stored is not None:
            self._stored.reserve_ahead(self._stored.associate(self._config.context, remote, now))
        elif self._config.edhoc is not None:
            self._handshake(self._config.edhoc, now)

    def reserved(self, reservation: Reservation, now: float, *, stored: bool) -> None:
        """See `OscoreChannel`. With its first numbers the association opens."""
        super().reserved(reservation, now, stored=stored)
        if self._association is None and stored:
            self._open_with(reservation.association)
        elif self._association is None:
            self._fail("its sequence numbers cannot be stored")

    def _handshake(self, config: EdhocClientConfig, now: float) -> None:
        self._begun = now
        self._initiator = EdhocInitiator(config, self._identifier(), self._rng, self._parameters, now)
        self._send_of(self._initiator)

    def _identifier(self) -> bytes:
        """One of a byte; this side has few contexts."""
        while True:
            found = SMALL[self._rng.randbytes(1)[0] % len(SMALL)]
            if (found, None) not in self._table.by_kid:
                return found

    def _send_of(self, initiator: EdhocInitiator) -> None:
        """The messages of a handshake; those of a key update go within the association."""
        outgoing, initiator.outgoing = initiator.outgoing, []
        for datagram in outgoing:
            sealed = datagram if self._association is None else self.seal(self._association, datagram)
            if sealed is not None:
                self._out.put(sealed, self._remote)

    # --- the handshake ---

    def receive(self, datagram: bytes, remote: Address, now: float) -> Received | None:
        """See `Channel`. Only the server's address counts."""
        return super().receive(datagram, remote, now) if remote == self._remote else None

    def _receive_empty(self, message: Message, datagram: bytes, remote: Address) -> Received | None:
        if self._initiator is not None and self._initiator.awaits(message):
            self._advance(self._initiator, message)
            return None
        return super()._receive_empty(message, datagram, remote)

    def _receive_response(self, message: Message, datagram: bytes, remote: Address) -> Received | None:
        if self._initiator is not None and self._association is None:
            self._advance(self._initiator, message)
            return None
        return super()._receive_response(message, datagram, remote)

    def _received(self, association: OscoreAssociation, inner: Message) -> Received | None:
        if self._initiator is not None and inner.code.is_response and self._initiator.awaits(inner):
            self._advance(self._initiator, inner)
            return None
        return super()._received(association, inner)

    def _advance(self, initiator: EdhocInitiator, message: Message) -> None:
        try:
            agreed = initiator.receive(message, self._now)
        except EdhocError as error:
            self._send_of(initiator)
            self._complain(error)
            self._fail(str(error))
            return
        self._send_of(initiator)
        if agreed is not None:
            self._initiator = None
            self._establish(agreed)

    def _complain(self, error: EdhocError) -> None:
        """Tell the server why, if it has said what it calls the session (RFC 9528 section 6)."""
        message = complaint(error, self._rng)
        if message is not None and self._association is None:
            self._out.send(message, self._remote)

    def _fail(self, reason: str) -> None:
        self._initiator = None
        if self._association is None:
            self._events.append(Closed(PlainAssociation(self._remote, self._now), reason, opened=False))
        else:
            self._tell_renewed(reason)

    def _tell_renewed(self, outcome: str | None) -> None:
        told, self._renewed = self._renewed, None
        if told is not None:
            told(outcome)

    def _establish(self, agreed: Agreed) -> None:
        session = agreed.session
        secret, salt = session.exporter.oscore()
        context = SecurityContext.derive(secret, salt, sender_id=session.c_r, recipient_id=session.c_i)
        context.reserved = self._limits.sequence_numbers
        binding = session.exporter.channel_binding()
        association = self._association
        if association is None:
            association = OscoreAssociation(
                context,
                self._remote,
                self._now,
                session.peer.peer,
                self._limits.observations,
                binding,
                agreed.ead,
            )
            self._open_with(association)
        else:
            self._table.renew(association, context)
            self._former_binding, association.channel_binding = association.channel_binding, binding
        association.responder_key = session.responder_key
        association.message_3 = agreed.message_3
        self._tell_renewed(None)

    def _open_with(self, association: OscoreAssociation) -> None:
        self._association = association
        self._table.add(association)
        self._events.append(Opened(association))

    def renew(self, renewed: Renewed, now: float) -> None:
        """Begin a key update by a new EDHOC. The old keys serve until the server has the new ones.

        Raises ValueError without EDHOC or an association, or while a handshake runs.
        """
        if self._config.edhoc is None or self._association is None or self._initiator is not None:
            raise ValueError("keys are renewed by EDHOC, over an open association, one handshake at a time")
        self._now = now
        self._renewed = renewed
        self._handshake(self._config.edhoc, now)

    # --- what goes wrong afterwards ---

    def _receive_error(self, association: OscoreAssociation, exchange: Exchange, message: Message) -> Received | None:
        """The server may have refused message 3, which came with the request (RFC 9668 section 3.3.1)."""
        rejected = super()._receive_error(association, exchange, message)
        if rejected is None or not association.message_3 or exchange.context is not association.context:
            return rejected
        if association.former is not None:  # a key update: the keys of before are still good
            self._table.restore(association)
            association.channel_binding = self._former_binding
            return rejected
        self.close(association, f"EDHOC: {error_of(message.payload)}")
        return None

    def _drop_former(self, association: OscoreAssociation, former: SecurityContext) -> None:
        self._table.drop_name(former)

    def close(self, association: Association, reason: str) -> None:
        """See `Channel`."""
        super().close(association, reason)
        if association is self._association:
            self._association = None
            self._initiator = None
            self._tell_renewed(reason)

    # --- time ---

    def next_timer(self, now: float) -> float | None:
        """See `Channel`."""
        if self._initiator is None:
            return super().next_timer(now)
        ends = self._begun + self._limits.handshake_time
        return min(ends, self._initiator.resend_at or ends)

    def timer(self, now: float) -> None:
        """See `Channel`."""
        super().timer(now)
        initiator = self._initiator
        if initiator is None:
            return
        try:
            initiator.repeat(now)
        except EdhocError as error:
            self._fail(str(error))
            return
        self._send_of(initiator)
        if now - self._begun >= self._limits.handshake_time:
            self._fail("no answer, or the handshake took too long")
