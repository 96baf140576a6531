"""EDHOC as a client begins it: messages 1 and 3 as requests to the server's resource (RFC 9528 appendix A.2).

Their tokens are empty: nothing else is outstanding, and a response that does not belong here does not open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from secure_coap.channels.oscore.config import EdhocClientConfig
from secure_coap.channels.oscore.edhoc_messages import PATH, TRUE
from secure_coap.edhoc import Ead, EdhocError, EdhocReason, Initiator
from secure_coap.edhoc.initiator import WaitMessage2
from secure_coap.edhoc.messages import error_of, identifier
from secure_coap.edhoc.numbers import EadLabel
from secure_coap.edhoc.session import Session
from secure_coap.engine.rng import Rng
from secure_coap.message import Message, MessageType
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option
from secure_coap.numbers.parameters import TransmissionParameters

_TRIES: Final = 3
"""Messages 1 of one handshake: after an Echo, and after another cipher suite was asked for."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """The server is who `session` says. `message_3` is for the first request, unless it has been sent already."""

    session: Session
    message_3: bytes
    ead: tuple[Ead, ...]
    """What the server added to message 2."""


class EdhocInitiator:
    """One handshake. After every call there may be something in `outgoing`; `resend_at` is when to call `repeat`."""

    def __init__(
        self, config: EdhocClientConfig, c_i: bytes, rng: Rng, parameters: TransmissionParameters, now: float
    ) -> None:
        self._config = config
        self._rng = rng
        self._parameters = parameters
        self._moment = config.clock()
        self._initiator = Initiator(
            config.method,
            config.suites,
            config.identity,
            lambda id_cred: config.resolver.resolve(id_cred, self._moment),
            c_i,
            config.understood,
        )
        self._waiting: WaitMessage2 | None = None
        self._agreed: Agreed | None = None
        self._request: Message | None = None
        self._echo = b""
        self._tries = 0
        self._wait = 0.0
        self._left = 0
        self.resend_at: float | None = None
        self.outgoing: list[bytes] = []
        self._begin(now)

    # --- sending ---

    def _begin(self, now: float) -> None:
        self._tries += 1
        message_1, self._waiting = self._initiator.start(self._config.ead_1)
        size = len(self._post(TRUE + message_1).encode())
        if size < self._config.padded_to:
            padding = Ead(EadLabel.PADDING, bytes(_filling(self._config.padded_to - size)))
            message_1, self._waiting = self._initiator.start((*self._config.ead_1, padding))
        self._send(self._post(TRUE + message_1), now)

    def _post(self, payload: bytes) -> Message:
        options = [(int(Option.URI_PATH), segment) for segment in PATH]
        if self._echo:
            options.append((int(Option.ECHO), self._echo))
        mid = int.from_bytes(self._rng.randbytes(2), "big")
        return Message(MessageType.CON, Code.POST, mid, b"", tuple(options), payload)

    def _send(self, message: Message, now: float) -> None:
        self._request = message
        factor = 1 + self._rng.random() * (self._parameters.ack_random_factor - 1)
        self._wait, self._left = self._parameters.ack_timeout * factor, self._parameters.max_retransmit
        self.resend_at = now + self._wait
        self.outgoing.append(message.encode())

    def repeat(self, now: float) -> None:
        """Send again what was not answered. Raises `EdhocError` when that has been done often enough."""
        if self._request is None or self.resend_at is None or now < self.resend_at:
            return
        if self._left == 0:
            raise EdhocError(EdhocReason.PEER, "no answer")
        self._left -= 1
        self._wait *= 2
        self.resend_at = now + self._wait
        self.outgoing.append(self._request.encode())

    # --- receiving ---

    def awaits(self, message: Message) -> bool:
        """Whether a message is for this handshake."""
        if self._request is None or message.token:
            return False
        own = message.type in (MessageType.ACK, MessageType.RST)
        return message.mid == self._request.mid if own else message.code != Code.EMPTY

    def receive(self, message: Message, now: float) -> Agreed | None:
        """A message without OSCORE; what was agreed on, once the server has said all it has to.

        Raises `EdhocError`: the handshake has failed.
        """
        if not self.awaits(message):
            return None
        if message.type is MessageType.RST:
            raise EdhocError(EdhocReason.PEER, "rejected")
        if message.code == Code.EMPTY:
            self.resend_at = None
            return None
        if message.type is MessageType.CON:
            self.outgoing.append(Message.empty(MessageType.ACK, message.mid).encode())
        return self._answered(message, now)

    def _answered(self, message: Message, now: float) -> Agreed | None:
        echo = message.value(Option.ECHO)
        if (
            message.code == Code.UNAUTHORIZED
            and echo is not None
            and self._tries < _TRIES
            and self._request is not None
        ):
            self._tries += 1
            self._echo = echo
            self._send(self._post(self._request.payload), now)
            return None
        if message.code != Code.CHANGED:
            self._refused(message, now)
            return None
        self._request, self.resend_at = None, None
        if self._agreed is not None:
            if message.payload:  # message 4 is the server's to send or not
                self._agreed.session.take_message_4(message.payload, self._config.understood)
            return self._agreed
        assert self._waiting is not None
        message_3, session = self._waiting.receive(message.payload, self._config.ead_3)
        if self._config.combined:
            return Agreed(session, message_3, session.ead)
        self._agreed = Agreed(session, b"", session.ead)
        self._send(self._post(identifier(session.c_r) + message_3), now)
        return None

    def _refused(self, message: Message, now: float) -> None:
        """Another cipher suite may be asked for; every other error is the end (RFC 9528 section 6)."""
        error = error_of(message.payload)
        if not error.suites or self._agreed is not None or self._tries >= _TRIES:
            raise error
        self._initiator = self._initiator.selecting(error.suites)
        self._begin(now)


def _filling(missing: int) -> int:
    """Bytes in a padding item that is at least so long in all: label and length take two or three."""
    return max(0, missing - 2) if missing - 2 < 24 else max(24, missing - 3)
