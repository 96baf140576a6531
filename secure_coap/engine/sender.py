"""How messages of our own reach one peer: `Transmission` over datagrams, a connection's frames over streams."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from secure_coap.message import VERSION_1, MessageType
from secure_coap.numbers.codes import Code


class Signal(Enum):
    """What became of a message other than a piggybacked response."""

    ACKNOWLEDGED = auto()
    RESET = auto()
    TIMED_OUT = auto()


Told = Callable[[Signal, float], None]


class Outgoing:
    """A message of ours: code, token, and `body` (options and payload, encoded). `told` hears what became of it."""

    __slots__ = ("body", "code", "datagram", "left", "mid", "token", "told", "wait")

    def __init__(self, code: Code, token: bytes, body: bytes, told: Told | None) -> None:
        self.code = code
        self.token = token
        self.body = body
        self.told = told
        self.mid = -1
        self.datagram = b""
        self.wait = 0.0
        self.left = 0

    def encode(self, type_: MessageType, mid: int) -> bytes:
        """The datagram."""
        self.mid = mid
        head = bytes((VERSION_1 | type_ << 4 | len(self.token), self.code, mid >> 8, mid & 0xFF))
        self.datagram = head + self.token + self.body
        return self.datagram

    def tell(self, signal: Signal, now: float) -> None:
        """Tell whoever sent it."""
        if self.told is not None:
            self.told(signal, now)


class Sender(Protocol):
    """Sends messages, and repeats them where the transport does not."""

    @property
    def queue_is_full(self) -> bool:
        """Whether a new request must be refused. Further blocks and responses are always taken."""

    @property
    def confirms(self) -> bool:
        """Whether confirmable messages are acknowledged one by one."""

    @property
    def block_exponent(self) -> int:
        """The largest block is 2 ** (4 + this)."""

    @property
    def whole_body(self) -> int:
        """Bytes of a body that go without blocks."""

    def send(self, message: Outgoing, now: float, *, confirmable: bool) -> None:
        """Send it now or in its turn."""

    def forget(self, message: Outgoing, now: float) -> None:
        """Stop sending it: answered otherwise, or no longer wanted."""

    def is_over(self, now: float) -> bool:
        """Nothing is on its way, and nothing must be remembered of what was."""

    def clear(self) -> None:
        """The association ended."""
