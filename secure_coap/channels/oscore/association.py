"""One association protected by OSCORE: inner CoAP datagrams to outer ones and back (RFC 8613 section 8).

Type, Message ID and token of both are the same, and Empty messages pass as they are, so the engine above needs to know
nothing of it.
"""

from __future__ import annotations

from typing import Final

from device_pki.identity import Peer
from secure_coap.association import Address, Transport
from secure_coap.channels.oscore.exchanges import Exchange, Exchanges
from secure_coap.edhoc import Ead
from secure_coap.edhoc.curves import DhPrivateKey, DhPublicKey
from secure_coap.engine.link import LinkState
from secure_coap.message import Message, MessageType, decode
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option
from secure_coap.oscore import (
    OscoreError,
    OscoreReason,
    RequestBinding,
    SecurityContext,
    protect_request,
    protect_response,
    unprotect_request,
    unprotect_response,
)

_HEAD_OF_ACK: Final = 0x60


class OscoreAssociation(LinkState):
    """`context` protects what begins here; a former one lives on in the exchanges that were begun with it.

    `peer`: who was verified. `ead`: what the peer added to its messages of EDHOC. `message_3`: ours, while it must ride
    with our requests.
    """

    __slots__ = (
        "_asked",
        "_taken",
        "channel_binding",
        "context",
        "ead",
        "former",
        "handshake",
        "lost",
        "message_3",
        "message_4",
        "name",
        "opened_at",
        "peer",
        "remote",
        "responder_key",
        "used_at",
    )

    transport: Final = Transport.OSCORE

    def __init__(  # noqa: PLR0917 - one parameter per thing it consists of
        self,
        context: SecurityContext,
        remote: Address,
        now: float,
        peer: Peer,
        observations: int,
        channel_binding: bytes = b"",
        ead: tuple[Ead, ...] = (),
        name: str | None = None,
    ) -> None:
        super().__init__()
        self.context = context
        self.former: SecurityContext | None = None
        """The context before a key update, until the peer has used the new one."""
        self.remote = remote
        self.opened_at = self.used_at = now
        self.peer = peer
        self.channel_binding = channel_binding
        self.responder_key: DhPrivateKey | DhPublicKey | None = None
        """The ephemeral key of the responder in EDHOC: its private half there, its public half here."""
        self.ead = ead
        self.name = name
        """What the store knows the context by; None for one that EDHOC made."""
        self.lost = False
        """A restart has lost what the peer had sent before."""
        self.message_3 = b""
        self.message_4 = b""
        """Ours, should the message 3 that it answers come again."""
        self.handshake = 0
        """Hash of the message 3 that made it, should that come again."""
        self._asked = Exchanges(observations)
        self._taken = Exchanges(observations)

    # --- what the peer sends ---

    def answered_before(self, datagram: bytes) -> Exchange | None:
        """The exchange of a request that comes for the second time."""
        return self._taken.repeated(datagram)

    def context_of(self, kid: bytes) -> SecurityContext:
        """The context of one of the two identifiers the peer may use during a key update."""
        return self.former if self.former is not None and self.former.recipient_id == kid else self.context

    def open_request(self, message: Message, datagram: bytes, context: SecurityContext, now: float) -> Message:
        """The request inside. Raises `OscoreError`."""
        inner, binding = unprotect_request(message, context)
        if context is self.context:
            self.confirmed()
        exchange = Exchange(message.token, message.mid, context, binding, now)
        exchange.seen = hash(datagram)
        self._taken.add(exchange)
        return inner

    def open_response(self, message: Message, exchange: Exchange) -> Message:
        """The response inside; `exchange` is that of its token. Raises `OscoreError`; REPLAY for one that came before.

        The order of notifications is that of their sequence numbers, for ever: the engine would take an old one for
        news after a while (RFC 7641 section 3.4).
        """
        if exchange.settled and not exchange.stays:
            raise OscoreError(OscoreReason.REPLAY)
        inner, number = unprotect_response(message, exchange.context, exchange.binding, exchange.latest)
        observes = inner.value(Option.OBSERVE) is not None and inner.code.is_success
        if observes and number is not None:
            exchange.latest = number
        if observes or exchange.stays:
            self._asked.observed(exchange, stays=observes)
        exchange.settled = True
        if exchange.context is self.context:
            self.confirmed()
        return inner

    def confirmed(self) -> None:
        """The peer has used the current context: it has what we sent it last."""
        self.message_3 = b""
        self.former = None

    def asked(self, token: bytes) -> Exchange | None:
        """Our request under a token."""
        return self._asked.of_token(token)

    def awaits(self, mid: int) -> bool:
        """Whether an acknowledgement or Reset of this Message ID is for this association."""
        return self._asked.sent(mid) or self._taken.sent(mid)

    # --- what we send ---

    def seal(self, datagram: bytes, now: float) -> bytes | None:
        """The outer datagram; None for what belongs to nothing. Raises `OscoreError` EXHAUSTED."""
        if datagram[1] == Code.EMPTY:
            return self._seal_empty(datagram)
        message = decode(datagram)
        if message.code.is_request:
            return self._seal_request(message, datagram, now)
        return self._seal_response(message, datagram)

    def _seal_empty(self, datagram: bytes) -> bytes:
        """An acknowledgement before the answer is what a repeated request gets meanwhile."""
        exchange = self._taken.of_mid(datagram[2] << 8 | datagram[3])
        if exchange is not None and datagram[0] == _HEAD_OF_ACK and not exchange.outer:
            exchange.outer = datagram
        return datagram

    def _seal_request(self, message: Message, datagram: bytes, now: float) -> bytes:
        known = self._asked.of_token(message.token)
        if known is not None and known.is_sent_again(datagram):
            return known.outer
        outer, binding = protect_request(message, self.context)
        exchange = Exchange(message.token, message.mid, self.context, binding, now)
        self._asked.add(exchange)
        return exchange.sealed(datagram, self._combined(outer).encode())

    def _combined(self, message: Message) -> Message:
        """With message 3 in front, until the peer is known to have it (RFC 9668 section 3.2.1)."""
        if not self.message_3:
            return message
        options = (*message.options, (int(Option.EDHOC), b""))
        return Message(
            message.type,
            message.code,
            message.mid,
            message.token,
            tuple(sorted(options, key=lambda option: option[0])),
            self.message_3 + message.payload,
        )

    def _seal_response(self, message: Message, datagram: bytes) -> bytes | None:
        """The first response to a request may use its nonce, no other may."""
        acknowledges = message.type is MessageType.ACK
        exchange = self._taken.of_mid(message.mid) if acknowledges else self._taken.of_token(message.token)
        if exchange is None or exchange.token != message.token or datagram == exchange.overtaken:
            return None
        if exchange.doubtful and not acknowledges:
            return None
        if exchange.is_sent_again(datagram):
            return exchange.outer
        outer = protect_response(message, exchange.context, exchange.binding, own_iv=exchange.settled)
        exchange.settled = True
        observes = message.value(Option.OBSERVE) is not None and message.code.is_success
        if observes or exchange.stays:
            self._taken.observed(exchange, stays=observes)
        return exchange.sealed(datagram, outer.encode())

    def challenge(self, message: Message, binding: RequestBinding, echo: bytes) -> bytes:
        """The answer to an authentic request that may be old: 4.01 with an Echo, under a nonce of our own.

        Raises `OscoreError` EXHAUSTED.
        """
        answer = response_to(message, Code.UNAUTHORIZED, ((int(Option.ECHO), echo),))
        return protect_response(answer, self.context, binding, own_iv=True).encode()

    def forget_before(self, moment: float) -> None:
        """Forget exchanges that are older."""
        self._asked.forget_before(moment)
        self._taken.forget_before(moment)


def response_to(
    message: Message, code: Code, options: tuple[tuple[int, bytes], ...] = (), payload: bytes = b""
) -> Message:
    """The answer of a channel itself: in the acknowledgement, or, non-confirmable, under the request's Message ID.

    That one is ours to choose; nothing is kept of it, so the same one for a repeated request is as good as any.
    """
    confirmable = message.type is MessageType.CON
    return Message(
        MessageType.ACK if confirmable else MessageType.NON, code, message.mid, message.token, options, payload
    )
