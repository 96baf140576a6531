"""Requests we make: tokens, responses piggybacked or separate, transfers, notifications (RFC 7252 5.2, RFC 7641 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from secure_coap.engine.events import Event, Notified, RequestFailed, ResponseArrived
from secure_coap.engine.messages import Draft, MessageLayer, Signal
from secure_coap.engine.observations import Observations
from secure_coap.engine.options import first, understood
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
from secure_coap.message import Message, MessageType, decode_uint
from secure_coap.numbers.options import Option

TOKEN_BYTES: Final = 8  # security rule 28
_TAG_BYTES: Final = 8


@dataclass(slots=True)
class _Open:
    """A request without its whole response yet; `deadline` runs from the acknowledgement of its last message.

    `handle` is None where the request reads the further blocks of a notification. `token` is the observation's.
    """

    request: Request
    transfer: OutgoingTransfer
    handle: int | None = None
    token: bytes = b""
    deadline: float | None = None


class ClientRole:
    """All our requests to one peer."""

    def __init__(self, messages: MessageLayer, limits: Limits, rng: Rng, events: list[Event]) -> None:
        self._messages = messages
        self._limits = limits
        self._rng = rng
        self._events = events
        self._open: dict[bytes, _Open] = {}
        self._observations = Observations(limits)
        self._next_handle = 0

    @property
    def idle(self) -> bool:
        """No request outstanding."""
        return not self._open

    def request(self, request: Request, now: float, token: bytes | None = None) -> int:
        """Begin a request and number it. Raises `TooManyOutstanding`."""
        if self._messages.queue_is_full:
            raise TooManyOutstanding("too many requests wait for this peer: wait for some of them first")
        token = token or self._rng.randbytes(TOKEN_BYTES)
        if request.observe == 0 and token not in self._observations:
            self._observations.check_room()
        transfer = self._transfer(request)
        self._next_handle += 1
        entry = _Open(request, transfer, self._next_handle, token)
        self._send(entry, transfer.first_step(), now)
        return self._next_handle

    def _transfer(self, request: Request) -> OutgoingTransfer:
        return OutgoingTransfer(
            request,
            max_body=self._limits.max_body,
            exponent=self._limits.block_exponent,
            tag=self._rng.randbytes(_TAG_BYTES),
        )

    def cancel(self, handle: int, now: float) -> None:
        """Forget a request; a late response is rejected like any unknown one."""
        for token in [token for token, entry in self._open.items() if entry.handle == handle]:
            self._observations.forget(self._open.pop(token).token)
            self._messages.forget(token, now)

    def fail_all(self, error: TransportError) -> None:
        """The association ended."""
        for entry in self._open.values():
            if entry.handle is not None:
                self._events.append(RequestFailed(entry.handle, error))
        self._open.clear()
        self._events += [Notified(token, error, ended=True) for token in self._observations.clear()]

    # --- observations ---

    def observes(self, token: bytes) -> bool:
        """Whether the observation is in force."""
        return token in self._observations

    def adopt(self, token: bytes, request: Request) -> None:
        """Take up an observation begun earlier. Raises `TooManyOutstanding`."""
        if token not in self._observations:
            self._observations.check_room()
        self._observations.begin(token, replace(request, observe=None))

    def forget(self, token: bytes, now: float) -> None:
        """End an observation without a word; blocks being read for it are read no further."""
        self._observations.forget(token)
        self._stop_reading(token, now)

    def _stop_reading(self, observation: bytes, now: float) -> None:
        for token in [t for t, entry in self._open.items() if entry.handle is None and entry.token == observation]:
            del self._open[token]
            self._messages.forget(token, now)

    def _notified(self, message: Message, now: float) -> None:
        token = message.token
        answer = self._understood(message)
        if isinstance(answer, TransportError):
            self._observations.forget(token)
            self._events.append(Notified(token, answer, ended=True))
            return
        number = first(answer.options, Option.OBSERVE)
        if number is not None and not self._observations.is_news(token, decode_uint(number), now):
            return
        self._stop_reading(token, now)
        request = self._observations.request(token)
        if number is None or not answer.code.is_success:  # the last one (section 3.2)
            self._observations.forget(token)
        entry = _Open(request, self._transfer(request), token=token)
        self._open[token] = entry
        self._advance(token, entry, answer, now)

    def _begin_observation(self, token: bytes, entry: _Open, answer: Answer, now: float) -> None:
        """The response that says so begins the observation (section 3.1)."""
        number = first(answer.options, Option.OBSERVE)
        if entry.request.observe == 0 and entry.token == token and number is not None and answer.code.is_success:
            self._observations.begin(token, replace(entry.request, observe=None))
            self._observations.is_news(token, decode_uint(number), now)

    # --- responses ---

    def receive(self, message: Message, now: float) -> bool:
        """A response: in an acknowledgement, or on its own. Whether it carries a token of ours."""
        entry = self._open.get(message.token)
        if entry is None or (message.type is not MessageType.ACK and self._is_late_notification(message, entry)):
            return self._receive_unasked(message, now)
        answer = self._understood(message)
        if isinstance(answer, TransportError):
            self._fail(message.token, answer, now)
        else:
            self._begin_observation(message.token, entry, answer, now)
            self._advance(message.token, entry, answer, now)
        return True

    @staticmethod
    def _is_late_notification(message: Message, entry: _Open) -> bool:
        """It shares its token with the request that cancels the observation (section 3.6)."""
        return entry.request.observe == 1 and message.value(Option.OBSERVE) is not None

    def _receive_unasked(self, message: Message, now: float) -> bool:
        if message.token in self._observations and message.type is not MessageType.ACK:
            self._notified(message, now)
            return True
        if message.type is not MessageType.ACK:
            self._messages.reset(message.mid)
        return False

    def _understood(self, message: Message) -> Answer | ResponseRejected:
        """Acknowledged if it can be understood, else rejected."""
        try:
            answer = Answer(message.code, understood(message.options), message.payload)
        except CoapError as error:
            if message.type is MessageType.CON:
                self._messages.reset(message.mid)
            return ResponseRejected(str(error))
        if message.type is MessageType.CON:
            self._messages.acknowledge(message.mid)
        return answer

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
            self._report(entry, result)
        else:
            self._send(entry, result, now)

    def _send(self, entry: _Open, step: Step, now: float) -> None:
        """Every message has a new token, except that those which ask for the observation carry the observation's."""
        observes = first(step.options, Option.OBSERVE) is not None
        token = entry.token if observes else self._rng.randbytes(TOKEN_BYTES)
        draft = Draft(step.code, token, step.options, step.payload)
        self._open[token] = entry
        if entry.request.confirmable:
            entry.deadline = None
            self._messages.send_confirmable(draft, now)
        else:
            entry.deadline = now + self._limits.response_wait
            self._messages.send_once(draft, now)

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
        if entry.handle is not None:
            self._observations.forget(entry.token)
        self._report(entry, error)

    def _report(self, entry: _Open, outcome: Response | TransportError) -> None:
        if entry.handle is None:
            self._events.append(Notified(entry.token, outcome, ended=entry.token not in self._observations))
        elif isinstance(outcome, Response):
            self._events.append(ResponseArrived(entry.handle, outcome))
        else:
            self._events.append(RequestFailed(entry.handle, outcome))

    # --- time ---

    def next_timer(self) -> float | None:
        """When the first separate response is overdue."""
        return min((entry.deadline for entry in self._open.values() if entry.deadline is not None), default=None)

    def timer(self, now: float) -> None:
        """Fail what waited too long for its separate response."""
        for token, entry in list(self._open.items()):
            if entry.deadline is not None and entry.deadline <= now:
                self._fail(token, RequestTimeout("no response in time"), now)
