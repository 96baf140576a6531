"""The server's side of block-wise transfers: bodies being received and bodies being served (RFC 7959).

All of it is bounded per peer, over all peers, and in time. Nothing is kept on a peer's word about sizes.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from secure_coap.engine.blocks import Block
from secure_coap.engine.incoming import Key
from secure_coap.engine.options import first, in_order
from secure_coap.engine.shared import Shared
from secure_coap.errors import BadRequest, RequestEntityIncomplete, RequestEntityTooLarge, ServiceUnavailable
from secure_coap.exchange import Download, RawOptions, Request
from secure_coap.message import OptionsAround, encode_body, encode_uint
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option

_RETRY_AFTER: Final = 5  # seconds, Max-Age of 5.03 while the common budget is used up


@dataclass(slots=True)
class _Partial:
    """A body being received."""

    touched: float
    content_format: int | None
    data: bytearray = field(default_factory=bytearray)


class ReceivedBodies:
    """Assembles request bodies of one peer that arrive in Block1 blocks."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._partial: OrderedDict[Key, _Partial] = OrderedDict()
        self._timer_is_set = False

    def __len__(self) -> int:
        return len(self._partial)

    def add(self, key: Key, block: Block, announced: int, request: Request, now: float) -> bool:
        """Whether `block`, which came with `request`, was the last: then that has the whole body and the Content-Format
        of the first block. Raises a `CoapError`.

        `announced` is the peer's word about the body's size (Size1), 0 if it gave none.
        """
        payload = request.payload
        if not block.fits(len(payload)):
            raise BadRequest("payload and block size differ")
        if block.number == 0:
            partial = self._begin(key, announced, request.content_format, now)
        else:
            partial = self._continue(key, block)
        self._extend(key, partial, payload)
        partial.touched = now
        self._partial.move_to_end(key)
        if not block.more:
            request.payload, request.content_format = bytes(partial.data), partial.content_format
            self._drop(key)
        return not block.more

    def _begin(self, key: Key, announced: int, content_format: int | None, now: float) -> _Partial:
        self._drop(key)
        limits = self._shared.limits
        if announced > limits.max_body:
            raise RequestEntityTooLarge(f"at most {limits.max_body} bytes")
        while len(self._partial) >= limits.bodies_per_peer:
            self._shared.counters.evicted += 1
            self._drop(next(iter(self._partial)))
        if not self._timer_is_set:
            self._timer_is_set = True
            self._shared.timers.at(now + limits.body_idle, self._expire)
        partial = self._partial[key] = _Partial(now, content_format)
        return partial

    def _continue(self, key: Key, block: Block) -> _Partial:
        partial = self._partial.get(key)
        if partial is None or block.offset != len(partial.data):
            self._drop(key)
            raise RequestEntityIncomplete("earlier blocks are missing: start again with block 0")
        return partial

    def _extend(self, key: Key, partial: _Partial, payload: bytes) -> None:
        limits = self._shared.limits
        if len(partial.data) + len(payload) > limits.max_body:
            self._drop(key)
            raise RequestEntityTooLarge(f"at most {limits.max_body} bytes")
        if not self._shared.budget.take(len(payload)):
            self._drop(key)
            self._shared.counters.no_room += 1
            raise ServiceUnavailable("too many transfers at once", max_age=_RETRY_AFTER)
        partial.data += payload

    def _drop(self, key: Key) -> None:
        partial = self._partial.pop(key, None)
        if partial is not None:
            self._shared.budget.give(len(partial.data))

    def _expire(self, now: float) -> None:
        """Forget transfers without progress; the table is ordered by progress."""
        idle = self._shared.limits.body_idle
        while self._partial:
            key, partial = next(iter(self._partial.items()))
            if partial.touched + idle > now:
                self._shared.timers.at(partial.touched + idle, self._expire)
                return
            self._drop(key)
        self._timer_is_set = False

    def clear(self) -> None:
        """The association ended: give the memory back."""
        while self._partial:
            self._drop(next(iter(self._partial)))


class Body:
    """A whole response: code, options without Block2 and Size2, payload.

    With `download` the payload is the application's own: shared by all who read it, in nobody's budget.
    """

    __slots__ = ("_around", "code", "download", "options", "payload", "touched")

    def __init__(self, code: Code, options: RawOptions, payload: bytes, download: Download | None) -> None:
        self.code = code
        self.options = options
        self.payload = payload
        self.download = download
        self.touched = 0.0
        self._around: OptionsAround | None = None

    @property
    def held(self) -> int:
        """Bytes that keeping it holds."""
        return len(self.payload) if self.download is None else 0

    def identify(self) -> None:
        """Give it an ETag made from the content, so that a reader notices blocks of two bodies (section 2.4)."""
        if first(self.options, Option.ETAG) is None:
            etag = hashlib.sha256(self.payload).digest()[:8]
            self.options = in_order((*self.options, (int(Option.ETAG), etag)))

    def whole(self) -> bytes:
        """Options and payload, encoded."""
        self._note_read(len(self.payload))
        return encode_body(self.options, self.payload)

    def cut(self, offset: int, exponent: int) -> bytes:
        """One block, encoded, with the body's size in the first. Raises `BadRequest` beyond the end."""
        total = len(self.payload)
        if offset >= total:
            raise BadRequest("the body ends before this block")
        block = Block.at(offset, exponent, total)
        end = min(offset + block.size, total)
        self._note_read(end)
        if offset == 0:
            sizes: RawOptions = ((int(Option.BLOCK2), block.encode()), (int(Option.SIZE2), encode_uint(total)))
            return encode_body(in_order((*self.options, *sizes)), self.payload[:end])
        if self._around is None:
            further = (option for option in self.options if option[0] != Option.OBSERVE)  # section 3.4
            self._around = OptionsAround(further, Option.BLOCK2)
        return self._around.body(block.encode(), self.payload[offset:end])

    def _note_read(self, end: int) -> None:
        if self.download is not None:
            self.download.sent = end


class ServedBodies:
    """Cuts large responses to one peer into Block2 blocks and keeps them until the last one was read."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._kept: OrderedDict[Key, Body] = OrderedDict()
        self._timer_is_set = False

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, key: Key, body: Body, wanted: Block | None, preferred: int, now: float) -> bytes:
        """What answers a request with `body`, encoded: the whole of it, or the block the peer wants.

        `preferred` is the exponent of the largest block to send.
        """
        self._drop(key)
        exponent = min(preferred, wanted.exponent if wanted else preferred)
        offset = wanted.offset if wanted else 0
        if offset == 0 and len(body.payload) <= 16 << exponent:
            return body.whole()
        body.identify()
        message = body.cut(offset, exponent)
        if offset + (16 << exponent) < len(body.payload):
            self._keep(key, body, now)
        return message

    def more(self, key: Key, wanted: Block, now: float) -> tuple[Code, bytes] | None:
        """A further block of a kept body; None when it is not kept."""
        body = self._kept.get(key)
        if body is None:
            return None
        exponent = min(self._shared.limits.block_exponent, wanted.exponent)
        message = body.cut(wanted.offset, exponent)
        body.touched = now
        self._kept.move_to_end(key)
        if wanted.offset + (16 << exponent) >= len(body.payload):
            self._drop(key)
        return body.code, message

    def _keep(self, key: Key, body: Body, now: float) -> None:
        """Without memory left it is not kept: a GET for the next block then simply runs again."""
        limits = self._shared.limits
        while len(self._kept) >= limits.bodies_per_peer:
            self._shared.counters.evicted += 1
            self._drop(next(iter(self._kept)))
        if not self._shared.budget.take(body.held):
            self._shared.counters.no_room += 1
            return
        if not self._timer_is_set:
            self._timer_is_set = True
            self._shared.timers.at(now + limits.body_idle, self._expire)
        body.touched = now
        self._kept[key] = body

    def _drop(self, key: Key) -> None:
        body = self._kept.pop(key, None)
        if body is not None:
            self._shared.budget.give(body.held)

    def _expire(self, now: float) -> None:
        """Forget bodies nobody reads on; the table is ordered by use."""
        idle = self._shared.limits.body_idle
        while self._kept:
            key, body = next(iter(self._kept.items()))
            if body.touched + idle > now:
                self._shared.timers.at(body.touched + idle, self._expire)
                return
            self._drop(key)
        self._timer_is_set = False

    def clear(self) -> None:
        """The association ended: give the memory back."""
        while self._kept:
            self._drop(next(iter(self._kept)))
