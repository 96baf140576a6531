"""Requests we make: tokens, responses piggybacked or separate, transfers (RFC 7252 sections 5.2 and 5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from secure_coap.engine.events import Event, RequestFailed, ResponseArrived
from secure_coap.engine.messages import Draft, MessageLayer, Signal
from secure_coap.engine.options import understood
from secure_coap.engine.outgoing import Answer, OutgoingTransfer, Step
from secure_coap.engine.rng import Rng
from secure_coap.errors import (
    CoapError,
    RequestTimeout,
    ResponseRejected,
    TooManyOutstanding,
    TransportError,
)
from secure_coap.exchange import Request, Response
from secure_coap.limits import Limits
from secure_coap.message import Message, MessageType

TOKEN_BYTES: Final = 8  # security rule 28
_TAG_BYTES: Final = 8


@dataclass(slots=True)
class _Open:
    """A request without its whole response yet; `deadline` runs from the acknowledgement of its last message."""

    handle: int
    transfer: OutgoingTransfer
    deadline: float | None = None


class ClientRole:
    """All our requests to one peer."""

    def __init__(self, messages: MessageLayer, limits: Limits, rng: Rng, events: list[Event]) -> None:
        self._messages = messages
        self._limits = limits
        self._rng = rng
        self._events = events
        self._open: dict[bytes, _Open] = {}
        self._next_handle = 0

    @property
    def idle(self) -> bool:
        """No request outstanding."""
        return not self._open

    def request(self, request: Request, now: float) -> int:
        """Begin a request and number it. Raises `TooManyOutstanding`."""
        if self._messages.queue_is_full:
            raise TooManyOutstanding("too many requests wait for this peer: wait for some of them first")
        transfer = OutgoingTransfer(
            request,
            max_body=self._limits.max_body,
            exponent=self._limits.block_exponent,
            tag=self._rng.randbytes(_TAG_BYTES),
        )
        self._next_handle += 1
        self._send(_Open(self._next_handle, transfer), transfer.first_step(), now)
        return self._next_handle

    def cancel(self, handle: int, now: float) -> None:
        """Forget a request; a late response is rejected like any unknown one."""
        for token in [token for token, entry in self._open.items() if entry.handle == handle]:
            del self._open[token]
            self._messages.forget(token, now)

    def fail_all(self, error: TransportError) -> None:
        """The association ended."""
        for entry in self._open.values():
            self._events.append(RequestFailed(entry.handle, error))
        self._open.clear()

    def receive(self, message: Message, now: float) -> bool:
        """A response: in an acknowledgement, or on its own. Whether it carries a token of ours."""
        entry = self._open.get(message.token)
        if entry is None:
            if message.type is not MessageType.ACK:
                self._messages.reset(message.mid)
            return False
        try:
            answer = Answer(message.code, understood(message.options), message.payload)
        except CoapError as error:
            self._reject(message)
            self._fail(message.token, ResponseRejected(str(error)), now)
            return True
        if message.type is MessageType.CON:
            self._messages.acknowledge(message.mid)
        self._advance(message.token, entry, answer, now)
        return True

    def _reject(self, message: Message) -> None:
        if message.type is MessageType.CON:
            self._messages.reset(message.mid)

    def _advance(self, token: bytes, entry: _Open, answer: Answer, now: float) -> None:
        try:
            result = entry.transfer.next_step(answer)
        except TransportError as error:
            self._fail(token, error, now)
            return
        except CoapError as error:  # a malformed Block option
            self._fail(token, ResponseRejected(str(error)), now)
            return
        del self._open[token]
        self._messages.forget(token, now)
        if isinstance(result, Response):
            self._events.append(ResponseArrived(entry.handle, result))
        else:
            self._send(entry, result, now)

    def _send(self, entry: _Open, step: Step, now: float) -> None:
        token = self._rng.randbytes(TOKEN_BYTES)
        entry.deadline = None
        self._open[token] = entry
        self._messages.send_confirmable(Draft(step.code, token, step.options, step.payload), now)

    def signal(self, token: bytes, signal: Signal, now: float) -> None:
        """The message layer's word about a request message."""
        entry = self._open.get(token)
        if entry is None:
            return
        if signal is Signal.ACKNOWLEDGED:
            entry.deadline = now + self._limits.response_wait
        elif signal is Signal.RESET:
            self._fail(token, ResponseRejected("the peer answered with a Reset"), now)
        else:
            self._fail(token, RequestTimeout("no acknowledgement after all retransmissions"), now)

    def _fail(self, token: bytes, error: TransportError, now: float) -> None:
        entry = self._open.pop(token)
        self._messages.forget(token, now)
        self._events.append(RequestFailed(entry.handle, error))

    def next_timer(self) -> float | None:
        """When the first separate response is overdue."""
        return min((entry.deadline for entry in self._open.values() if entry.deadline is not None), default=None)

    def timer(self, now: float) -> None:
        """Fail what waited too long for its separate response."""
        for token, entry in list(self._open.items()):
            if entry.deadline is not None and entry.deadline <= now:
                self._fail(token, RequestTimeout("acknowledged, but no response followed"), now)
