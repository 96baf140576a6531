"""OSCORE by aiocoap, message by message: bytes in, bytes out (RFC 8613).

It stands below aiocoap's message layer, where a DTLS channel stands too, so that one `CoapSession` serves both. What
that layer repeats must therefore be repeated as it was: a message protected twice would use up a sequence number and
leave the answer to the first one unreadable. Contexts live in memory and come from EDHOC; a device that restarts runs
EDHOC again, so no sequence number and no replay window has to survive.
"""

from __future__ import annotations

from typing import Any, Final

from aiocoap import error, oscore  # type: ignore[import-untyped]
from aiocoap.message import Direction, Message  # type: ignore[import-untyped]
from aiocoap.numbers.codes import Code as AioCode  # type: ignore[import-untyped]
from aiocoap.numbers.types import ACK  # type: ignore[import-untyped]

from device_client.emulator.transport.bounded import BoundedDict
from device_client.emulator.transport.channel import ChannelError

MAX_MESSAGES: Final = 1 << 20
"""Messages protected or opened under one key (draft-ietf-core-oscore-key-limits): then EDHOC gives another one."""
MAX_REMEMBERED: Final = 64
"""Requests, answers and received messages that are remembered, each."""
MAX_OBSERVED: Final = 128
"""Observations of the server: their notifications are bound to the request that began them."""
WINDOW: Final = 32
"""Sequence numbers of the replay window (RFC 8613 section 7.4)."""

_FORGED: Final = (error.Error, ValueError, IndexError)
"""What aiocoap raises for a datagram that nobody holding the keys has sent."""


class Context(oscore.CanProtect, oscore.CanUnprotect, oscore.SecurityContextUtils):  # type: ignore[misc]
    """A security context in memory, made from a fresh master secret."""

    echo_recovery = None

    def __init__(self, secret: bytes, salt: bytes, *, sender_id: bytes, recipient_id: bytes) -> None:
        self.alg_aead = oscore.algorithms["AES-CCM-16-64-128"]
        self.hashfun = oscore.hashfunctions["sha256"]
        self.id_context = None
        self.sender_id, self.recipient_id = sender_id, recipient_id
        self.sender_sequence_number = 0
        self.recipient_replay_window = oscore.ReplayWindow(WINDOW, lambda: None)
        self.recipient_replay_window.initialize_empty()
        self.inner_observe: int | None = None
        """Observe as it stood inside the last message opened; aiocoap believes the unprotected one outside."""
        self.derive_keys(salt, secret)

    def post_seqnoincrease(self) -> None:
        """Nothing to store: see above."""

    def _post_decrypt_checks(self, aad: bytes, plaintext: bytes, protected_message: Message, request_id: Any) -> None:
        inner = Message(code=plaintext[0])
        inner.opt.decode(plaintext[1:])
        self.inner_observe = inner.opt.observe


class Unprotected(Exception):
    """An answer to a protected request came without protection: an error, or a lie (RFC 8613 section 8.2)."""

    def __init__(self, answer: Message) -> None:
        super().__init__(f"{answer.code}")
        self.answer = answer


class Protection:
    """The messages of one association. Empty messages are not protected (RFC 8613 section 4.2).

    `message_3` of EDHOC, if there is one, travels with the first request (RFC 9668 section 3.2.1).
    """

    def __init__(self, context: Context, message_3: bytes = b"") -> None:
        self._context = context
        self._message_3 = message_3
        self.confirmed = False
        """Whether the server has shown that it has the same keys."""
        self._left = MAX_MESSAGES
        self._sent: dict[int, tuple[bytes, bytes]] = BoundedDict(MAX_REMEMBERED)
        """By message ID what was sent, before and after protection."""
        self._received: dict[int, bytes] = BoundedDict(MAX_REMEMBERED)
        self._answers: dict[int, bytes] = BoundedDict(MAX_REMEMBERED)
        """By message ID of the server's request what was sent at once: an acknowledgement, perhaps with the answer."""
        self._own: dict[bytes, object] = BoundedDict(MAX_REMEMBERED)
        self._asked: dict[bytes, object] = BoundedDict(MAX_REMEMBERED)
        self._observed: dict[bytes, object] = BoundedDict(MAX_OBSERVED)
        """By token what binds responses to requests: own ones, the server's, and those that began an observation."""

    def protect(self, plain: bytes) -> bytes | None:
        """The datagram for a message; None for an answer to a request that is not remembered any more."""
        message = Message.decode(plain)
        before, datagram = self._sent.get(message.mid, (None, b""))
        if before != plain:
            protected = message if message.code is AioCode.EMPTY else self._protected(message)
            if protected is None:
                return None
            datagram = protected.encode()
            self._sent[message.mid] = (plain, datagram)
        if message.mtype is ACK:
            self._answers[message.mid] = datagram
        return datagram

    def repeated(self, datagram: bytes) -> bytes | None:
        """What is to be sent again for a request that has come before; None for everything else."""
        mid = int.from_bytes(datagram[2:4], "big")
        return self._answers.get(mid) if self._received.get(mid) == datagram else None

    def open(self, datagram: bytes) -> bytes | None:
        """The message inside; None for what is forged, repeated or bound to nothing.

        Raises Unprotected for an answer outside the context, ChannelError when the keys are used up.
        """
        try:
            outer = Message.decode(datagram)
            if outer.code is AioCode.EMPTY:
                return datagram
            inner = self._request(outer, datagram) if outer.code.is_request() else self._response(outer)
        except _FORGED:
            return None
        if inner is None:
            return None
        self.confirmed = True
        return bytes(inner.encode())

    def _protected(self, message: Message) -> Message | None:
        self._use()
        message.direction = Direction.OUTGOING
        if message.code.is_request():
            outer, self._own[message.token] = self._context.protect(message)
            if self._message_3:
                outer.opt.edhoc = True
                outer.payload, self._message_3 = self._message_3 + outer.payload, b""
        else:
            request = self._observed.get(message.token) or self._asked.get(message.token)
            if request is None:
                return None
            observed = message.opt.observe is not None
            if observed:
                # A notification has a sequence number of its own, which is its place in the order (section 4.1.3.5.2).
                request.can_reuse_nonce = False  # type: ignore[attr-defined]
                message.opt.observe = 0
            outer, _ = self._context.protect(message, request)
            outer.opt.observe = self._context.sender_sequence_number & 0xFFFFFF if observed else None
        outer.mtype, outer.mid, outer.token = message.mtype, message.mid, message.token
        return outer

    def _request(self, outer: Message, datagram: bytes) -> Message | None:
        if outer.opt.oscore is None:
            return None
        self._use()
        inner, request = self._context.unprotect(outer)
        inner.opt.observe = self._context.inner_observe
        (self._observed if inner.opt.observe == 0 else self._asked)[outer.token] = request
        if inner.opt.observe == 1:
            self._observed.pop(outer.token, None)
        self._received[outer.mid] = datagram
        return _around(inner, outer)

    def _response(self, outer: Message) -> Message | None:
        request = self._own.get(outer.token)
        if request is None:
            return None
        if outer.opt.oscore is None:
            raise Unprotected(outer)
        self._use()
        inner, _ = self._context.unprotect(outer, request)
        return _around(inner, outer)

    def _use(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise ChannelError("the keys of this association are used up")


def _around(inner: Message, outer: Message) -> Message:
    inner.mtype, inner.mid, inner.token = outer.mtype, outer.mid, outer.token
    inner.direction = Direction.OUTGOING  # aiocoap encodes no others
    return inner
