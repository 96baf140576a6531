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
from secure_coap.engine.client_role import ClientRole, Reception
from secure_coap.engine.conversation import conversation_of
from secure_coap.engine.datagram_server import RESET, DatagramServer
from secure_coap.engine.events import Event
from secure_coap.engine.incoming import Incoming
from secure_coap.engine.link import Link
from secure_coap.engine.proof import AddressProof
from secure_coap.engine.rng import Rng
from secure_coap.engine.shared import Shared
from secure_coap.engine.transmission import Transmission
from secure_coap.errors import MessageFormatError, TransportError
from secure_coap.exchange import Request, Response
from secure_coap.limits import Limits
from secure_coap.message import HEADER, Message, MessageType, decode
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option
from secure_coap.numbers.parameters import TransmissionParameters


class Engine:
    """Both roles of all associations. `now` is seconds of any monotonic clock, the same in every call.

    `proof` is given where the peers' addresses are unproven. `claim` is asked to adopt the observation of a
    notification whose token is not known, before it is rejected.
    """

    def __init__(
        self,
        *,
        rng: Rng,
        parameters: TransmissionParameters,
        limits: Limits,
        proof: AddressProof | None = None,
        counters: Counters | None = None,
        claim: Callable[[Link, bytes], None] | None = None,
    ) -> None:
        self.counters = counters or Counters()
        self.budget = BodyBudget(limits.bodies_total)
        self._shared = Shared(parameters, limits, rng, self.counters, self.budget, claim=claim)
        self.outbox = self._shared.outbox
        self.events: list[Event] = self._shared.events
        timers = self._shared.timers
        self._answers = Answers(parameters.exchange_lifetime, limits, timers, self.counters)
        self._server = DatagramServer(self._shared, self._answers, proof)
        self._receive_request = self._server.receive
        self.respond = self._server.respond
        """`respond(incoming, response, now)`: see `DatagramServer`."""
        self._proven = proof is None
        self._links = 0

    # --- associations ---

    def open(self, link: Link) -> None:
        """An association begins."""
        self._links += 1
        link.base = self._links << 16
        link.proven = self._proven

    def close(self, link: Link, error: TransportError) -> None:
        """An association ended: its requests and observations fail with `error`, its memory is given back."""
        link.base = 0
        conversation, link.conversation = link.conversation, None
        if conversation is not None:
            conversation.close(error)

    def is_busy(self, link: Link, now: float) -> bool:
        """Whether closing the association would end anything."""
        if link.deferred:
            return True
        return link.conversation is not None and not link.conversation.is_over(now)

    # --- datagrams ---

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
        reception = Reception.UNKNOWN
        if link.conversation is not None:
            reception = link.conversation.client.receive(message, now)
        if reception is Reception.UNKNOWN and (client := self._claimed(link, message)) is not None:
            reception = client.receive(message, now)
        if reception is Reception.UNKNOWN:
            self.counters.unasked += 1
            return reset
        link.proven = True  # it knows a token it could not guess
        if not confirmable:
            return NOTHING
        return reset if reception is Reception.REJECTED else Message.empty(MessageType.ACK, message.mid).encode()

    def _claimed(self, link: Link, message: Message) -> ClientRole | None:
        """Our side of the association, if the application has just adopted what this notification belongs to."""
        claim = self._shared.claim
        if claim is None or message.value(Option.OBSERVE) is None:
            return None
        claim(link, message.token)
        client = link.conversation.client if link.conversation is not None else None
        return client if client is not None and client.observes(message.token) else None

    # --- requests of peers ---

    def defer(self, incoming: Incoming, now: float) -> None:
        """The answer to a request comes later."""
        self._server.defer(incoming, now)

    def observe(self, incoming: Incoming, now: float) -> bool:
        """Let the peer observe what it asks for; False when it does not ask for it, or observes too much."""
        return self._server.observe(incoming, now)

    def is_observed(self, link: Link, token: bytes) -> bool:
        """Whether the peer observes under `token`."""
        return link.conversation is not None and token in link.conversation.observers

    def notify(self, link: Link, token: bytes, response: Response, now: float, *, confirmable: bool) -> None:
        """Tell an observer a new state; an error is the last thing told. Raises ValueError for what cannot be sent."""
        if link.conversation is not None:
            link.conversation.observers.notify(token, response, now, confirmable=confirmable)

    # --- our requests ---

    def request(self, link: Link, request: Request, now: float, token: bytes | None = None) -> int:
        """Begin a request; its events carry the returned handle.

        With `observe` 0 a success that carries Observe begins an observation under `token`. Raises
        `TooManyOutstanding`, or ValueError for a request that cannot be sent.
        """
        return conversation_of(link, self._shared, now).client.request(request, now, token)

    def cancel(self, link: Link, handle: int, now: float) -> None:
        """Forget a request; no event follows."""
        if link.conversation is not None:
            link.conversation.client.cancel(handle, now)

    def observes(self, link: Link, token: bytes) -> bool:
        """Whether our observation is in force."""
        return link.conversation is not None and link.conversation.client.observes(token)

    def adopt(self, link: Link, token: bytes, request: Request, now: float) -> None:
        """Take up an observation of ours that was begun earlier. Raises `TooManyOutstanding`."""
        conversation_of(link, self._shared, now).client.adopt(token, request)

    def forget(self, link: Link, token: bytes, now: float) -> None:
        """End an observation of ours; the next notification is answered with a Reset."""
        if link.conversation is not None:
            link.conversation.client.forget(token, now)

    # --- time ---

    def next_timer(self) -> float | None:
        """When `timer` must be called, if nothing else happens before."""
        return self._shared.timers.next()

    def timer(self, now: float) -> None:
        """Time has passed."""
        self._shared.timers.run(now)
