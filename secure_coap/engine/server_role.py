"""Requests the peer makes: block-wise assembly, piggybacked and separate responses (RFC 7252 section 5.2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from secure_coap.engine.blocks import Block
from secure_coap.engine.bodies import Body, ReceivedBodies, ServedBodies
from secure_coap.engine.budget import BodyBudget
from secure_coap.engine.events import Event, RequestArrived
from secure_coap.engine.messages import Draft, MessageLayer
from secure_coap.engine.options import block_of, first, in_order, request_of, response_options, transfer_key, understood
from secure_coap.engine.proof import AMPLIFICATION, AddressProof
from secure_coap.errors import BadOption, CoapError, RequestEntityIncomplete, RequestEntityTooLarge, TooManyRequests
from secure_coap.exchange import RawOptions, Response
from secure_coap.limits import Limits
from secure_coap.message import Message, MessageType, encode_uint
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option
from secure_coap.numbers.parameters import TransmissionParameters

_SAFE: Final = frozenset((Code.GET, Code.FETCH))


@dataclass(slots=True)
class _Open:
    """A request message that waits for its response; `ack_at` is None once it is acknowledged."""

    message: Message
    received_bytes: int
    ack_at: float | None
    block1: Block | None = None
    block2: Block | None = None


class ServerRole:
    """All requests of one peer."""

    def __init__(
        self,
        messages: MessageLayer,
        *,
        parameters: TransmissionParameters,
        limits: Limits,
        budget: BodyBudget,
        events: list[Event],
        proof: AddressProof | None,
    ) -> None:
        self._messages = messages
        self._ack_after = parameters.ack_timeout / 2
        self._limits = limits
        self._events = events
        self._proof = proof
        self._received = ReceivedBodies(limits, budget)
        self._served = ServedBodies(limits, budget)
        self._open: dict[int, _Open] = {}
        self._next_exchange = 0

    @property
    def idle(self) -> bool:
        """No request in progress."""
        return not self._open

    def proven(self) -> None:
        """The peer showed that it receives at its address."""
        self._proof = None

    def receive(self, message: Message, received_bytes: int, now: float) -> None:
        """A new request message of `received_bytes` on the wire."""
        confirmable = message.type is MessageType.CON
        entry = _Open(message, received_bytes, now + self._ack_after if confirmable else None)
        try:
            self._dispatch(replace(message, options=understood(message.options)), entry, now)
        except BadOption as error:
            if confirmable:
                self._send_error(entry, error, now)
            else:  # section 5.4.1
                self._messages.reset(message.mid)
        except CoapError as error:
            self._send_error(entry, error, now)

    def _dispatch(self, message: Message, entry: _Open, now: float) -> None:
        self._check_echo(message, now)
        entry.message = message
        entry.block1 = block_of(message.options, Option.BLOCK1)
        entry.block2 = block_of(message.options, Option.BLOCK2)
        if entry.block2 is not None and entry.block2.number > 0 and entry.block1 is None:
            if self._proof is not None:
                self._send(entry, self._challenge(self._proof, now), now)
                return
            further = self._served.more(transfer_key(message), entry.block2, now)
            if further is not None:
                self._send(entry, further, now)
                return
            if message.code not in _SAFE:
                raise RequestEntityIncomplete("that response is no longer kept: repeat the request")
        payload = self._whole_payload(message, entry, now)
        if payload is not None:
            self._hand_up(message, payload, entry)

    def _check_echo(self, message: Message, now: float) -> None:
        echo = first(message.options, Option.ECHO)
        if self._proof is not None and echo is not None and self._proof.accepts(echo, now):
            self.proven()

    def _whole_payload(self, message: Message, entry: _Open, now: float) -> bytes | None:
        """The request's body; None when further blocks were asked for instead."""
        if entry.block1 is None:
            if len(message.payload) > self._limits.max_body:
                raise RequestEntityTooLarge(f"at most {self._limits.max_body} bytes")
            return message.payload
        key = transfer_key(message)
        body = self._received.add(key, entry.block1, message.options, message.payload, now)
        if body is None:
            self._send(entry, Body(Code.CONTINUE, (), b""), now)
        return body

    def _hand_up(self, message: Message, payload: bytes, entry: _Open) -> None:
        if len(self._open) >= self._limits.concurrent_handlers:
            raise TooManyRequests("too many requests in progress", max_age=1)
        confirmable = message.type is MessageType.CON
        request = request_of(message.code, message.options, payload, confirmable=confirmable)
        self._next_exchange += 1
        self._open[self._next_exchange] = entry
        self._events.append(RequestArrived(self._next_exchange, request))

    # --- responses ---

    def respond(self, exchange: int, response: Response, now: float) -> None:
        """Send the response to request `exchange`. One that is gone (association closed) is ignored.

        Raises ValueError for a response that cannot be sent; the request then still waits for another one.
        """
        if exchange not in self._open:
            return
        body = Body(response.code, response_options(response), response.payload, response.download)
        entry = self._open.pop(exchange)
        try:
            message = self._served.begin(transfer_key(entry.message), body, entry.block2, now)
        except CoapError as error:
            self._send_error(entry, error, now)
        else:
            self._send(entry, message, now)

    def _send_error(self, entry: _Open, error: CoapError, now: float) -> None:
        response = Response.of_error(error)
        options = response_options(response)
        if error.code == Code.REQUEST_ENTITY_TOO_LARGE:  # RFC 7959 section 2.9.3
            options = in_order((*options, (int(Option.SIZE1), encode_uint(self._limits.max_body))))
        self._send(entry, Body(response.code, options, response.payload), now)

    def _send(self, entry: _Open, body: Body, now: float) -> None:
        body = self._within_amplification(entry, replace(body, options=self._with_block1(entry, body)), now)
        message = entry.message
        draft = Draft(body.code, message.token, body.options, body.payload)
        if message.type is MessageType.NON:
            self._messages.answer_once(message.mid, draft, now)
        elif entry.ack_at is None:
            self._messages.send_confirmable(draft, now)
        else:
            self._messages.answer(message.mid, draft.message(MessageType.ACK, message.mid))

    def _with_block1(self, entry: _Open, body: Body) -> RawOptions:
        """Every response to a block names that block; M is set while more are expected (RFC 7959 section 2.3)."""
        if entry.block1 is None:
            return body.options
        exponent = min(entry.block1.exponent, self._limits.block_exponent)
        block = Block(entry.block1.number, body.code == Code.CONTINUE, exponent)
        return in_order((*body.options, (int(Option.BLOCK1), block.encode())))

    def _within_amplification(self, entry: _Open, body: Body, now: float) -> Body:
        """Three times the request for an unproven address: else an Echo challenge, or the code without its payload.

        Only a safe request may be asked for again; an answer to any other must not hide that it was carried out.
        """
        if self._proof is None:
            return body
        message = Message(MessageType.ACK, body.code, 0, entry.message.token, body.options, body.payload)
        if len(message.encode()) <= AMPLIFICATION * entry.received_bytes:
            return body
        if entry.message.code in _SAFE:
            return self._challenge(self._proof, now)
        return Body(body.code, tuple(option for option in body.options if option[0] in _KEPT_UNPROVEN), b"")

    @staticmethod
    def _challenge(proof: AddressProof, now: float) -> Body:
        return Body(Code.UNAUTHORIZED, ((int(Option.ECHO), proof.challenge(now)),), b"")

    # --- time ---

    def next_timer(self) -> float | None:
        """When an acknowledgement is due or a transfer expires."""
        due = [entry.ack_at for entry in self._open.values() if entry.ack_at is not None]
        due += [when for when in (self._received.next_timer(), self._served.next_timer()) if when is not None]
        return min(due, default=None)

    def timer(self, now: float) -> None:
        """Acknowledge slow requests before the peer repeats them; expire transfers."""
        for entry in self._open.values():
            if entry.ack_at is not None and entry.ack_at <= now:
                entry.ack_at = None
                self._messages.acknowledge(entry.message.mid)
        self._received.expire(now)
        self._served.expire(now)

    def clear(self) -> None:
        """The association ended."""
        self._open.clear()
        self._received.clear()
        self._served.clear()


_KEPT_UNPROVEN: Final = frozenset((Option.LOCATION_PATH, Option.BLOCK1))
