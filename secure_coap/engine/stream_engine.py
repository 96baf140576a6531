"""The engine of an endpoint over streams (RFC 8323): one for all its connections; the streams' `Engine`.

What goes out is in `outbox`; connections that must end are in `endings`, after the last message to them.
"""

from __future__ import annotations

from collections.abc import Callable

from secure_coap.counters import Counters
from secure_coap.engine.budget import BodyBudget
from secure_coap.engine.client_role import Reception
from secure_coap.engine.conversation import Conversation
from secure_coap.engine.frames import Frame
from secure_coap.engine.incoming import Incoming, Stage
from secure_coap.engine.link import Link
from secure_coap.engine.options import read_request
from secure_coap.engine.rng import Rng
from secure_coap.engine.roles import Roles
from secure_coap.engine.server_role import ServerRole
from secure_coap.engine.shared import Shared
from secure_coap.engine.stream import Stream
from secure_coap.errors import CoapError, MessageFormatError
from secure_coap.limits import Limits
from secure_coap.message import HEADER, VERSION_1, Message, MessageType, decode_body
from secure_coap.numbers.codes import CODES, Code
from secure_coap.numbers.options import CsmOption, is_critical
from secure_coap.numbers.parameters import TransmissionParameters


class StreamServer(ServerRole):
    """Requests over streams."""

    bert = True

    def receive(self, link: Link, frame: Frame, now: float) -> Incoming | None:
        """A request message. It is returned if the application is to answer it. Raises `MessageFormatError`."""
        code, token, body = frame
        head = bytes((VERSION_1 | len(token), code, 0, 0))  # what it would have been over datagrams
        incoming = Incoming(link, 0, head + token, HEADER + len(token))
        try:
            incoming.request, transfer = read_request(CODES[code], body, 0, confirmable=True)
            return incoming if self._admit(incoming, incoming.request, transfer, now) else None
        except CoapError as error:
            self._shared.counters.refused += 1
            self.refuse(incoming, error, now)
            return None

    def defer(self, incoming: Incoming, now: float) -> None:
        """The application answers later."""
        incoming.stage = Stage.DEFERRED
        incoming.link.deferred += 1

    def _deliver_encoded(self, incoming: Incoming, code: Code, body: bytes, now: float) -> None:
        stream_of(incoming.link).write(code, incoming.token, body)
        self._stay_silent(incoming, now)

    def _stay_silent(self, incoming: Incoming, now: float) -> None:
        if incoming.stage is Stage.DEFERRED:
            incoming.link.deferred -= 1
        incoming.stage = Stage.ANSWERED

    def _whole_body(self, incoming: Incoming) -> int:
        return stream_of(incoming.link).whole_body

    def _exponent(self, incoming: Incoming) -> int:
        return stream_of(incoming.link).block_exponent


class StreamEngine(Roles):
    """Both roles of all connections. `now` is seconds of any monotonic clock, the same in every call."""

    def __init__(
        self,
        *,
        rng: Rng,
        parameters: TransmissionParameters,
        limits: Limits,
        claim: Callable[[Link, bytes], None] | None = None,
    ) -> None:
        counters = Counters()
        shared = Shared(parameters, limits, rng, counters, BodyBudget(limits.bodies_total), claim=claim)
        server = StreamServer(shared)
        super().__init__(shared, server)
        self._requests = server
        self.endings: list[tuple[Link, str]] = []

    def open(self, link: Link) -> None:
        """A connection begins."""
        super().open(link)
        stream = Stream(link, self._shared)
        link.conversation = Conversation(link, self._shared, stream)
        stream.settle()

    def receive(self, link: Link, data: bytes, now: float) -> list[Incoming]:
        """Bytes of the peer, already decrypted. The requests they complete: answer each by `respond`, or `defer` it."""
        found: list[Incoming] = []
        try:
            for frame in stream_of(link).reader.feed(data):
                incoming = self._receive(link, frame, now)
                if incoming is not None:
                    found.append(incoming)
        except MessageFormatError as error:
            self.counters.malformed += 1
            self._abort(link, str(error))
        return found

    def awaited(self, link: Link) -> int | None:
        """The number of the message that has begun and is not complete, counted from the first of the connection."""
        reader = stream_of(link).reader
        return reader.read if reader.is_partial else None

    def _receive(self, link: Link, frame: Frame, now: float) -> Incoming | None:
        code = CODES[frame[0]]
        if code.code_class == Code.CSM.code_class:
            self._signal(link, code, frame)
        elif not stream_of(link).settled:
            raise MessageFormatError("the first message must be a CSM")
        elif code.is_request:
            return self._requests.receive(link, frame, now)
        elif code.is_response:
            self._respond_to(link, code, frame, now)
        return None  # Empty messages and reserved classes are ignored (section 3.4)

    def _respond_to(self, link: Link, code: Code, frame: Frame, now: float) -> None:
        options, payload = decode_body(frame[2], 0)
        message = Message(MessageType.NON, code, 0, frame[1], tuple(options), payload)
        if self._received_by_client(link, message, now) is Reception.UNKNOWN:
            self.counters.unasked += 1

    def _signal(self, link: Link, code: Code, frame: Frame) -> None:
        """Signals (section 5). Options we do not know matter only if they are critical."""
        stream = stream_of(link)
        _, token, body = frame
        options, _ = decode_body(body, 0)
        known = tuple(CsmOption) if code is Code.CSM else ()
        for number, _ in options:
            if is_critical(number) and number not in known:
                raise MessageFormatError(f"critical option {number} of a signal is unknown")
        if code is Code.CSM:
            stream.settled_by(options)
        elif code is Code.PING:
            stream.write(Code.PONG, token, b"")
        elif code is Code.RELEASE:
            self.endings.append((link, "released by the peer"))
        elif code is Code.ABORT:
            self.endings.append((link, "aborted by the peer"))

    def _abort(self, link: Link, reason: str) -> None:
        """Say why, and end (section 5.6)."""
        stream_of(link).write(Code.ABORT, b"", b"\xff" + reason.encode())
        self.endings.append((link, f"aborted: {reason}"))


def stream_of(link: Link) -> Stream:
    """The connection behind an association of this engine."""
    assert link.conversation is not None and isinstance(link.conversation.sender, Stream)
    return link.conversation.sender
