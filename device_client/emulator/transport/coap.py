"""aiocoap over a channel of ours: the one file that touches aiocoap's unstable inner classes (pinned to 0.4.17).

aiocoap has no X.509 DTLS and no requests from a server to a client over the client's session; its public pieces
(Context, TokenManager, MessageManager, MessageInterface, EndpointAddress) are enough to add both. One session is one
Context: when the session ends, everything that belonged to it ends with it. An observation outlives it (the server
knows it by its token), so notifications are sent past aiocoap's own observations, which end with their request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from aiocoap import error, interfaces  # type: ignore[import-untyped]
from aiocoap.blockwise import _extract_block_key  # type: ignore[import-untyped]
from aiocoap.message import Message  # type: ignore[import-untyped]
from aiocoap.messagemanager import MessageManager  # type: ignore[import-untyped]
from aiocoap.numbers.codes import Code as AioCode  # type: ignore[import-untyped]
from aiocoap.numbers.constants import TransportTuning  # type: ignore[import-untyped]
from aiocoap.numbers.types import CON, NON, RST  # type: ignore[import-untyped]
from aiocoap.protocol import Context  # type: ignore[import-untyped]
from aiocoap.resource import Resource  # type: ignore[import-untyped]
from aiocoap.tokenmanager import TokenManager  # type: ignore[import-untyped]

from device_client.emulator.transport import translation, wire
from device_client.emulator.transport.bodies import Bodies
from device_client.emulator.transport.bounded import BoundedDict
from device_client.emulator.transport.channel import Channel, ChannelError, HandshakeRefused
from secure_coap.exchange import Request, Response

BLOCK_SIZE = 1024
"""Largest block, bytes: with options and DTLS overhead it still fits one datagram of 1,280 bytes."""
RESPONSE_TIMEOUT = 60.0
"""Seconds until a request that was acknowledged but never answered counts as lost."""

MAX_RECENT = 1024
"""Messages whose repetition is recognised; aiocoap alone remembers all of four minutes with their answers."""
MAX_ANSWERS = 8
"""Answers larger than a block that a server can fetch the rest of."""
MAX_NOTIFIED = 64
"""Non-confirmable notifications a Reset is still understood for."""


class SessionLost(ConnectionError):
    """The session ended before the answer came; the request may or may not have been handled."""


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """The request behind an observation: where its notifications go."""

    token: bytes
    message: Message = field(repr=False)


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a server's answer. `total` is the size of all of it in bytes, where the server says so (Size2)."""

    response: Response
    etag: bytes
    more: bool
    total: int | None


class RequestHandler(Protocol):
    """What answers the requests a server sends over a session the device opened."""

    def body_limit(self, path: tuple[str, ...]) -> int:
        """Largest body accepted at this path, bytes; checked before a block is kept."""

    def too_large(self, path: tuple[str, ...]) -> Response:
        """The answer to a body beyond that limit."""

    async def handle(self, request: Request, origin: Origin) -> Response:
        """The answer; with `observe` set the observation `origin` stands for has begun."""


class Tuning(TransportTuning):  # type: ignore[misc]
    """RFC 7252 section 4.8 with this device's own acknowledgement time-out (s) and retransmission count."""

    def __init__(self, ack_timeout: float, max_retransmit: int) -> None:
        self.ACK_TIMEOUT = ack_timeout
        self.MAX_RETRANSMIT = max_retransmit
        self.EMPTY_ACK_DELAY = min(TransportTuning.EMPTY_ACK_DELAY, ack_timeout / 3)


class CoapSession:
    """One association with a server: requests in both directions until either side ends it.

    Open it with `CoapSession.open`; `closed` is set when it has ended for whatever reason.
    """

    def __init__(self, channel: Channel, tuning: Tuning, handler: RequestHandler | None, meter: wire.WireMeter) -> None:
        self._channel = channel
        self._tuning = tuning
        self.closed = asyncio.Event()
        self._shut_down = False
        self._end: BaseException | None = None
        """Why the session ended."""
        self._root = _Root(handler, tuning) if handler else None
        self._context = _Context(loop=asyncio.get_running_loop(), serversite=self._root)
        tokens = _Tokens(self._context, self._lose)
        self._messages = messages = MessageManager(tokens)
        messages._recent_messages = BoundedDict(MAX_RECENT)
        self._remote = _Remote(messages, channel, meter, tuning, self._lose)
        messages.message_interface = _Interface(self._remote)
        tokens.token_interface = messages
        self._context.request_interfaces.append(tokens)

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        channel: Channel,
        *,
        tuning: Tuning,
        meter: wire.WireMeter,
        handshake_timeout: float,
        handler: RequestHandler | None = None,
    ) -> CoapSession:
        """Reach host:port over a fresh `channel`, and shake hands within `handshake_timeout` seconds.

        Raises ChannelError (refused, not trusted, no answer) or OSError.
        """
        session = cls(channel, tuning, handler, meter)
        try:
            async with asyncio.timeout(handshake_timeout):
                await session._remote.connect(host, port)
        except BaseException as failure:
            await session.close()
            if isinstance(failure, TimeoutError):
                raise ChannelError("the server does not answer the handshake") from failure
            raise
        return session

    @property
    def channel_binding(self) -> bytes:
        """What ties a certificate request to this session (RFC 7030 section 3.5): see `Channel`."""
        return self._channel.channel_binding

    @property
    def responder_key(self) -> object | None:
        """The server's ephemeral key in EDHOC, to which a request can be tied too; None without EDHOC."""
        return getattr(self._channel, "responder_key", None)

    async def request(self, request: Request) -> Response:
        """Send a request, block-wise when it is large, and return the whole answer.

        Raises SessionLost, and ends the session, when retransmission ran out or the session ended meanwhile;
        HandshakeRefused when the server takes the device only now for somebody it does not let in.
        """
        return translation.response_of(await self._exchange(request))

    async def _exchange(
        self, request: Request, echo: bytes | None = None, block2: tuple[int, bool, int] | None = None
    ) -> Message:
        """One exchange of messages; with `block2` aiocoap does not fetch the other blocks."""
        if self.closed.is_set():
            raise SessionLost("the session has ended: open a new one")
        message = translation.outgoing(request, self._tuning)
        message.opt.echo = echo
        message.opt.block2 = block2
        message.remote = self._remote
        whole = block2 is None
        try:
            # Not `wait_for`: until Python 3.12 that loses a cancellation which comes together with the answer.
            async with asyncio.timeout(RESPONSE_TIMEOUT):
                answer = await _uncancelled(self._context.request(message, handle_blockwise=whole).response)
        except (error.Error, ChannelError, TimeoutError) as failure:
            self._lose(failure)
            if isinstance(self._end, HandshakeRefused):
                # A handshake whose last message travelled with this request.
                raise self._end from failure
            raise SessionLost(f"no answer: {_reason(self._end)}") from failure
        if answer.code == AioCode.UNAUTHORIZED and answer.opt.echo is not None and echo is None:
            # The server wants to see that the device is where it says it is (RFC 9175 section 2.3).
            return await self._exchange(request, answer.opt.echo, block2)
        return answer

    async def block(self, request: Request, offset: int) -> Block:
        """One block of a large answer, the one that begins at `offset` bytes, a multiple of 16 (RFC 7959).

        Raises SessionLost like `request`, and when the answer is a block of another place.
        """
        size = next(size for size in (BLOCK_SIZE, 512, 256, 128, 64, 32, 16) if offset % size == 0)
        answer = await self._exchange(request, block2=(offset // size, False, size.bit_length() - 5))
        block, total = answer.opt.block2, answer.opt.size2
        if answer.code.is_successful() and (0 if block is None else block.start) != offset:
            raise SessionLost("the server answered with another block")
        more = block is not None and block.more
        return Block(translation.response_of(answer), bytes(answer.opt.etag or b""), more, total)

    def notify(self, origin: Origin, response: Response, *, confirmable: bool, gone: Callable[[], None]) -> None:
        """Send a notification; `gone` is called when the server rejects it by a Reset. Nothing after the end."""
        if self.closed.is_set() or self._root is None:
            return
        message = translation.answer(response, self._tuning)
        message.token, message.remote = origin.token, self._remote
        message.mtype = CON if confirmable else NON
        origin.message.remote = self._remote
        message = self._root.first_block(origin.message, message)
        self._messages.send_message(message, gone)
        if not confirmable:
            self._remote.notified[message.mid] = gone

    @property
    def asleep(self) -> bool:
        return self._remote.asleep

    def sleep(self, *, asleep: bool) -> None:
        """Hear nothing of what the server sends while asleep."""
        self._remote.asleep = asleep

    async def close(self) -> None:
        """Send close_notify and forget everything of the session; idempotent."""
        self._lose(SessionLost("closed by the device"))
        if not self._shut_down:
            # aiocoap cannot shut a context down twice.
            self._shut_down = True
            await self._context.shutdown()

    def abandon(self) -> None:
        """Close the socket without a word to the server."""
        self._remote.abandon()
        self._lose(SessionLost("abandoned"))

    def _lose(self, failure: BaseException) -> None:
        if not self.closed.is_set():
            self._end = failure
            self.closed.set()
            self._remote.end(failure)


def _uncancelled(response: asyncio.Future[Message]) -> asyncio.Future[Message]:
    """aiocoap's answer, to be waited for without ever cancelling it: one that is cancelled still hears, for some turns
    of the loop, that the session has ended, and cannot bear that. It ends with its session at the latest."""
    response.add_done_callback(lambda done: done.cancelled() or done.exception())
    return asyncio.shield(response)


def _reason(end: BaseException | None) -> str:
    return str(end) or type(end).__name__


class _Context(Context):  # type: ignore[misc]
    """aiocoap's, for sessions that may end in the moment a request arrives, before its task has begun."""

    def _render_to_pipe(self, pipe: Any) -> _Rendering:
        return _Rendering(partial(super()._render_to_pipe, pipe))


class _Rendering:
    """The answering of a request, which is begun when awaited: one that never is leaves no coroutine behind."""

    def __init__(self, begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._begin = begin

    def __await__(self) -> Generator[Any, Any, None]:
        return self._begin().__await__()


class _Remote(interfaces.EndpointAddress, asyncio.DatagramProtocol):  # type: ignore[misc]
    """The server as aiocoap sees it: compared by identity, because a new session is a new peer (RFC 7252, 9.1.2)."""

    scheme = "coaps"
    is_multicast = False
    is_multicast_locally = False
    hostinfo = "server.invalid"
    hostinfo_local = "device.invalid"
    uri_base = "coaps://server.invalid"
    uri_base_local = "coaps://device.invalid"
    maximum_payload_size = BLOCK_SIZE

    def __init__(
        self,
        messages: interfaces.MessageManager,
        channel: Channel,
        meter: wire.WireMeter,
        tuning: Tuning,
        lose: Callable[[BaseException], None],
    ) -> None:
        self._messages = messages
        self._channel = channel
        self._meter = meter
        self._tuning = tuning
        self._lose = lose
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._connected.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._kinds: dict[bytes, str] = {}
        self.notified: dict[int, Callable[[], None]] = BoundedDict(MAX_NOTIFIED)
        """By message ID what a Reset of a non-confirmable notification calls; aiocoap knows confirmable ones only."""
        self.asleep = False

    @property
    def blockwise_key(self) -> int:
        return id(self)

    @property
    def maximum_block_size_exp(self) -> int:
        return BLOCK_SIZE.bit_length() - 5

    async def connect(self, host: str, port: int) -> None:
        self._transport, _ = await self._loop.create_datagram_endpoint(lambda: self, remote_addr=(host, port))
        self._channel.start()
        self._flush(wire.HANDSHAKE)
        if not self._channel.established:
            await self._connected

    def transmit(self, message: Message) -> None:
        """Protect and send one CoAP message; silently nothing after the end of the session."""
        if self._transport is None or self._channel.closed:
            return
        kind = self._kind(message)
        if message.code.is_request():
            self._kinds[message.token] = kind
        try:
            self._channel.send(message.encode())
        except ChannelError as failure:
            # Not at once: aiocoap is in the middle of sending.
            self._loop.call_soon(self._lose, failure)
            return
        self._flush(kind)

    def end(self, failure: BaseException) -> None:
        """Close the socket and let every request in flight fail with this reason."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._channel.close()
            self._flush(wire.HANDSHAKE)
            self._transport.close()
            self._transport = None
        if not self._connected.done():
            self._connected.set_exception(failure)
        self._messages.dispatch_error(error.RemoteServerShutdown(str(failure)), self)

    def abandon(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self.asleep:
            return
        established = self._channel.established
        try:
            messages = self._channel.receive(data)
        except ChannelError as failure:
            self._meter.received(wire.HANDSHAKE, len(data))
            self._flush(wire.HANDSHAKE)
            self._lose(failure)
            return
        self._flush(wire.HANDSHAKE)
        kinds = [self._dispatch(message) for message in messages]
        self._meter.received(next(iter(kinds), wire.MANAGEMENT if established else wire.HANDSHAKE), len(data))
        if self._channel.established and not self._connected.done():
            self._connected.set_result(None)

    def error_received(self, exc: Exception) -> None:
        """The operating system matched an ICMP error to this connected socket: nobody listens there now."""
        self._lose(exc)

    def _dispatch(self, plaintext: bytes) -> str:
        try:
            message = Message.decode(plaintext, self)
        except (error.UnparsableMessage, ValueError):
            # aiocoap lets the ValueError of an option through that is no UTF-8.
            return wire.MANAGEMENT
        message.transport_tuning = self._tuning
        kind = self._kind(message)
        if message.mtype is RST and (gone := self.notified.pop(message.mid, None)) is not None:
            gone()
        self._messages.dispatch_message(message)
        return kind

    def _kind(self, message: Message) -> str:
        if message.code.is_request():
            return wire.kind_of(tuple(message.opt.uri_path))
        if message.request is not None:
            return wire.kind_of(tuple(message.request.opt.uri_path))
        return self._kinds.pop(message.token, wire.MANAGEMENT)

    def _flush(self, kind: str) -> None:
        for datagram in self._channel.datagrams():
            if self._transport is not None:
                self._transport.sendto(datagram)
                self._meter.sent(kind, len(datagram))
        self._arm()

    def _arm(self) -> None:
        """Follow OpenSSL's retransmission timer, which only runs during a handshake."""
        if self._timer is not None:
            self._timer.cancel()
        seconds = None if self._channel.established else self._channel.timeout()
        self._timer = None if seconds is None else self._loop.call_later(seconds, self._expired)

    def _expired(self) -> None:
        try:
            self._channel.handle_timeout()
        except ChannelError as failure:
            self._lose(failure)
            return
        self._flush(wire.HANDSHAKE)


class _Interface(interfaces.MessageInterface):  # type: ignore[misc]
    """aiocoap's transport of exactly one remote."""

    def __init__(self, remote: _Remote) -> None:
        self._remote = remote

    def send(self, message: Message) -> None:
        message.remote.transmit(message)

    async def recognize_remote(self, remote: object) -> bool:
        return remote is self._remote

    async def determine_remote(self, message: Message) -> None:
        return None

    async def shutdown(self) -> None:
        return None


class _Tokens(TokenManager):  # type: ignore[misc]
    """Tells the session when retransmission ran out; aiocoap alone would keep using the dead one."""

    def __init__(self, context: Context, lose: Callable[[BaseException], None]) -> None:
        super().__init__(context)
        self._report = lose

    def dispatch_error(self, exception: Exception, remote: object) -> None:
        super().dispatch_error(exception, remote)
        self._report(exception)


class _Root(Resource):  # type: ignore[misc]
    """Every request of the server, whatever its path; bodies are bounded before they are assembled."""

    def __init__(self, handler: RequestHandler, tuning: Tuning) -> None:
        super().__init__()
        self._handler = handler
        self._tuning = tuning
        self._block1 = Bodies()
        self._block2._completes = BoundedDict(MAX_ANSWERS)

    async def render_to_pipe(self, pipe: Any) -> None:
        message = pipe.request
        path = tuple(message.opt.uri_path)
        start = message.opt.block1.start if message.opt.block1 else 0
        size = max(start + len(message.payload), message.opt.size1 or 0)
        if size > self._handler.body_limit(path):
            pipe.add_response(self._message(self._handler.too_large(path)), is_last=True)
            return
        await super().render_to_pipe(pipe)

    async def render(self, request: Message) -> Message:
        return self._message(await self._handler.handle(translation.incoming(request), Origin(request.token, request)))

    def first_block(self, request: Message, answer: Message) -> Message:
        """The notification, or its first block; the server fetches the rest as of any answer (RFC 7959, 2.6)."""
        if len(answer.payload) <= BLOCK_SIZE:
            return answer
        self._block2._completes[_extract_block_key(request)] = answer
        block = answer._extract_block(0, request.remote.maximum_block_size_exp, BLOCK_SIZE)
        block.token, block.remote, block.mtype = answer.token, answer.remote, answer.mtype
        return block

    def _message(self, response: Response) -> Message:
        return translation.answer(response, self._tuning)
