"""The engine of an endpoint over datagrams (RFC 7252, 7641, 7959): one for all its associations.

Feed it datagrams, requests, responses and the time. What goes out is in `outbox`, what happened in `events`; both are
the owner's to empty after every call. Come back at `next_timer()`. It opens no socket, reads no clock and never raises
for anything a peer sends.
"""

from __future__ import annotations

from collections.abc import Callable

from secure_coap.counters import Counters
from secure_coap.engine.answers import NOTHING, Answers
from secure_coap.engine.budget import BodyBudget
from secure_coap.engine.client_role import TOKEN_BYTES, Reception
from secure_coap.engine.datagram_server import RESET, DatagramServer
from secure_coap.engine.incoming import Incoming
from secure_coap.engine.link import Link
from secure_coap.engine.proof import AddressProof
from secure_coap.engine.rng import Rng
from secure_coap.engine.roles import Roles
from secure_coap.engine.shared import Shared
from secure_coap.engine.transmission import Transmission
from secure_coap.errors import MessageFormatError
from secure_coap.limits import Limits
from secure_coap.message import HEADER, Message, MessageType, decode
from secure_coap.numbers.codes import Code
from secure_coap.numbers.parameters import TransmissionParameters


class Engine(Roles):
    """Both roles of all associations. `now` is seconds of any monotonic clock, the same in every call.

    `proof` is given where peers' addresses may be unproven. `claim` is asked to adopt the observation of a
    notification whose token is not known, before it is rejected.
    """

    def __init__(
        self,
        *,
        rng: Rng,
        parameters: TransmissionParameters,
        limits: Limits,
        proof: AddressProof | None = None,
        claim: Callable[[Link, bytes], None] | None = None,
        token_bytes: int = TOKEN_BYTES,
    ) -> None:
        budget = BodyBudget(limits.bodies_total)
        shared = Shared(parameters, limits, rng, Counters(), budget, claim=claim, token_bytes=token_bytes)
        self._answers = Answers(parameters.exchange_lifetime, limits, shared.timers, shared.counters)
        server = DatagramServer(shared, self._answers, proof)
        super().__init__(shared, server)
        self._receive_request = server.receive
        self._proven = proof is None

    def open(self, link: Link) -> None:
        """An association begins."""
        super().open(link)
        link.proven = link.proven or self._proven

    def receive(self, link: Link, datagram: bytes, now: float) -> Incoming | None:
        """A datagram of the peer, already decrypted. A request is returned: answer it by `respond`, or `defer` it."""
        if len(datagram) < HEADER or datagram[0] >> 6 != 1:
            self.counters.malformed += 1
            return None
        if 0 < datagram[1] < 0x20 and not datagram[0] & 0x20:  # a request, confirmable or not
            return self._receive_request(link, datagram, now)
        self._receive_other(link, datagram, now)
        return None

    def _receive_other(self, link: Link, datagram: bytes, now: float) -> None:
        try:
            message = decode(datagram)
        except MessageFormatError as error:
            self.counters.malformed += 1
            if error.reset_mid is not None:
                self.outbox.append((link, RESET + datagram[2:HEADER]))
            return
        if message.type is MessageType.ACK or message.type is MessageType.RST:
            self._receive_answer(link, message, now)
        elif message.code != Code.EMPTY:
            self._receive_new(link, message, now)
        elif message.type is MessageType.CON:  # the CoAP ping of section 4.3
            self.outbox.append((link, RESET + datagram[2:HEADER]))

    def _receive_answer(self, link: Link, message: Message, now: float) -> None:
        """An acknowledgement or a Reset."""
        conversation = link.conversation
        sender = conversation.sender if conversation is not None else None
        known = False
        if conversation is None or not isinstance(sender, Transmission):
            pass
        elif message.code == Code.EMPTY:
            known = (
                sender.was_reset(message.mid, now)
                if message.type is MessageType.RST
                else sender.acknowledged(message.mid, None, now)
            )
        elif message.type is MessageType.ACK and message.code.is_response:
            known = sender.acknowledged(message.mid, message.token, now)
            if known:
                link.proven = True
                conversation.client.receive(message, now)
        if not known:
            self.counters.unasked += 1

    def _receive_new(self, link: Link, message: Message, now: float) -> None:
        """A response that comes on its own, or a code of a reserved class (section 4.2)."""
        key = link.base | message.mid
        first_of_all = len(self.outbox)
        answer = self._answers.table.get(key)
        if answer is None:
            answer = self._answer_to(link, message, now)
            self._answers.keep(link, key, answer, now)
        else:
            self.counters.duplicates += 1
        if answer:
            self.outbox.insert(first_of_all, (link, answer))

    def _answer_to(self, link: Link, message: Message, now: float) -> bytes:
        """Acknowledgement, Reset or nothing."""
        reset = Message.empty(MessageType.RST, message.mid).encode()
        confirmable = message.type is MessageType.CON
        if not message.code.is_response:
            return reset if confirmable else NOTHING
        reception = self._received_by_client(link, message, now)
        if reception is Reception.UNKNOWN:
            self.counters.unasked += 1
            return reset
        link.proven = True  # it knows a token it could not guess
        if not confirmable:
            return NOTHING
        return reset if reception is Reception.REJECTED else Message.empty(MessageType.ACK, message.mid).encode()
