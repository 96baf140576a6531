"""A request of a peer until it is answered."""

from __future__ import annotations

from enum import IntEnum

from secure_coap.engine.blocks import Block
from secure_coap.engine.link import Link
from secure_coap.exchange import Request, Response
from secure_coap.message import HEADER, decode_uint
from secure_coap.numbers.options import Option


class Stage(IntEnum):
    """How far a request has come."""

    NEW = 0
    DEFERRED = 1
    """Its answer comes later."""
    ACKNOWLEDGED = 2
    """So late that the peer was told to wait; the answer becomes a message of its own."""
    ANSWERED = 3


class Incoming:
    """One request. `request` is the application's view, missing while the message cannot be read.

    `block1` and `block2` are what it says about blocks, `tags` its Request-Tags.
    """

    __slots__ = ("block1", "block2", "datagram", "link", "request", "stage", "start", "tags")

    def __init__(self, link: Link, datagram: bytes, start: int) -> None:
        self.link = link
        self.datagram = datagram
        self.start = start
        self.request: Request | None = None
        self.block1: Block | None = None
        self.block2: Block | None = None
        self.tags: tuple[bytes, ...] = ()
        self.stage = Stage.NEW

    @property
    def token(self) -> bytes:
        """The peer's token."""
        return self.datagram[HEADER : self.start]

    @property
    def mid(self) -> int:
        """The peer's Message ID."""
        return self.datagram[2] << 8 | self.datagram[3]

    @property
    def key(self) -> int:
        """Association and Message ID in one (see `Answers`)."""
        return self.link.base | self.mid

    @property
    def is_confirmable(self) -> bool:
        """Whether it wants an acknowledgement."""
        return not self.datagram[0] & 0x10

    def does_not_want(self, response: Response) -> bool:
        """Whether its No-Response option excludes the response's class (RFC 7967 section 2.1)."""
        if self.request is None or not self.request.options:
            return False
        for number, value in self.request.options:
            if number == Option.NO_RESPONSE:
                return bool(decode_uint(value) >> (response.code.code_class - 1) & 1)
        return False
