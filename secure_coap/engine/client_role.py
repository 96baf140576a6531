"""Requests we make: tokens, responses piggybacked or separate, transfers, notifications (RFC 7252 5.2, RFC 7641 3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from typing import Final

from secure_coap.engine.events import Notified, RequestFailed, ResponseArrived
from secure_coap.engine.link import Link
from secure_coap.engine.observations import Observations
from secure_coap.engine.options import first, understood
from secure_coap.engine.outgoing import Answer, OutgoingTransfer, Step
from secure_coap.engine.sender import Outgoing, Sender, Signal
from secure_coap.engine.shared import Shared
from secure_coap.errors import (
    CoapError,
    RequestTimeout,
    ResponseRejected,
    TooManyOutstanding,
    TransportError,
)
from secure_coap.exchange import Request, Response
from secure_coap.message import Message, MessageType, decode_uint
from secure_coap.numbers.options import Option

TOKEN_BYTES: Final = 8  # security rule 28
BOUND_TOKEN_BYTES: Final = 1
"""Where the channel binds responses to requests (OSCORE), tokens only tell apart what is outstanding (RFC 9175 4.2)."""
OBSERVATION_TOKEN_BYTES: Final = 4
"""At least: an observation may go on over an association in which a request has a short token just then."""
_TAG_BYTES: Final = 8


class Reception(Enum):
    """What became of a response message; over datagrams it decides between acknowledgement and Reset."""

    ACCEPTED = auto()
    REJECTED = auto()
    UNKNOWN = auto()


@dataclass(slots=True, eq=False)
class _Open:
    """A request without its whole response yet; `deadline` runs from the acknowledgement of its last message, `sent`.

    `handle` is None where the request reads the further blocks of a notification. `token` is the observation's.
    """

    request: Request
    transfer: OutgoingTransfer
    handle: int | None = None
    token: bytes = b""
    deadline: float | None = None
    sent: Outgoing | None = None


class ClientRole:
    """All our requests to one peer."""

    def __init__(self, link: Link, sender: Sender, shared: Shared) -> None:
        self._link = link
        self._sender = sender
        self._shared = shared
        self._open: dict[bytes, _Open] = {}
        self._all_answered = True
        self._observations = Observations(shared.limits, ordered=not sender.confirms)

    @property
    def idle(self) -> bool:
        """No request outstanding and nothing observed."""
        return not self._open and not self._observations

    def request(self, request: Request, now: float, token: bytes | None = None) -> int:
        """Begin a request and number it. Raises `TooManyOutstanding`, or ValueError for what cannot be sent."""
        if self._sender.queue_is_full:
            raise TooManyOutstanding("too many requests wait for this peer: wait for some of them first")
        token = token or self.new_token(OBSERVATION_TOKEN_BYTES if request.observe == 0 else 0)
        if request.observe == 0 and token not in self._observations:
            self._observations.check_room()
        transfer = self._transfer(request)
        self._shared.handles += 1
        self._send(_Open(request, transfer, self._shared.handles, token), transfer.first_step(), now)
        return self._shared.handles

    def new_token(self, at_least: int = 0) -> bytes:
        """A random one that nothing has, of the usual length or a greater one.

        Where the channel binds responses, the only request has the empty one (RFC 7252 5.3.1), unless an earlier one
        was given up: the peer may still be working on it.
        """
        if self._shared.token_bytes == BOUND_TOKEN_BYTES and self._all_answered and not (at_least or self._open):
            return b""
        while True:
            token = self._shared.rng.randbytes(max(at_least, self._shared.token_bytes))
            if token not in self._open and token not in self._observations:
                return token

    def _transfer(self, request: Request) -> OutgoingTransfer:
        return OutgoingTransfer(
            request,
            max_body=self._shared.limits.max_body,
            exponent=self._sender.block_exponent,
            whole=self._sender.whole_body,
            bert=not self._sender.confirms,
            tag=self._shared.rng.randbytes(_TAG_BYTES),
        )

    def cancel(self, handle: int, now: float) -> None:
        """Forget a request; a late response is rejected like any unknown one."""
        for entry in [entry for entry in self._open.values() if entry.handle == handle]:
            self._all_answered = False
            self._observations.forget(entry.token)
            self._close(entry, now)

    def fail_all(self, error: TransportError) -> None:
        """The association ended."""
        for entry in self._open.values():
            if entry.handle is not None:
                self._shared.events.append(RequestFailed(entry.handle, error))
        self._open.clear()
        ended = [Notified(self._link, token, error, ended=True) for token in self._observations.clear()]
        self._shared.events += ended

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
        for entry in [entry for entry in self._open.values() if entry.handle is None and entry.token == observation]:
            self._close(entry, now)

    def _begin_observation(self, token: bytes, entry: _Open, answer: Answer, now: float) -> None:
        """The response that says so begins the observation (section 3.1)."""
        number = first(answer.options, Option.OBSERVE)
        if entry.request.observe == 0 and entry.token == token and number is not None and answer.code.is_success:
            self._observations.begin(token, replace(entry.request, observe=None))
            self._observations.is_news(token, decode_uint(number), now)

    def _notified(self, token: bytes, answer: Answer | ResponseRejected, now: float) -> Reception:
        if isinstance(answer, ResponseRejected):
            self._observations.forget(token)
            self._shared.events.append(Notified(self._link, token, answer, ended=True))
            return Reception.REJECTED
        number = first(answer.options, Option.OBSERVE)
        if number is not None and not self._observations.is_news(token, decode_uint(number), now):
            self._shared.counters.stale += 1
            return Reception.ACCEPTED
        self._stop_reading(token, now)
        request = self._observations.request(token)
        if number is None or not answer.code.is_success:  # the last one (section 3.2)
            self._observations.forget(token)
        self._advance(_Open(request, self._transfer(request), token=token), answer, now)
        return Reception.ACCEPTED

    # --- responses ---

    def receive(self, message: Message, now: float) -> Reception:
        """A response: in an acknowledgement, or on its own."""
        token, unasked = message.token, message.type is not MessageType.ACK
        entry = self._open.get(token)
        if entry is not None and not (unasked and _is_late_notification(message, entry)):
            answer = _understood(message)
            if isinstance(answer, ResponseRejected):
                self._fail(entry, answer, now)
                return Reception.REJECTED
            self._begin_observation(token, entry, answer, now)
            self._advance(entry, answer, now)
            return Reception.ACCEPTED
        if unasked and token in self._observations:
            return self._notified(token, _understood(message), now)
        return Reception.UNKNOWN

    def _advance(self, entry: _Open, answer: Answer, now: float) -> None:
        try:
            result = entry.transfer.next_step(answer)
        except TransportError as error:
            self._fail(entry, error, now)
            return
        except CoapError as error:  # a malformed Block option
            self._fail(entry, ResponseRejected(str(error)), now)
            return
        self._close(entry, now)
        if isinstance(result, Response):
            self._report(entry, result)
        else:
            self._send(entry, result, now)

    def _close(self, entry: _Open, now: float) -> None:
        """Its last message has done its service."""
        if entry.sent is not None:
            self._open.pop(entry.sent.token, None)
            self._sender.forget(entry.sent, now)
            entry.sent, entry.deadline = None, None

    def _send(self, entry: _Open, step: Step, now: float) -> None:
        """Every message has a new token, except that those which ask for the observation carry the observation's."""
        token = entry.token if step.observes else self.new_token()
        entry.sent = Outgoing(step.code, token, step.body, partial(self._signal, entry))
        self._open[token] = entry
        confirmable = entry.request.confirmable and self._sender.confirms
        if not confirmable:
            self._set_deadline(entry, now)
        self._sender.send(entry.sent, now, confirmable=confirmable)

    def _signal(self, entry: _Open, signal: Signal, now: float) -> None:
        """What became of a request message other than a response."""
        if signal is Signal.ACKNOWLEDGED:
            self._set_deadline(entry, now)
        elif signal is Signal.RESET:
            self._fail(entry, ResponseRejected("the peer answered with a Reset"), now)
        else:
            self._fail(entry, RequestTimeout("no acknowledgement after all retransmissions"), now)

    def _set_deadline(self, entry: _Open, now: float) -> None:
        entry.deadline = now + self._shared.limits.response_wait
        self._shared.timers.at(entry.deadline, partial(self._overdue, entry))

    def _overdue(self, entry: _Open, now: float) -> None:
        if entry.deadline is not None and entry.deadline <= now:
            self._fail(entry, RequestTimeout("no response in time"), now)

    def _fail(self, entry: _Open, error: TransportError, now: float) -> None:
        self._all_answered = False
        self._close(entry, now)
        if entry.handle is not None:
            self._observations.forget(entry.token)
        self._report(entry, error)

    def _report(self, entry: _Open, outcome: Response | TransportError) -> None:
        events = self._shared.events
        if entry.handle is None:
            events.append(Notified(self._link, entry.token, outcome, ended=entry.token not in self._observations))
        elif isinstance(outcome, Response):
            events.append(ResponseArrived(entry.handle, outcome))
        else:
            events.append(RequestFailed(entry.handle, outcome))


def _understood(message: Message) -> Answer | ResponseRejected:
    try:
        return Answer(message.code, understood(message.options), message.payload)
    except CoapError as error:
        return ResponseRejected(str(error))


def _is_late_notification(message: Message, entry: _Open) -> bool:
    """It shares its token with the request that cancels the observation (RFC 7641 section 3.6)."""
    return entry.request.observe == 1 and message.value(Option.OBSERVE) is not None
