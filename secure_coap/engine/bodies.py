"""The server's side of block-wise transfers: bodies being received and bodies being served (RFC 7959).

All of it is bounded per peer, over all peers, and in time. Nothing is kept on a peer's word about sizes.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Final

from secure_coap.engine.blocks import Block
from secure_coap.engine.budget import BodyBudget
from secure_coap.engine.options import first, in_order, size_of
from secure_coap.errors import BadRequest, RequestEntityIncomplete, RequestEntityTooLarge, ServiceUnavailable
from secure_coap.exchange import Download, RawOptions
from secure_coap.limits import Limits
from secure_coap.message import encode_uint
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option

Key = tuple[Code, RawOptions]
_RETRY_AFTER: Final = 5  # seconds, Max-Age of 5.03 while the common budget is used up


@dataclass(slots=True)
class _Partial:
    """A body being received."""

    touched: float
    data: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class Body:
    """A whole response: code, options without Block2, payload. With `download` the payload is the application's own."""

    code: Code
    options: RawOptions
    payload: bytes
    download: Download | None = None

    @property
    def held(self) -> int:
        """Bytes that keeping it holds."""
        return len(self.payload) if self.download is None else 0


class ReceivedBodies:
    """Assembles request bodies that arrive in Block1 blocks."""

    def __init__(self, limits: Limits, budget: BodyBudget) -> None:
        self._limits = limits
        self._budget = budget
        self._partial: OrderedDict[Key, _Partial] = OrderedDict()

    def add(self, key: Key, block: Block, options: RawOptions, payload: bytes, now: float) -> bytes | None:
        """The whole body when `block` was its last, None when more must follow; else raises a `CoapError`."""
        self.expire(now)
        if len(payload) > block.size or (block.more and len(payload) != block.size):
            raise BadRequest("payload and block size differ")
        partial = self._begin(key, options, now) if block.number == 0 else self._continue(key, block)
        self._extend(key, partial, payload)
        partial.touched = now
        self._partial.move_to_end(key)
        return None if block.more else self._finish(key)

    def _begin(self, key: Key, options: RawOptions, now: float) -> _Partial:
        self._drop(key)
        if (size_of(options, Option.SIZE1) or 0) > self._limits.max_body:
            raise RequestEntityTooLarge(f"at most {self._limits.max_body} bytes")
        while len(self._partial) >= self._limits.bodies_per_peer:
            self._drop(next(iter(self._partial)))
        partial = self._partial[key] = _Partial(now)
        return partial

    def _continue(self, key: Key, block: Block) -> _Partial:
        partial = self._partial.get(key)
        if partial is None or block.offset != len(partial.data):
            self._drop(key)
            raise RequestEntityIncomplete("earlier blocks are missing: start again with block 0")
        return partial

    def _extend(self, key: Key, partial: _Partial, payload: bytes) -> None:
        if len(partial.data) + len(payload) > self._limits.max_body:
            self._drop(key)
            raise RequestEntityTooLarge(f"at most {self._limits.max_body} bytes")
        if not self._budget.take(len(payload)):
            self._drop(key)
            raise ServiceUnavailable("too many transfers at once", max_age=_RETRY_AFTER)
        partial.data += payload

    def _finish(self, key: Key) -> bytes:
        data = bytes(self._partial[key].data)
        self._drop(key)
        return data

    def _drop(self, key: Key) -> None:
        partial = self._partial.pop(key, None)
        if partial is not None:
            self._budget.give(len(partial.data))

    def next_timer(self) -> float | None:
        """When the next transfer is forgotten."""
        return next((partial.touched + self._limits.body_idle for partial in self._partial.values()), None)

    def expire(self, now: float) -> None:
        """Forget transfers without progress; the table is ordered by progress."""
        while (deadline := self.next_timer()) is not None and deadline <= now:
            self._drop(next(iter(self._partial)))

    def clear(self) -> None:
        """The association ended: give the memory back."""
        while self._partial:
            self._drop(next(iter(self._partial)))


@dataclass(slots=True)
class _Kept:
    """A response body whose further blocks the peer will ask for."""

    body: Body
    touched: float


class ServedBodies:
    """Cuts large responses into Block2 blocks and keeps them until the last one was read."""

    def __init__(self, limits: Limits, budget: BodyBudget) -> None:
        self._limits = limits
        self._budget = budget
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()

    def begin(self, key: Key, body: Body, wanted: Block | None, now: float) -> Body:
        """The message that answers a request with `body`: whole, or the block the peer wants."""
        self.expire(now)
        self._drop(key)
        exponent = min(self._limits.block_exponent, wanted.exponent if wanted else self._limits.block_exponent)
        offset = wanted.offset if wanted else 0
        if offset == 0 and len(body.payload) <= 16 << exponent:
            _note_read(body, len(body.payload))
            return body
        body = _with_etag(body)
        if self._keep(key, body, now) and offset + (16 << exponent) >= len(body.payload):
            self._drop(key)
        return _cut(body, offset, exponent)

    def more(self, key: Key, wanted: Block, now: float) -> Body | None:
        """A further block of a kept body; None when it is not kept."""
        self.expire(now)
        kept = self._kept.get(key)
        if kept is None:
            return None
        exponent = min(self._limits.block_exponent, wanted.exponent)
        message = _cut(kept.body, wanted.offset, exponent)
        kept.touched = now
        self._kept.move_to_end(key)
        if wanted.offset + (16 << exponent) >= len(kept.body.payload):
            self._drop(key)
        return message

    def _keep(self, key: Key, body: Body, now: float) -> bool:
        """Without memory left it is not kept: a GET for the next block then simply runs again."""
        while len(self._kept) >= self._limits.bodies_per_peer:
            self._drop(next(iter(self._kept)))
        if not self._budget.take(body.held):
            return False
        self._kept[key] = _Kept(body, now)
        return True

    def _drop(self, key: Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._budget.give(kept.body.held)

    def next_timer(self) -> float | None:
        """When the next body is forgotten."""
        return next((kept.touched + self._limits.body_idle for kept in self._kept.values()), None)

    def expire(self, now: float) -> None:
        """Forget bodies nobody reads on."""
        while (deadline := self.next_timer()) is not None and deadline <= now:
            self._drop(next(iter(self._kept)))

    def clear(self) -> None:
        """The association ended: give the memory back."""
        while self._kept:
            self._drop(next(iter(self._kept)))


def _with_etag(body: Body) -> Body:
    """An ETag made from the content, so that a reader notices blocks of two bodies (RFC 7959 section 2.4)."""
    if first(body.options, Option.ETAG) is not None:
        return body
    etag = hashlib.sha256(body.payload).digest()[:8]
    return replace(body, options=in_order((*body.options, (int(Option.ETAG), etag))))


def _cut(body: Body, offset: int, exponent: int) -> Body:
    """One block, with the body's size in the first. Raises `BadRequest` beyond the end."""
    if offset >= len(body.payload):
        raise BadRequest("the body ends before this block")
    block = Block.at(offset, exponent, len(body.payload))
    options: RawOptions = ((int(Option.BLOCK2), block.encode()),)
    if offset == 0:
        options += ((int(Option.SIZE2), encode_uint(len(body.payload))),)
    _note_read(body, min(offset + block.size, len(body.payload)))
    return Body(body.code, in_order((*body.options, *options)), body.payload[offset : offset + block.size])


def _note_read(body: Body, end: int) -> None:
    if body.download is not None:
        body.download.sent = end
