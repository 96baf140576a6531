"""Many associations on one socket, begun by EDHOC or by contexts that both sides were given."""

from __future__ import annotations

from typing import Final

from secure_coap.association import Address, Association
from secure_coap.channels.oscore.association import OscoreAssociation, response_to
from secure_coap.channels.oscore.channel import OscoreChannel
from secure_coap.channels.oscore.config import OscoreServerConfig
from secure_coap.channels.oscore.edhoc_messages import TRUE, is_for_edhoc, split_combined, split_identifier
from secure_coap.channels.oscore.responder import EdhocResponder, Finished
from secure_coap.counters import Counters
from secure_coap.edhoc import EdhocError
from secure_coap.engine.options import understood
from secure_coap.engine.rng import Rng
from secure_coap.errors import CoapError
from secure_coap.limits import Limits
from secure_coap.message import Message
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option
from secure_coap.numbers.parameters import TransmissionParameters
from secure_coap.oscore import SecurityContext

_HANDSHAKES: Final = 1.0
"""Seconds between looks at handshakes that take too long."""


class OscoreServer(OscoreChannel):
    """See `Channel`."""

    def __init__(
        self,
        config: OscoreServerConfig,
        rng: Rng,
        parameters: TransmissionParameters,
        limits: Limits,
        counters: Counters,
    ) -> None:
        super().__init__(rng, parameters, limits, counters, config.contexts)
        contexts = config.contexts
        self.edhoc: EdhocResponder | None = None
        if config.edhoc is not None:
            self.edhoc = EdhocResponder(
                config.edhoc,
                rng,
                limits,
                counters,
                self._proof,
                lambda kid: contexts is not None and contexts.find(kid, None) is not None,
            )

    # --- EDHOC without protection ---

    def _receive_unprotected(self, message: Message, datagram: bytes, remote: Address) -> None:
        if self.edhoc is None or not is_for_edhoc(message):
            super()._receive_unprotected(message, datagram, remote)
            return
        try:
            understood(message.options)
        except CoapError as error:
            self._counters.refused += 1
            self._out.reply(message, error.code, remote)
            return
        self._out.send(self._edhoc_answer(self.edhoc, message, datagram, remote, None), remote)

    def _edhoc_answer(
        self,
        edhoc: EdhocResponder,
        message: Message,
        datagram: bytes,
        remote: Address,
        renews: OscoreAssociation | None,
    ) -> Message:
        if message.payload.startswith(TRUE):
            return edhoc.take_message_1(message, datagram, remote, self._now, renews)
        try:
            c_r, message_3 = split_identifier(message.payload)
            if self._has_come_before(c_r, message_3):
                return response_to(message, Code.CHANGED, payload=self._table.by_kid[c_r, None].message_4)
            finished = edhoc.take_message_3(c_r, message_3, remote, self._now)
            association = self._establish(finished, message_3, remote)
            if association is None:
                return response_to(message, Code.SERVICE_UNAVAILABLE)
            association.message_4 = finished.session.make_message_4()
            return response_to(message, Code.CHANGED, payload=association.message_4)
        except EdhocError as error:
            return edhoc.refusal(message, error)

    def _has_come_before(self, c_r: bytes, message_3: bytes) -> bool:
        """Our answer got lost."""
        known = self._table.by_kid.get((c_r, None))
        return known is not None and known.handshake == hash(message_3)

    def _takes(self, association: OscoreAssociation, inner: Message, datagram: bytes, remote: Address) -> bool:
        """EDHOC within an association renews its keys."""
        if self.edhoc is None or not is_for_edhoc(inner):
            return False
        answer = self._edhoc_answer(self.edhoc, inner, datagram, remote, association)
        sealed = self.seal(association, answer.encode())
        if sealed is not None:
            self._out.put(sealed, remote)
        return True

    # --- EDHOC with the first request ---

    def _receive_combined(
        self, message: Message, kid: bytes, association: OscoreAssociation | None, remote: Address
    ) -> tuple[OscoreAssociation, Message] | None:
        if self.edhoc is None:
            return super()._receive_combined(message, kid, association, remote)
        try:
            message_3, ciphertext = split_combined(message.payload)
            if association is None or association.handshake != hash(message_3):
                finished = self.edhoc.take_message_3(kid, message_3, remote, self._now)
                association = self._establish(finished, message_3, remote)
        except EdhocError as error:
            self._out.send(self.edhoc.refusal(message, error), remote)
            return None
        options = tuple(option for option in message.options if option[0] != Option.EDHOC)
        alone = Message(message.type, message.code, message.mid, message.token, options, ciphertext)
        return None if association is None else (association, alone)

    # --- associations ---

    def _establish(self, finished: Finished, message_3: bytes, remote: Address) -> OscoreAssociation | None:
        """A new association, or new keys for the one the session came through; None when all places are taken."""
        session = finished.session
        secret, salt = session.exporter.oscore()
        context = SecurityContext.derive(secret, salt, sender_id=session.c_i, recipient_id=session.c_r)
        context.reserved = self._limits.sequence_numbers
        association = finished.renews
        if association is not None and self._table.holds(association):
            unused = self._table.renew(association, context)
            if unused is not None:
                self._forget_identifier(unused)
            association.channel_binding = session.exporter.channel_binding()
            association.responder_key = session.responder_key
            association.handshake = hash(message_3)
            return association
        association = OscoreAssociation(
            context,
            remote,
            self._now,
            session.peer.peer,
            self._limits.observations,
            session.exporter.channel_binding(),
            finished.ead,
        )
        association.responder_key = session.responder_key
        association.handshake = hash(message_3)
        association.proven = True  # message 3 answers what was sent to its address
        if self._begin(association):
            return association
        self._forget_identifier(context)
        return None

    def _drop_former(self, association: OscoreAssociation, former: SecurityContext) -> None:
        self._table.drop_name(former)
        self._forget_identifier(former)

    def _forget_identifier(self, context: SecurityContext) -> None:
        if self.edhoc is not None:
            self.edhoc.identifiers.release(context.recipient_id, self._now)

    def close(self, association: Association, reason: str) -> None:
        """See `Channel`."""
        open_ = isinstance(association, OscoreAssociation) and self._table.holds(association)
        super().close(association, reason)
        if open_ and isinstance(association, OscoreAssociation):
            for context in (association.context, association.former):
                if context is not None:
                    self._forget_identifier(context)

    # --- time ---

    def next_timer(self, now: float) -> float | None:
        """See `Channel`."""
        return now + _HANDSHAKES if self.edhoc is not None and len(self.edhoc) else super().next_timer(now)

    def timer(self, now: float) -> None:
        """See `Channel`."""
        super().timer(now)
        if self.edhoc is not None:
            self.edhoc.forget_overdue(now)
