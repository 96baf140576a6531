"""Requests peers make: assembly of their bodies, blocks of ours, what may be told to whom (RFC 7252 section 5.2).

How an answer travels is for the subclasses: `DatagramServer` and the streams'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from secure_coap.engine.blocks import BERT, Block
from secure_coap.engine.bodies import Body
from secure_coap.engine.conversation import conversation_of
from secure_coap.engine.incoming import Blocks, Incoming, Stage
from secure_coap.engine.options import in_order, response_options
from secure_coap.engine.shared import Shared
from secure_coap.errors import CoapError, RequestEntityIncomplete, RequestEntityTooLarge, TooManyRequests
from secure_coap.exchange import RawOptions, Request, Response
from secure_coap.message import decode_uint, encode_body, encode_uint
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option

SAFE: Final = frozenset((Code.GET, Code.FETCH))


class ServerRole:
    """Everybody's requests. `bert`: whether blocks may be larger than 1,024 bytes."""

    bert = False

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._max_body = shared.limits.max_body
        self._concurrent = shared.limits.concurrent_handlers

    # --- requests ---

    def _admit(self, incoming: Incoming, request: Request, transfer: Sequence[tuple[int, bytes]], now: float) -> bool:
        """Whether the request goes up to the application; else it is answered already. Raises `CoapError`."""
        if transfer and not self._advance(incoming, request, transfer, now):
            return False
        if len(request.payload) > self._max_body:
            raise RequestEntityTooLarge(f"at most {self._max_body} bytes")
        if incoming.link.deferred >= self._concurrent:
            self._shared.counters.rate_limited += 1
            raise TooManyRequests("too many requests in progress", max_age=1)
        self._shared.counters.requests += 1
        return True

    def _advance(self, incoming: Incoming, request: Request, transfer: Sequence[tuple[int, bytes]], now: float) -> bool:
        """What the options of the transfer ask for. Whether the request is whole now."""
        block1 = block2 = None
        tags: tuple[bytes, ...] = ()
        announced = 0
        for number, value in transfer:
            if number == Option.BLOCK2:
                block2 = Block.decode(value, bert=self.bert)
            elif number == Option.BLOCK1:
                block1 = Block.decode(value, bert=self.bert)
            elif number == Option.SIZE1:
                announced = decode_uint(value)
            elif number == Option.REQUEST_TAG:
                tags = (*tags, value)
            elif number == Option.ECHO:
                self._prove(incoming, value, now)
        incoming.blocks = Blocks(block1, block2, tags)
        if block1 is not None:
            return self._assemble(incoming, request, block1, announced, now)
        if block2 is None or block2.number == 0:
            return True
        if self._withhold(incoming, now):
            return False
        return not self._serve_further(incoming, request, block2, now)

    def _assemble(self, incoming: Incoming, request: Request, block: Block, announced: int, now: float) -> bool:
        bodies = conversation_of(incoming.link, self._shared, now).received
        if bodies.add(incoming.upload, block, announced, request, now):
            return True
        self._deliver(incoming, Code.CONTINUE, self._with_block1(incoming, Code.CONTINUE, ()), b"", now)
        return False

    def _serve_further(self, incoming: Incoming, request: Request, wanted: Block, now: float) -> bool:
        """A further block of a response kept. Without one a safe request simply runs again."""
        conversation = incoming.link.conversation
        key = incoming.transfer
        further = conversation.served.more(key, wanted, now) if conversation is not None else None
        if further is not None:
            self._deliver_encoded(incoming, *further, now)
            return True
        if request.method not in SAFE:
            raise RequestEntityIncomplete("that response is no longer kept: repeat the request")
        return False

    def refuse(self, incoming: Incoming, error: CoapError, now: float) -> None:
        """Answer a request that never reaches the application."""
        response = Response.of_error(error)
        options: RawOptions = tuple(response_options(response))
        if error.code == Code.REQUEST_ENTITY_TOO_LARGE:  # RFC 7959 section 2.9.3
            options = in_order((*options, (int(Option.SIZE1), encode_uint(self._max_body))))
        if incoming.does_not_want(response):
            self._stay_silent(incoming, now)
        else:
            self._deliver(incoming, error.code, self._with_block1(incoming, error.code, options), response.payload, now)

    # --- responses ---

    def respond(self, incoming: Incoming, response: Response, now: float) -> None:
        """Send the application's response. Raises ValueError for one that cannot be sent."""
        request = incoming.request
        if not incoming.link.base or incoming.stage is Stage.ANSWERED:
            return
        if request.observe is not None:
            response = self._observed(incoming, request, response, now)
        if request.options and incoming.does_not_want(response):
            self._stay_silent(incoming, now)
        elif incoming.blocks is None and len(response.payload) <= self._whole_body(incoming):
            body = encode_body(response_options(response), response.payload)
            if response.download is not None:
                response.download.sent = len(response.payload)
            self._deliver_encoded(incoming, response.code, body, now)
        else:
            self._answer(incoming, response, now)

    def _answer(self, incoming: Incoming, response: Response, now: float) -> None:
        """Send a response that needs blocks, or names some. Raises ValueError for one that cannot be sent."""
        options = self._with_block1(incoming, response.code, tuple(response_options(response)))
        body = Body(response.code, options, response.payload, response.download)
        try:
            if incoming.block2 is None and len(body.payload) <= self._whole_body(incoming):
                encoded = body.whole()
            else:
                bodies = conversation_of(incoming.link, self._shared, now).served
                encoded = bodies.begin(incoming.transfer, body, incoming.block2, self._exponent(incoming), now)
        except CoapError as error:
            self.refuse(incoming, error, now)
        else:
            self._deliver_encoded(incoming, response.code, encoded, now)

    def _with_block1(self, incoming: Incoming, code: Code, options: RawOptions) -> RawOptions:
        """Every response to a block names that block; M is set while more are expected (RFC 7959 section 2.3)."""
        if incoming.block1 is None:
            return options
        exponent = incoming.block1.exponent
        exponent = BERT if exponent == BERT else min(exponent, self._exponent(incoming))
        block = Block(incoming.block1.number, code == Code.CONTINUE, exponent)
        return in_order((*options, (int(Option.BLOCK1), block.encode())))

    def _deliver(self, incoming: Incoming, code: Code, options: RawOptions, payload: bytes, now: float) -> None:
        self._deliver_encoded(incoming, code, encode_body(options, payload), now)

    # --- observations ---

    def observe(self, incoming: Incoming, now: float) -> bool:
        """Register the peer's observation; its response becomes the first notification if it is a success."""
        request = incoming.request
        if request.observe != 0 or not incoming.link.base:
            return False
        observers = conversation_of(incoming.link, self._shared, now).observers
        return observers.add(incoming.token, incoming.transfer, now)

    def _observed(self, incoming: Incoming, request: Request, response: Response, now: float) -> Response:
        """The response to a request that carries Observe (RFC 7641 section 4.1)."""
        conversation, token = incoming.link.conversation, incoming.token
        if conversation is None or token not in conversation.observers:
            return response
        if request.observe == 0 and response.code.is_success:
            return replace(response, observe=conversation.observers.next_number(token))
        conversation.observers.remove(token, now)
        return response

    # --- what a transport decides ---

    def defer(self, incoming: Incoming, now: float) -> None:
        """The application answers later."""
        raise NotImplementedError

    def _deliver_encoded(self, incoming: Incoming, code: Code, body: bytes, now: float) -> None:
        """Send an answer; `body` holds its options and payload."""
        raise NotImplementedError

    def _stay_silent(self, incoming: Incoming, now: float) -> None:
        """The peer does not want the answer: at most it is acknowledged."""
        raise NotImplementedError

    def _whole_body(self, incoming: Incoming) -> int:
        """Bytes of a body that go without blocks."""
        raise NotImplementedError

    def _exponent(self, incoming: Incoming) -> int:
        """The largest block is 2 ** (4 + this)."""
        return self._shared.limits.block_exponent

    def _prove(self, incoming: Incoming, echo: bytes, now: float) -> None:
        """The request returns an Echo value, which may be ours."""

    def _withhold(self, incoming: Incoming, now: float) -> bool:
        """Whether the peer must prove its address first, and was told so."""
        return False
