"""Requests over datagrams: deduplication, piggybacked and separate answers, unproven addresses (RFC 7252 4 and 5.2)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from secure_coap.engine.answers import NOTHING, Answers
from secure_coap.engine.conversation import conversation_of
from secure_coap.engine.incoming import Incoming, Stage
from secure_coap.engine.link import Link
from secure_coap.engine.options import read_request, response_options
from secure_coap.engine.proof import AMPLIFICATION, AddressProof
from secure_coap.engine.sender import Outgoing
from secure_coap.engine.server_role import SAFE, ServerRole
from secure_coap.engine.shared import Shared
from secure_coap.errors import BadOption, CoapError, MessageFormatError
from secure_coap.exchange import Response
from secure_coap.message import HEADER, MAX_TOKEN, VERSION_1, MessageType, decode_body, encode_body
from secure_coap.numbers.codes import CODES, Code
from secure_coap.numbers.options import Option

_NEW: Final = Stage.NEW
_DEFERRED: Final = Stage.DEFERRED
_ANSWERED: Final = Stage.ANSWERED
_NON: Final = MessageType.NON << 4
_LONGEST_HEAD: Final = HEADER + MAX_TOKEN
_ACK_HEADS: Final = tuple(
    tuple(bytes((VERSION_1 | MessageType.ACK << 4 | token_length, code)) for code in range(0x100))
    for token_length in range(MAX_TOKEN + 1)
)
"""The first two bytes of every acknowledgement, by token length and code."""
_EMPTY_ACK: Final = _ACK_HEADS[0][0]
RESET: Final = bytes((VERSION_1 | MessageType.RST << 4, 0))
"""The first two bytes of a Reset."""
_COMPUTED_AGAIN: Final = 256
"""Bytes beyond which the answer to a safe request is not remembered."""
_KEPT_UNPROVEN: Final = frozenset((Option.LOCATION_PATH, Option.BLOCK1))


class DatagramServer(ServerRole):
    """`proof` is given where addresses are unproven."""

    def __init__(self, shared: Shared, answers: Answers, proof: AddressProof | None) -> None:
        super().__init__(shared)
        self._answers = answers
        self._known = answers.table
        self._outbox = shared.outbox
        self._proof = proof
        self._block_size = 16 << shared.limits.block_exponent
        self._ack_after = shared.parameters.ack_timeout / 2
        self._to_acknowledge: OrderedDict[Incoming, float] = OrderedDict()
        self._will_acknowledge = False

    # --- requests ---

    def receive(self, link: Link, datagram: bytes, now: float) -> Incoming | None:
        """A request message. It is returned if the application is to answer it."""
        key = link.base | datagram[2] << 8 | datagram[3]
        answer = self._known.get(key)
        if answer is not None:
            self._repeat(link, answer)
            return None
        start = HEADER + (datagram[0] & 15)
        incoming = Incoming(link, key, datagram, start)
        try:
            if start > _LONGEST_HEAD or start > len(datagram):
                return self._reject_malformed(link, datagram)
            confirmable = not datagram[0] & _NON
            incoming.request, transfer = read_request(CODES[datagram[1]], datagram, start, confirmable=confirmable)
            if not self._admit(incoming, incoming.request, transfer, now):
                return None
        except MessageFormatError:
            return self._reject_malformed(link, datagram)
        except CoapError as error:
            return self._refused(incoming, error, now)
        request = incoming.request
        incoming.simple = confirmable and not (transfer or request.options or request.observe is not None)
        return incoming

    def _repeat(self, link: Link, answer: bytes) -> None:
        self._shared.counters.duplicates += 1
        if answer:
            self._outbox.append((link, answer))

    def _reject_malformed(self, link: Link, datagram: bytes) -> Incoming | None:
        """A confirmable one is rejected with a Reset, any other ignored (section 4.2)."""
        self._shared.counters.malformed += 1
        if not datagram[0] & _NON:
            self._outbox.append((link, RESET + datagram[2:HEADER]))
        return None

    def _refused(self, incoming: Incoming, error: CoapError, now: float) -> Incoming | None:
        self._shared.counters.refused += 1
        if isinstance(error, BadOption) and not incoming.is_confirmable:  # section 5.4.1
            answer = RESET + incoming.datagram[2:HEADER]
            self._outbox.append((incoming.link, answer))
            self._remember(incoming, answer, now)
        else:
            self.refuse(incoming, error, now)
        return None

    def _prove(self, incoming: Incoming, echo: bytes, now: float) -> None:
        if self._proof is not None and self._proof.accepts(echo, incoming.link.remote, now):
            incoming.link.proven = True

    def _withhold(self, incoming: Incoming, now: float) -> bool:
        if incoming.link.proven or self._proof is None:
            return False
        self._deliver_encoded(incoming, Code.UNAUTHORIZED, self._challenge(self._proof, incoming, now), now)
        return True

    def _challenge(self, proof: AddressProof, incoming: Incoming, now: float) -> bytes:
        """The options of a 4.01; none for a request of four bytes, which is too short to be answered with an Echo."""
        self._shared.counters.unverified += 1
        body = encode_body(((int(Option.ECHO), proof.challenge(incoming.link.remote, now)),), b"")
        return body if incoming.start + len(body) <= AMPLIFICATION * len(incoming.datagram) else b""

    # --- later ---

    def defer(self, incoming: Incoming, now: float) -> None:
        """The application answers later: acknowledge before the peer repeats itself."""
        incoming.stage = _DEFERRED
        incoming.link.deferred += 1
        self._answers.keep(incoming.link, incoming.key, NOTHING, now)
        if incoming.is_confirmable:
            self._to_acknowledge[incoming] = due = now + self._ack_after
            if not self._will_acknowledge:
                self._will_acknowledge = True
                self._shared.timers.at(due, self._acknowledge)

    def _acknowledge(self, now: float) -> None:
        """All wait equally long, so they stand in line; who is answered leaves it."""
        waiting = self._to_acknowledge
        self._will_acknowledge = False
        while waiting:
            incoming, due = next(iter(waiting.items()))
            if due > now:
                self._will_acknowledge = True
                self._shared.timers.at(due, self._acknowledge)
                return
            del waiting[incoming]
            # An unproven address gets one answer to each datagram; a separate one would be repeated.
            if incoming.link.base and incoming.link.proven:
                self._acknowledge_only(incoming, now)
                incoming.stage = Stage.ACKNOWLEDGED

    def _no_longer_deferred(self, incoming: Incoming) -> None:
        incoming.link.deferred -= 1
        self._to_acknowledge.pop(incoming, None)

    # --- answers ---

    def respond(self, incoming: Incoming, response: Response, now: float) -> None:
        """Send the application's response. Raises ValueError for one that cannot be sent."""
        link, datagram, start = incoming.link, incoming.datagram, incoming.start
        stage = incoming.stage
        if incoming.simple and stage <= _DEFERRED and len(response.payload) <= self._block_size and link.base:
            body = encode_body(response_options(response), response.payload)
            answer = _ACK_HEADS[start - HEADER][response.code] + datagram[2:start] + body
            if link.proven or len(answer) <= AMPLIFICATION * len(datagram):
                self._outbox.append((link, answer))
                self._remember(incoming, answer, now)
                if stage:
                    self._no_longer_deferred(incoming)
                incoming.stage = _ANSWERED
                if response.download is not None:
                    response.download.sent = len(response.payload)
                return
        super().respond(incoming, response, now)

    def _deliver_encoded(self, incoming: Incoming, code: Code, body: bytes, now: float) -> None:
        link, datagram, start, stage = incoming.link, incoming.datagram, incoming.start, incoming.stage
        if not link.proven and start + len(body) > AMPLIFICATION * len(datagram):
            code, body = self._small(incoming, code, body, now)
        if stage is Stage.ACKNOWLEDGED:
            sender = conversation_of(link, self._shared, now).sender
            sender.send(Outgoing(code, incoming.token, body, None), now, confirmable=True)
        elif datagram[0] & _NON:
            message = Outgoing(code, incoming.token, body, None)
            conversation_of(link, self._shared, now).sender.send(message, now, confirmable=False)
            self._remember(incoming, message.datagram, now)
        else:
            answer = _ACK_HEADS[start - HEADER][code] + datagram[2:start] + body
            self._outbox.append((link, answer))
            self._remember(incoming, answer, now)
        if stage:
            self._no_longer_deferred(incoming)
        incoming.stage = Stage.ANSWERED

    def _stay_silent(self, incoming: Incoming, now: float) -> None:
        if not incoming.is_confirmable:
            self._remember(incoming, NOTHING, now)
        elif incoming.stage is not Stage.ACKNOWLEDGED:
            self._acknowledge_only(incoming, now)
        if incoming.stage:
            self._no_longer_deferred(incoming)
        incoming.stage = Stage.ANSWERED

    def _acknowledge_only(self, incoming: Incoming, now: float) -> None:
        answer = _EMPTY_ACK + incoming.datagram[2:HEADER]
        self._outbox.append((incoming.link, answer))
        self._remember(incoming, answer, now)

    def _remember(self, incoming: Incoming, answer: bytes, now: float) -> None:
        """A large answer to a safe request is not kept: should the request come again, it runs again (section 4.5)."""
        link, datagram = incoming.link, incoming.datagram
        if len(answer) > _COMPUTED_AGAIN and datagram[1] in SAFE:
            self._answers.drop(incoming.key)
        elif incoming.stage is _NEW:
            self._answers.keep(link, incoming.key, answer, now)
        else:
            self._answers.answer(link, incoming.key, answer)

    def _small(self, incoming: Incoming, code: Code, body: bytes, now: float) -> tuple[Code, bytes]:
        """Three times the request for an unproven address: else an Echo challenge, or the code without its payload.

        Only a safe request may be asked for again; an answer to any other must not hide that it was carried out.
        """
        if self._proof is None:
            return code, body
        if incoming.datagram[1] in SAFE:
            return Code.UNAUTHORIZED, self._challenge(self._proof, incoming, now)
        self._shared.counters.unverified += 1
        options, _ = decode_body(body, 0)
        return code, encode_body([option for option in options if option[0] in _KEPT_UNPROVEN], b"")

    def _whole_body(self, incoming: Incoming) -> int:
        return self._block_size
