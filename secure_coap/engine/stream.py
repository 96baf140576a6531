"""One connection's side of RFC 8323: what the peer takes, and how messages reach it."""

from __future__ import annotations

from typing import Final

from secure_coap.engine.frames import FrameReader, encode_frame
from secure_coap.engine.link import Link
from secure_coap.engine.sender import Outgoing
from secure_coap.engine.shared import Shared
from secure_coap.message import decode_uint, encode_body, encode_uint
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import CsmOption

BASE_MESSAGE: Final = 1152
"""What every peer takes until it says otherwise; we announce no more, so nobody sends us larger blocks (section 6)."""
_OVERHEAD: Final = 128
"""Bytes of a message that are left for everything but the body."""
_LARGEST_MESSAGE: Final = 1024 * 1024
"""We make use of no larger messages, whatever a peer says."""


class Stream:
    """A connection as a `Sender`. Streams deliver, so nothing is repeated, and nothing is acknowledged."""

    __slots__ = ("_link", "_outstanding", "_shared", "largest", "reader", "settled")

    confirms = False

    def __init__(self, link: Link, shared: Shared) -> None:
        self._link = link
        self._shared = shared
        self._outstanding: set[Outgoing] = set()
        self.reader = FrameReader(shared.limits.frame)
        self.largest = BASE_MESSAGE
        """Bytes of the largest message the peer takes."""
        self.settled = False
        """Whether its Capabilities and Settings Message has come."""

    @property
    def queue_is_full(self) -> bool:
        """See `Sender`; here all that is unanswered counts."""
        return len(self._outstanding) >= self._shared.limits.queued_requests

    @property
    def block_exponent(self) -> int:
        """See `Sender`."""
        exponent = self._shared.limits.block_exponent
        while exponent and (16 << exponent) + _OVERHEAD > self.largest:
            exponent -= 1
        return exponent

    @property
    def whole_body(self) -> int:
        """See `Sender`."""
        return max(16 << self.block_exponent, self.largest - _OVERHEAD)

    def send(self, message: Outgoing, now: float, *, confirmable: bool) -> None:
        """See `Sender`."""
        if message.told is not None:
            self._outstanding.add(message)
        self.write(message.code, message.token, message.body)

    def write(self, code: int, token: bytes, body: bytes) -> None:
        """Send one message."""
        self._shared.outbox.append((self._link, encode_frame(code, token, body)))

    def settle(self) -> None:
        """Say what we take; always the first message (section 5.3)."""
        options = (
            (int(CsmOption.MAX_MESSAGE_SIZE), encode_uint(BASE_MESSAGE)),
            (int(CsmOption.BLOCK_WISE_TRANSFER), b""),
        )
        self.write(Code.CSM, b"", encode_body(options, b""))

    def settled_by(self, options: list[tuple[int, bytes]]) -> None:
        """The peer has said what it takes. What it leaves out stays as it was."""
        self.settled = True
        for number, value in options:
            if number == CsmOption.MAX_MESSAGE_SIZE and len(value) <= 4:
                self.largest = min(decode_uint(value), _LARGEST_MESSAGE)

    def forget(self, message: Outgoing, now: float) -> None:
        """See `Sender`."""
        self._outstanding.discard(message)

    def is_over(self, now: float) -> bool:
        """See `Sender`; the connection has its own end."""
        return False

    def clear(self) -> None:
        """See `Sender`."""
        self._outstanding.clear()
