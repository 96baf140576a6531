"""The message layer: confirmable transmission, acknowledgement, deduplication (RFC 7252 section 4).

One instance serves one association. Message IDs are counted per direction: ours when we begin an exchange, the
peer's when it does, so equal numbers in both directions never meet.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from enum import Enum, auto

from secure_coap.engine.message_ids import MessageIds
from secure_coap.engine.rng import Rng
from secure_coap.errors import MessageFormatError
from secure_coap.exchange import RawOptions
from secure_coap.limits import Limits
from secure_coap.message import Message, MessageType, decode
from secure_coap.numbers.codes import Code
from secure_coap.numbers.parameters import TransmissionParameters


class Signal(Enum):
    """What became of a confirmable message other than a piggybacked response."""

    ACKNOWLEDGED = auto()
    RESET = auto()
    TIMED_OUT = auto()


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that has no Message ID yet."""

    code: Code
    token: bytes
    options: RawOptions = ()
    payload: bytes = b""

    def message(self, type_: MessageType, mid: int) -> Message:
        """The finished message."""
        return Message(type_, self.code, mid, self.token, self.options, self.payload)


@dataclass(slots=True)
class _Pending:
    """A confirmable message in the air."""

    token: bytes
    datagram: bytes
    wait: float
    deadline: float
    left: int


@dataclass(slots=True)
class _Seen:
    """A Message ID the peer used: until when to remember it, and what we answered."""

    expires: float
    answer: bytes = b""


class MessageLayer:
    """Sends and receives messages; hands up only what is new."""

    def __init__(self, parameters: TransmissionParameters, limits: Limits, rng: Rng) -> None:
        self._parameters = parameters
        self._limits = limits
        self._rng = rng
        self._mids = MessageIds(int.from_bytes(rng.randbytes(2), "big"), parameters.exchange_lifetime)
        self._pending: dict[int, _Pending] = {}
        self._queue: deque[Draft] = deque()
        self._sent_once: dict[int, bytes] = {}
        self._seen: OrderedDict[int, _Seen] = OrderedDict()
        self._answered: dict[int, None] = {}
        self._answer_bytes = 0
        self.datagrams: list[bytes] = []
        self.signals: list[tuple[bytes, Signal]] = []

    # --- sending ---

    @property
    def queue_is_full(self) -> bool:
        """Whether a new request must be refused. Further blocks and responses are always taken."""
        return len(self._queue) >= self._limits.queued_requests

    @property
    def idle(self) -> bool:
        """Nothing in the air and nothing waiting."""
        return not self._pending and not self._queue

    def send_confirmable(self, draft: Draft, now: float) -> None:
        """Send now, or when NSTART allows (section 4.7)."""
        self._queue.append(draft)
        self._send_queued(now)

    def send_once(self, draft: Draft, now: float) -> None:
        """Send a non-confirmable message; counts as lost when no Message ID is free."""
        if self._mids.free_at(now) <= now:
            mid = self._mids.take(now)
            self._sent_once[mid] = draft.token
            self.datagrams.append(draft.message(MessageType.NON, mid).encode())

    def answer_once(self, mid: int, draft: Draft, now: float) -> None:
        """Answer the non-confirmable message `mid` in kind; counts as lost when no Message ID is free."""
        if self._mids.free_at(now) <= now:
            self.answer(mid, draft.message(MessageType.NON, self._mids.take(now)))

    def answer(self, mid: int, message: Message) -> None:
        """Answer the peer's message `mid`; repeated byte for byte whenever that message is repeated."""
        datagram = message.encode()
        self.datagrams.append(datagram)
        seen = self._seen.get(mid)
        if seen is not None:
            self._remember_answer(mid, seen, datagram)

    def acknowledge(self, mid: int) -> None:
        """Send an Empty acknowledgement."""
        self.answer(mid, Message.empty(MessageType.ACK, mid))

    def reset(self, mid: int) -> None:
        """Reject the peer's message `mid`."""
        self.answer(mid, Message.empty(MessageType.RST, mid))

    def forget(self, token: bytes, now: float) -> None:
        """Stop sending what carries `token`: answered otherwise, or no longer wanted."""
        for mid in [mid for mid, pending in self._pending.items() if pending.token == token]:
            del self._pending[mid]
        for mid in [mid for mid, sent in self._sent_once.items() if sent == token]:
            del self._sent_once[mid]
        self._queue = deque(draft for draft in self._queue if draft.token != token)
        self._send_queued(now)

    def _send_queued(self, now: float) -> None:
        while self._queue and len(self._pending) < self._parameters.nstart and self._mids.free_at(now) <= now:
            self._transmit(self._queue.popleft(), now)

    def _transmit(self, draft: Draft, now: float) -> None:
        factor = 1 + self._rng.random() * (self._parameters.ack_random_factor - 1)
        wait = self._parameters.ack_timeout * factor
        mid = self._mids.take(now)
        datagram = draft.message(MessageType.CON, mid).encode()
        self._pending[mid] = _Pending(draft.token, datagram, wait, now + wait, self._parameters.max_retransmit)
        self.datagrams.append(datagram)

    # --- receiving ---

    def receive(self, datagram: bytes, now: float) -> Message | None:
        """The message in `datagram` if the layer above must act on it: a new request or response."""
        try:
            message = decode(datagram)
        except MessageFormatError as error:
            if error.reset_mid is not None:
                self.reset(error.reset_mid)
            return None
        if message.type in (MessageType.ACK, MessageType.RST):
            return self._receive_answer(message, now)
        return self._receive_new(message, now)

    def _receive_answer(self, message: Message, now: float) -> Message | None:
        if message.type is MessageType.RST and (token := self._sent_once.pop(message.mid, None)) is not None:
            self.signals.append((token, Signal.RESET))
            return None
        pending = self._pending.get(message.mid)
        piggybacked = message.type is MessageType.ACK and message.code.is_response
        if pending is None or not (message.code == Code.EMPTY or (piggybacked and pending.token == message.token)):
            return None
        del self._pending[message.mid]
        self._send_queued(now)
        if piggybacked:
            return message
        signal = Signal.RESET if message.type is MessageType.RST else Signal.ACKNOWLEDGED
        self.signals.append((pending.token, signal))
        return None

    def _receive_new(self, message: Message, now: float) -> Message | None:
        if message.code == Code.EMPTY:
            if message.type is MessageType.CON:  # the CoAP ping of section 4.3
                self.reset(message.mid)
            return None
        seen = self._seen.get(message.mid)
        if seen is not None and seen.expires > now:
            if seen.answer:
                self.datagrams.append(seen.answer)
            return None
        self._remember(message.mid, now)
        if message.code.is_request or message.code.is_response:
            return message
        if message.type is MessageType.CON:  # reserved classes, section 4.2
            self.reset(message.mid)
        return None

    def _remember(self, mid: int, now: float) -> None:
        self._expire_seen(now)
        self._seen.pop(mid, None)
        while len(self._seen) >= self._limits.remembered_messages:
            self._forget_oldest()
        self._seen[mid] = _Seen(now + self._parameters.exchange_lifetime)

    def _remember_answer(self, mid: int, seen: _Seen, datagram: bytes) -> None:
        """Beyond the bound the oldest answers go first; their Message IDs stay, so nothing is acted on twice."""
        self._answer_bytes += len(datagram) - len(seen.answer)
        self._answered[mid] = None
        seen.answer = datagram
        while self._answer_bytes > self._limits.remembered_bytes:
            self._drop_answer(next(iter(self._answered)))

    def _drop_answer(self, mid: int) -> None:
        if mid in self._answered:
            del self._answered[mid]
            self._answer_bytes -= len(self._seen[mid].answer)
            self._seen[mid].answer = b""

    def _expire_seen(self, now: float) -> None:
        while self._seen and next(iter(self._seen.values())).expires <= now:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        mid = next(iter(self._seen))
        self._drop_answer(mid)
        del self._seen[mid]

    # --- time ---

    def next_timer(self, now: float) -> float | None:
        """When `timer` has something to do."""
        deadlines = [pending.deadline for pending in self._pending.values()]
        if self._queue and len(self._pending) < self._parameters.nstart:
            deadlines.append(self._mids.free_at(now))
        if self._seen:
            deadlines.append(next(iter(self._seen.values())).expires)
        return min(deadlines, default=None)

    def timer(self, now: float) -> None:
        """Retransmit, give up, forget."""
        self._expire_seen(now)
        for mid, pending in list(self._pending.items()):
            if pending.deadline <= now:
                self._retransmit(mid, pending, now)
        self._send_queued(now)

    def _retransmit(self, mid: int, pending: _Pending, now: float) -> None:
        if pending.left == 0:
            del self._pending[mid]
            self.signals.append((pending.token, Signal.TIMED_OUT))
            return
        pending.left -= 1
        pending.wait *= 2
        pending.deadline = now + pending.wait
        self.datagrams.append(pending.datagram)
