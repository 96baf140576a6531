"""The client's side of one request: Block1 upload, Block2 download, the Echo challenge (RFC 7959, RFC 9175).

A transfer says what to send, is told each response, and says what to send next or what the whole response is.
"""

from __future__ import annotations

from dataclasses import dataclass

from secure_coap.engine.blocks import MAX_NUMBER, Block
from secure_coap.engine.options import (
    TRANSFER_OPTIONS,
    block_of,
    first,
    in_order,
    request_options,
    response_of,
    size_of,
)
from secure_coap.errors import ResponseRejected, ResponseTooLarge
from secure_coap.exchange import RawOptions, Request, Response, Upload
from secure_coap.message import OptionsAround, encode_body, encode_uint
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option


@dataclass(frozen=True, slots=True)
class Step:
    """The next request message of a transfer; `body` is its options and payload, encoded.

    `observes`: it asks to observe, or to observe no more.
    """

    code: Code
    body: bytes
    observes: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """A response message of the peer, its options already checked."""

    code: Code
    options: RawOptions
    payload: bytes


class OutgoingTransfer:
    """One request until its whole response. `tag` is the Request-Tag, used when the body is sent in blocks.

    A request with an `Upload` begins where that stands, with its tag, and keeps it up to date.
    """

    def __init__(self, request: Request, *, max_body: int, exponent: int, whole: int, bert: bool, tag: bytes) -> None:
        self._request = request
        self._max_body = max_body
        self._bert = bert
        self._upload = request.upload or Upload(tag)
        self._exponent = exponent if self._upload.exponent is None else min(exponent, self._upload.exponent)
        self._options = request_options(request)
        self._uploading = False
        self._sent = self._upload.acknowledged
        self._first: Answer | None = None
        self._body = bytearray()
        self._echo: bytes | None = None
        self._around: OptionsAround | None = None
        self._last: tuple[RawOptions, bytes] = ((), request.payload)
        if len(request.payload) > (whole if self._upload.exponent is None else 16 << self._exponent):
            self._begin_upload()

    def _begin_upload(self) -> None:
        if len(self._request.payload) > (MAX_NUMBER + 1) * (16 << self._exponent):
            raise ValueError("the body has more than 2 ** 20 blocks")
        self._options = in_order((*self._options, (int(Option.REQUEST_TAG), self._upload.tag)))
        self._uploading = True

    def first_step(self) -> Step:
        """What to send first."""
        return self._upload_step() if self._uploading else self._step(*self._last)

    def next_step(self, answer: Answer) -> Step | Response:
        """Raises `ResponseRejected` or `ResponseTooLarge`."""
        challenge = first(answer.options, Option.ECHO)
        if answer.code == Code.UNAUTHORIZED and challenge is not None and self._echo is None:
            self._echo = challenge
            self._around = None
            return self._step(*self._last)
        if self._uploading:
            return self._after_upload(answer)
        if self._must_cut(answer):
            return self._upload_step()
        return self._after_download(answer)

    def _must_cut(self, answer: Answer) -> bool:
        """4.13 to a whole body, with a size of blocks proposed (RFC 7959 section 2.9.3)."""
        if answer.code != Code.REQUEST_ENTITY_TOO_LARGE or self._sent or self._first is not None:
            return False
        theirs = block_of(answer.options, Option.BLOCK1, bert=self._bert)
        if theirs is None or theirs.size >= len(self._request.payload):
            return False
        self._exponent = min(self._exponent, theirs.exponent)
        self._begin_upload()
        return True

    # --- Block1 ---

    def _upload_step(self) -> Step:
        block = Block.at(self._sent, self._exponent, len(self._request.payload))
        value, payload = block.encode(), self._request.payload[self._sent : self._sent + block.size]
        options: RawOptions = ((int(Option.BLOCK1), value),)
        if block.number == 0:
            return self._step((*options, (int(Option.SIZE1), encode_uint(len(self._request.payload)))), payload)
        self._last = options, payload
        if self._around is None:
            self._around = OptionsAround(in_order((*self._options, *self._echoed())), Option.BLOCK1)
        return Step(self._request.method, self._around.body(value, payload), self._request.observe is not None)

    def _after_upload(self, answer: Answer) -> Step | Response:
        ours = Block.at(self._sent, self._exponent, len(self._request.payload))
        theirs = block_of(answer.options, Option.BLOCK1, bert=self._bert)
        if self._must_restart_smaller(answer, theirs):
            return self._upload_step()
        if not ours.more or theirs is None or not answer.code.is_success:
            return self._finish_upload(answer, last=not ours.more)
        if theirs.number != ours.number:
            raise ResponseRejected(f"acknowledges block {theirs.number} instead of {ours.number}")
        self._sent += ours.size
        self._exponent = min(self._exponent, theirs.exponent)
        self._upload.acknowledged, self._upload.exponent = self._sent, self._exponent
        return self._upload_step()

    def _must_restart_smaller(self, answer: Answer, theirs: Block | None) -> bool:
        """4.13 to the first block with a smaller size proposed (RFC 7959 section 2.9.3)."""
        if answer.code != Code.REQUEST_ENTITY_TOO_LARGE or theirs is None or self._sent:
            return False
        if theirs.exponent >= self._exponent:
            return False
        self._exponent = theirs.exponent
        return True

    def _finish_upload(self, answer: Answer, *, last: bool) -> Step | Response:
        """The final response: to the last block, or an earlier one the server needs no more of."""
        if answer.code == Code.CONTINUE:
            raise ResponseRejected("2.31 Continue after the last block" if last else "2.31 Continue without Block1")
        self._uploading = False
        if last and answer.code.is_success:
            self._upload.acknowledged = len(self._request.payload)
        return self._after_download(answer)

    # --- Block2 ---

    def _after_download(self, answer: Answer) -> Step | Response:
        block = block_of(answer.options, Option.BLOCK2, bert=self._bert)
        if answer.code == Code.CONTINUE:
            raise ResponseRejected("2.31 Continue to a request without further blocks")
        if not answer.code.is_success or (block is None and self._first is None):
            return self._whole(answer, answer.payload)
        if block is None:
            raise ResponseRejected("a further block came without a Block2 option")
        self._take(answer, block)
        begin = self._first or answer
        if not block.more:
            return self._whole(begin, bytes(self._body))
        return self._download_step(block.exponent)

    def _take(self, answer: Answer, block: Block) -> None:
        if block.offset != len(self._body):
            raise ResponseRejected(f"block at {block.offset} instead of {len(self._body)}")
        if not block.fits(len(answer.payload)):
            raise ResponseRejected(f"{len(answer.payload)} bytes in a block of {block.size}")
        self._check_same_body(answer)
        announced = size_of(answer.options, Option.SIZE2) or 0
        if max(announced, len(self._body) + len(answer.payload)) > self._max_body:
            raise ResponseTooLarge(f"the response body exceeds {self._max_body} bytes")
        self._body += answer.payload

    def _check_same_body(self, answer: Answer) -> None:
        """Code and ETag hold the blocks of one body together (RFC 7959 section 2.4)."""
        if self._first is None:
            self._first = answer
        same_etag = first(self._first.options, Option.ETAG) == first(answer.options, Option.ETAG)
        if self._first.code != answer.code or not same_etag:
            raise ResponseRejected("the body changed while its blocks were read: ask again")

    def _download_step(self, exponent: int) -> Step:
        exponent = min(exponent, self._exponent)
        offset = len(self._body)
        if offset % (16 << exponent) or offset >> (exponent + 4) > MAX_NUMBER:
            raise ResponseRejected("block sizes that do not fit together")
        block = Block(offset >> (exponent + 4), False, exponent)
        return self._step(((int(Option.BLOCK2), block.encode()),), b"")

    def _whole(self, answer: Answer, payload: bytes) -> Response:
        options = tuple(option for option in answer.options if option[0] not in TRANSFER_OPTIONS)
        return response_of(answer.code, options, payload)

    # --- both ---

    def _step(self, further: RawOptions, payload: bytes) -> Step:
        self._last = further, payload
        options = in_order((*self._options, *further, *self._echoed()))
        observes = self._request.observe is not None and self._first is None
        if self._first is not None:  # Observe is for the first block only (RFC 7959 section 3.4)
            options = tuple(option for option in options if option[0] != Option.OBSERVE)
        return Step(self._request.method, encode_body(options, payload), observes)

    def _echoed(self) -> RawOptions:
        return () if self._echo is None else ((int(Option.ECHO), self._echo),)
