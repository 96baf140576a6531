"""Sending to one peer: confirmable messages until they are acknowledged, NSTART, Message IDs (RFC 7252 section 4)."""

from __future__ import annotations

from functools import partial

from secure_coap.engine.link import Link
from secure_coap.engine.message_ids import MessageIds
from secure_coap.engine.sender import Outgoing, Signal
from secure_coap.engine.shared import Shared
from secure_coap.message import MessageType


class Transmission:
    """All we send to one peer of our own accord."""

    __slots__ = ("_in_the_air", "_link", "_mids", "_queue", "_sent_once", "_shared")

    def __init__(self, link: Link, shared: Shared) -> None:
        self._link = link
        self._shared = shared
        self._mids = MessageIds(int.from_bytes(shared.rng.randbytes(2), "big"), shared.parameters.exchange_lifetime)
        self._in_the_air: dict[int, Outgoing] = {}
        self._queue: list[Outgoing] = []
        self._sent_once: dict[int, Outgoing] = {}

    confirms = True

    @property
    def block_exponent(self) -> int:
        """The largest block is 2 ** (4 + this)."""
        return self._shared.limits.block_exponent

    @property
    def whole_body(self) -> int:
        """Bytes of a body that go without blocks."""
        return 16 << self._shared.limits.block_exponent

    @property
    def queue_is_full(self) -> bool:
        """Whether a new request must be refused. Further blocks and responses are always taken."""
        return len(self._queue) >= self._shared.limits.queued_requests

    def is_over(self, now: float) -> bool:
        """Nothing is in the air or waits, and no Message ID must be remembered any more."""
        return not (self._in_the_air or self._queue or self._sent_once) and self._mids.are_free(now)

    # --- sending ---

    def send(self, message: Outgoing, now: float, *, confirmable: bool) -> None:
        """Confirmable: now, or when NSTART allows (section 4.7). Else now or never."""
        if confirmable:
            self._queue.append(message)
            self._send_queued(now)
        elif self._mids.free_at(now) <= now:
            mid = self._mids.take(now)
            if message.told is not None:
                self._sent_once[mid] = message
            self._shared.outbox.append((self._link, message.encode(MessageType.NON, mid)))

    def forget(self, message: Outgoing, now: float) -> None:
        """Stop sending it: answered otherwise, or no longer wanted."""
        if self._in_the_air.get(message.mid) is message:
            del self._in_the_air[message.mid]
        elif self._sent_once.get(message.mid) is message:
            del self._sent_once[message.mid]
        elif message in self._queue:
            self._queue.remove(message)
        self._send_queued(now)

    def _send_queued(self, now: float) -> None:
        while self._queue and len(self._in_the_air) < self._shared.parameters.nstart:
            free_at = self._mids.free_at(now)
            if free_at > now:
                self._shared.timers.at(free_at, self._send_queued)
                return
            self._transmit(self._queue.pop(0), now)

    def _transmit(self, message: Outgoing, now: float) -> None:
        parameters = self._shared.parameters
        factor = 1 + self._shared.rng.random() * (parameters.ack_random_factor - 1)
        message.wait, message.left = parameters.ack_timeout * factor, parameters.max_retransmit
        mid = self._mids.take(now)
        self._in_the_air[mid] = message
        self._shared.outbox.append((self._link, message.encode(MessageType.CON, mid)))
        self._shared.timers.at(now + message.wait, partial(self._overdue, message))

    def _overdue(self, message: Outgoing, now: float) -> None:
        if self._in_the_air.get(message.mid) is not message:
            return
        if message.left == 0:
            self._shared.counters.timeouts += 1
            del self._in_the_air[message.mid]
            self._send_queued(now)
            message.tell(Signal.TIMED_OUT, now)
            return
        message.left -= 1
        message.wait *= 2
        self._shared.counters.retransmissions += 1
        self._shared.outbox.append((self._link, message.datagram))
        self._shared.timers.at(now + message.wait, partial(self._overdue, message))

    # --- receiving ---

    def acknowledged(self, mid: int, token: bytes | None, now: float) -> bool:
        """An acknowledgement came, with the token of a piggybacked response or None. Whether it is for one of ours."""
        message = self._in_the_air.get(mid)
        if message is None or (token is not None and token != message.token):
            return False
        del self._in_the_air[mid]
        self._send_queued(now)
        if token is None:
            message.tell(Signal.ACKNOWLEDGED, now)
        return True

    def was_reset(self, mid: int, now: float) -> bool:
        """A Reset came. Whether it is for one of ours."""
        message = self._in_the_air.pop(mid, None) or self._sent_once.pop(mid, None)
        if message is None:
            return False
        self._shared.counters.resets += 1
        self._send_queued(now)
        message.tell(Signal.RESET, now)
        return True

    def clear(self) -> None:
        """The association ended."""
        self._in_the_air.clear()
        self._queue.clear()
        self._sent_once.clear()
