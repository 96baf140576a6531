"""What server and client have in common: which association a datagram belongs to, when one begins, when it ends."""

from __future__ import annotations

from typing import Final

from secure_coap.association import Address, Association
from secure_coap.channels.base import ChannelEvent, Closed, Opened, Received
from secure_coap.channels.oscore.association import OscoreAssociation
from secure_coap.channels.oscore.contexts import ContextStore
from secure_coap.channels.oscore.exchanges import Exchange
from secure_coap.channels.oscore.stored import Reservation, StoredContexts
from secure_coap.channels.oscore.table import AssociationTable
from secure_coap.channels.oscore.unprotected import Outgoing
from secure_coap.counters import Counters
from secure_coap.engine.proof import AddressProof
from secure_coap.engine.rng import Rng
from secure_coap.errors import MessageFormatError
from secure_coap.limits import Limits
from secure_coap.message import HEADER, Message, MessageType, decode
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option
from secure_coap.numbers.parameters import TransmissionParameters
from secure_coap.oscore import OscoreError, OscoreReason, SecurityContext
from secure_coap.oscore.option import OscoreOption

TIDY: Final = 30.0
"""Seconds between looks at exchanges that may be forgotten."""


class OscoreChannel:
    """See `Channel`; besides, see to `reservations` after every call."""

    def __init__(
        self,
        rng: Rng,
        parameters: TransmissionParameters,
        limits: Limits,
        counters: Counters,
        contexts: ContextStore | None,
    ) -> None:
        self._rng = rng
        self._parameters = parameters
        self._limits = limits
        self._counters = counters
        self.store = contexts
        self._proof = AddressProof(rng.randbytes(32))
        self._stored = None if contexts is None else StoredContexts(contexts, self._proof, limits.observations)
        self._table = AssociationTable(limits)
        self._lately_used: dict[OscoreAssociation, None] = {}
        self._out = Outgoing(counters)
        self._events: list[ChannelEvent] = []
        self._now = 0.0

    # --- receiving ---

    def receive(self, datagram: bytes, remote: Address, now: float) -> Received | None:
        """See `Channel`."""
        self._now = now
        if len(datagram) < HEADER or datagram[0] >> 6 != 1:
            self._counters.malformed += 1
            return None
        try:
            message = decode(datagram)
        except MessageFormatError as error:
            self._counters.malformed += 1
            if error.reset_mid is not None:
                self._out.send(Message.empty(MessageType.RST, error.reset_mid), remote)
            return None
        if message.code == Code.EMPTY:
            return self._receive_empty(message, datagram, remote)
        if message.code.is_response:
            return self._receive_response(message, datagram, remote)
        if message.code.is_request and message.value(Option.OSCORE) is None:
            self._receive_unprotected(message, datagram, remote)
        elif message.code.is_request:
            return self._receive_request(message, datagram, remote)
        elif message.type is MessageType.CON:
            self._out.send(Message.empty(MessageType.RST, message.mid), remote)
        return None

    def _receive_empty(self, message: Message, datagram: bytes, remote: Address) -> Received | None:
        if message.type is MessageType.CON:  # the CoAP ping of RFC 7252 section 4.3
            self._out.send(Message.empty(MessageType.RST, message.mid), remote)
            return None
        for association in self._table.at(remote):
            if association.awaits(message.mid):
                return Received(association, datagram)
        self._counters.unasked += 1
        return None

    # --- requests ---

    def _receive_unprotected(self, message: Message, datagram: bytes, remote: Address) -> None:
        self._counters.unprotected += 1
        self._out.reply(message, Code.UNAUTHORIZED, remote)

    def _receive_request(self, message: Message, datagram: bytes, remote: Address) -> Received | None:
        try:
            option = OscoreOption.decode(message.value(Option.OSCORE) or b"")
            return self._receive_named(option.kid, option.kid_context, message, datagram, remote)
        except OscoreError as error:
            self._out.refuse(message, error, remote)
            return None

    def _receive_named(
        self, kid: bytes | None, id_context: bytes | None, message: Message, datagram: bytes, remote: Address
    ) -> Received | None:
        if kid is None:
            raise OscoreError(OscoreReason.MALFORMED)
        association = self._find(kid, id_context, remote)
        if association is not None and (known := association.answered_before(datagram)) is not None:
            self._counters.duplicates += 1
            self._out.send_again(known.outer, datagram, association, remote)
            return None
        if message.value(Option.EDHOC) is not None:
            opened = self._receive_combined(message, kid, association, remote)
            if opened is None:
                return None
            association, message = opened
        if association is None:
            raise OscoreError(OscoreReason.CONTEXT)
        return self._open(association, message, datagram, kid, remote)

    def _receive_combined(
        self, message: Message, kid: bytes, association: OscoreAssociation | None, remote: Address
    ) -> tuple[OscoreAssociation, Message] | None:
        """The association, and the request alone, of a request with message 3 in front (RFC 9668 section 3.3)."""
        self._out.reply(message, Code.BAD_OPTION, remote)
        return None

    def _find(self, kid: bytes, id_context: bytes | None, remote: Address) -> OscoreAssociation | None:
        found = self._table.by_kid.get((kid, id_context))
        if found is not None or self._stored is None:
            return found
        found = self._stored.find(kid, id_context, remote, self._now)
        if found is None:
            return None
        return self._table.by_kid.get((found.context.recipient_id, found.context.id_context)) or found

    def _open(
        self, association: OscoreAssociation, message: Message, datagram: bytes, kid: bytes, remote: Address
    ) -> Received | None:
        known = self._table.holds(association) and not association.lost
        if not known and not self._admit(association, message, datagram, remote):
            return None
        context, former = association.context_of(kid), association.former
        newest = context.window.highest
        inner = association.open_request(message, datagram, context, self._now)
        if former is not None and association.former is None:
            self._drop_former(association, former)
        self._use(association)
        if remote != association.remote and context.window.highest > newest:
            self._table.move(association, remote)
            association.proven = False
        if self._takes(association, inner, datagram, remote):
            return None
        return self._received(association, inner)

    def _takes(self, association: OscoreAssociation, inner: Message, datagram: bytes, remote: Address) -> bool:
        """Whether a request is the channel's own to answer."""
        return False

    def _admit(self, association: OscoreAssociation, message: Message, datagram: bytes, remote: Address) -> bool:
        """Whether an association whose context is stored begins. Raises `OscoreError`."""
        assert self._stored is not None
        begins, answer = self._stored.admit(association, message, datagram, remote, self._now)
        if answer is not None:
            self._counters.freshness_asked += 1
            self._out.put(answer, remote)
        if not begins or self._table.holds(association):
            return begins
        association.remote = remote
        return self._begin(association)

    def _begin(self, association: OscoreAssociation) -> bool:
        """Open an association; False when all places are taken."""
        surplus = self._table.surplus(association.peer)
        if surplus is not None:
            self._counters.evicted += 1
            self.close(surplus, "gave way to a newer association of the same peer")
        if self._table.full:
            self._counters.no_room += 1
            return False
        self._table.add(association)
        self._events.append(Opened(association))
        return True

    def _drop_former(self, association: OscoreAssociation, former: SecurityContext) -> None:
        """The peer has used its new context: the former one opens no request any more."""

    def _received(self, association: OscoreAssociation, inner: Message) -> Received | None:
        """A message for the engine, in its turn after events that are still waiting."""
        received = Received(association, inner.encode())
        if not self._events:
            return received
        self._events.append(received)
        return None

    def _use(self, association: OscoreAssociation) -> None:
        association.used_at = self._now
        self._lately_used.pop(association, None)
        self._lately_used[association] = None

    # --- responses ---

    def _receive_response(self, message: Message, datagram: bytes, remote: Address) -> Received | None:
        protected = message.value(Option.OSCORE) is not None
        known = False
        for association in self._table.at(remote):
            exchange = association.asked(message.token)
            if exchange is None:
                continue
            known = True
            if not protected:
                return self._receive_error(association, exchange, message)
            try:
                inner = association.open_response(message, exchange)
            except OscoreError as error:
                self._out.count(error)
                if error.reason is OscoreReason.REPLAY and message.type is MessageType.CON:
                    self._out.send(Message.empty(MessageType.ACK, message.mid), remote)
                continue
            return self._received(association, inner)
        if not known:
            self._counters.unasked += 1
            if message.type is not MessageType.ACK:
                self._out.send(Message.empty(MessageType.RST, message.mid), remote)
        return None

    def _receive_error(self, association: OscoreAssociation, exchange: Exchange, message: Message) -> Received | None:
        """An error without protection: the peer could not open our request (RFC 8613 section 8.4).

        Anybody may say so, so it never counts as the answer: the request is rejected, as by a Reset. It must come
        where only who saw the request could put it, in its acknowledgement.
        """
        self._counters.unprotected += 1
        if message.type is not MessageType.ACK or message.mid != exchange.mid or exchange.settled:
            return None
        if message.code.is_success:
            return None
        exchange.settled = True
        return Received(association, Message.empty(MessageType.RST, message.mid).encode())

    # --- the rest of the channel ---

    def seal(self, association: Association, datagram: bytes) -> bytes | None:
        """See `Channel`."""
        if not isinstance(association, OscoreAssociation) or not self._table.holds(association):
            return None
        try:
            sealed = association.seal(datagram, self._now)
        except OscoreError as error:
            if association.name is None:
                self.close(association, str(error))
            elif self._stored is not None:  # the message is sent again when there are new ones
                self._stored.reserve_ahead(association)
            return None
        if self._stored is not None:
            self._stored.reserve_ahead(association)
        self._use(association)
        return sealed

    def close(self, association: Association, reason: str) -> None:
        """See `Channel`. OSCORE has no way to tell the peer: its next request finds no context."""
        if isinstance(association, OscoreAssociation) and self._table.holds(association):
            self._table.remove(association)
            self._lately_used.pop(association, None)
            self._events.append(Closed(association, reason))

    def reservations(self) -> list[Reservation]:
        """What must be stored now; each is returned once."""
        if self._stored is None:
            return []
        wanted, self._stored.reservations = self._stored.reservations, []
        return wanted

    def reserved(self, reservation: Reservation, now: float, *, stored: bool) -> None:
        """A reservation was carried out, or (`stored` False) could not be: then the peer has to ask again."""
        assert self._stored is not None
        held = self._stored.reserved(reservation, stored=stored)
        received = None if held is None else self.receive(*held, now)
        if received is not None:
            self._events.append(received)

    def next_timer(self, now: float) -> float | None:
        """See `Channel`."""
        return now + TIDY if self._lately_used else None

    def timer(self, now: float) -> None:
        """See `Channel`. Nothing of an association that has been silent for a lifetime is needed any more."""
        self._now = now
        oldest = now - self._parameters.exchange_lifetime
        for association in list(self._lately_used):
            association.forget_before(oldest)
            if association.used_at >= oldest:
                break
            del self._lately_used[association]

    def datagrams(self) -> list[tuple[Address, bytes]]:
        """See `Channel`."""
        return self._out.take()

    def events(self) -> list[ChannelEvent]:
        """See `Channel`."""
        happened, self._events = self._events, []
        return happened
