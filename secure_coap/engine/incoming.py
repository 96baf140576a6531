"""A request of a peer until it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from secure_coap.engine.blocks import Block
from secure_coap.engine.link import Link
from secure_coap.exchange import Request, Response
from secure_coap.message import HEADER, decode_uint
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option

Key = tuple[object, ...]
"""What makes blocks parts of one body."""


class Stage(IntEnum):
    """How far a request has come."""

    NEW = 0
    DEFERRED = 1
    """Its answer comes later."""
    ACKNOWLEDGED = 2
    """So late that the peer was told to wait; the answer becomes a message of its own."""
    ANSWERED = 3


_NEW: Final = Stage.NEW

UNREAD: Final = Request(Code.GET)
"""Stands for a request whose message could not be read."""


@dataclass(slots=True)
class Blocks:
    """What a request says about blocks: the Block1 and Block2 options, and its Request-Tags."""

    block1: Block | None
    block2: Block | None
    tags: tuple[bytes, ...]


class Incoming:
    """One request message. `key` is association and Message ID in one (see `Answers`).

    `simple`: a confirmable message without anything that makes its answer special.
    """

    __slots__ = ("blocks", "datagram", "key", "link", "request", "simple", "stage", "start")

    def __init__(self, link: Link, key: int, datagram: bytes, start: int) -> None:
        self.link = link
        self.key = key
        self.datagram = datagram
        self.start = start
        self.request = UNREAD
        self.blocks: Blocks | None = None
        self.simple = False
        self.stage = _NEW

    @property
    def token(self) -> bytes:
        """The peer's token."""
        return self.datagram[HEADER : self.start]

    @property
    def block1(self) -> Block | None:
        """Its Block1 option."""
        return None if self.blocks is None else self.blocks.block1

    @property
    def block2(self) -> Block | None:
        """Its Block2 option."""
        return None if self.blocks is None else self.blocks.block2

    @property
    def transfer(self) -> Key:
        """What its body's and its response's blocks have in common: method and options, Request-Tag among them, but
        no Observe, Echo or block (RFC 7959 section 2.5, RFC 9175 section 3)."""
        request = self.request
        tags = () if self.blocks is None else self.blocks.tags
        formats = request.content_format, request.accept
        return request.method, request.path, request.query, formats, request.options, tags

    @property
    def upload(self) -> Key:
        """What the blocks of its body have in common. Only the first need tell the Content-Format: there are clients
        that give it in some blocks and not in others (Wakaama)."""
        request = self.request
        tags = () if self.blocks is None else self.blocks.tags
        return request.method, request.path, request.query, request.accept, request.options, tags

    @property
    def is_confirmable(self) -> bool:
        """Whether it wants an acknowledgement."""
        return not self.datagram[0] & 0x10

    def does_not_want(self, response: Response) -> bool:
        """Whether its No-Response option excludes the response's class (RFC 7967 section 2.1)."""
        for number, value in self.request.options:
            if number == Option.NO_RESPONSE:
                return bool(decode_uint(value) >> (response.code.code_class - 1) & 1)
        return False
