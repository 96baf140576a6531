"""An OSCORE association whose keys come from EDHOC, as bytes in, bytes out (RFC 9528 appendix A.2, RFC 9668).

The device is the initiator. Message 3 travels with the first request that is protected by the new keys, unless the
server is one that cannot take it so. The server is judged when message 2 has named it: one that is not trusted learns
nothing of who the device is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiocoap import error  # type: ignore[import-untyped]
from aiocoap.message import Message  # type: ignore[import-untyped]
from aiocoap.numbers.codes import Code as AioCode  # type: ignore[import-untyped]
from aiocoap.numbers.types import ACK, CON, RST  # type: ignore[import-untyped]

from device_client.emulator.transport.channel import ChannelError, HandshakeRefused, ServerNotTrusted
from device_client.emulator.transport.oscore import Context, Protection, Unprotected
from secure_coap.edhoc import (
    CipherSuite,
    CredentialLookup,
    Ead,
    EdhocError,
    EdhocIdentity,
    EdhocReason,
    Initiator,
    Method,
)
from secure_coap.edhoc.curves import DhPrivateKey, DhPublicKey
from secure_coap.edhoc.initiator import WaitMessage2
from secure_coap.edhoc.messages import identifier, items
from secure_coap.edhoc.numbers import EadLabel, ErrorCode
from secure_coap.edhoc.session import Session
from secure_coap.numbers.content_formats import ContentFormat

PATH: Final = (".well-known", "edhoc")
SUITES: Final = (CipherSuite.P256_CCM_8,)
"""What the keys of all certificates here fit: P-256, and OSCORE with AES-CCM-16-64-128."""
C_I: Final = b"\x00"
"""This side's identifier of the session; it is the only one on its socket, so one for all does."""
MAX_TRIES: Final = 3
"""First messages sent: as it is, and again with the Echo the server asks for (RFC 9175)."""
_NOT_THE_SERVER: Final = (EdhocReason.CREDENTIAL, EdhocReason.CREDENTIAL_KIND, EdhocReason.AUTHENTICATION)
_MESSAGE_1: Final = b"\xf5"
"""CBOR true before message 1 (RFC 9528 appendix A.2.1)."""


@dataclass(frozen=True, slots=True)
class EdhocCredentials:
    """Who the device is in EDHOC, how it authenticates, and how it judges the server.

    `combined`: message 3 travels with the first request (RFC 9668). `padded_to`: bytes of the first datagram; a server
    answers an unproven address with three times as much at most, and else asks for an Echo first. `answered` is called
    with the bytes of that answer. `unknown` is called when the server says that it does not hold the credential the
    device has only named: the next association has to bring it.
    """

    method: Method
    identity: EdhocIdentity
    lookup: CredentialLookup
    combined: bool = True
    padded_to: int = 0
    answered: Callable[[int], None] = lambda _: None
    unknown: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Patience:
    """Transmission of messages 1 and 3 (RFC 7252 section 4.2): seconds until the first repetition, and how many."""

    ack_timeout: float
    max_retransmit: int


class EdhocClient:
    """One association, from message 1 to its end; never reused.

    `clock` gives seconds that never go back, `mid` is the first Message ID: one that strangers cannot guess.
    """

    def __init__(self, credentials: EdhocCredentials, patience: Patience, clock: Callable[[], float], mid: int) -> None:
        self._credentials = credentials
        self._patience = patience
        self._clock = clock
        self._initiator = Initiator(credentials.method, SUITES, credentials.identity, credentials.lookup, C_I)
        self._waiting: WaitMessage2 | None = None
        self._payload = b""
        self._tries = 0
        self._mid = mid
        self._request = b""
        """The request that waits for its answer."""
        self._repetitions = 0
        self._due: float | None = None
        self._protection: Protection | None = None
        self._out: list[bytes] = []
        self.established = False
        self.closed = False
        self.channel_binding = b""
        self.responder_key: DhPrivateKey | DhPublicKey | None = None

    def start(self) -> None:
        message_1, self._waiting = self._initiator.start()
        missing = self._credentials.padded_to - len(self._posted(_MESSAGE_1 + message_1))
        if missing > 0:
            message_1, self._waiting = self._initiator.start((Ead(EadLabel.PADDING, bytes(missing)),))
        self._payload = _MESSAGE_1 + message_1
        self._post(self._payload)

    def receive(self, datagram: bytes) -> list[bytes]:
        """The messages in a datagram. Raises ChannelError when the association failed or has ended."""
        if self.closed:
            return []
        try:
            return self._take_protected(datagram) if self.established else self._take(datagram)
        except ChannelError:
            self.closed = True
            raise

    def send(self, plaintext: bytes) -> None:
        if self.closed or self._protection is None:
            raise ChannelError("no association: connect first")
        datagram = self._protection.protect(plaintext)
        if datagram is not None:
            self._out.append(datagram)

    def datagrams(self) -> list[bytes]:
        out, self._out = self._out, []
        return out

    def timeout(self) -> float | None:
        return None if self.closed or self._due is None else max(0.0, self._due - self._clock())

    def handle_timeout(self) -> None:
        """Repeat what was not answered. Raises ChannelError when there is no use in it any more."""
        if self.closed or self._due is None or self._clock() < self._due:
            return
        if self._repetitions >= self._patience.max_retransmit:
            self.closed = True
            raise ChannelError("the server does not answer the handshake")
        self._repetitions += 1
        self._out.append(self._request)
        self._wait()

    def close(self) -> None:
        """OSCORE has no goodbye: the server notices the next handshake, or that no update comes."""
        self.closed = True

    # ---- the handshake --------------------------------------------------------------------------

    def _posted(self, payload: bytes, echo: bytes | None = None) -> bytes:
        message = Message(code=AioCode.POST, payload=payload, _mtype=CON, _mid=self._mid, _token=b"")
        message.opt.uri_path = PATH
        message.opt.content_format = int(ContentFormat.CID_EDHOC_CBOR_SEQ)
        message.opt.echo = echo
        return bytes(message.encode())

    def _post(self, payload: bytes, echo: bytes | None = None) -> None:
        self._mid = (self._mid + 1) % (1 << 16)
        self._request = self._posted(payload, echo)
        self._repetitions = 0
        self._out.append(self._request)
        self._wait()

    def _wait(self) -> None:
        self._due = self._clock() + self._patience.ack_timeout * 2**self._repetitions

    def _take(self, datagram: bytes) -> list[bytes]:
        answer = _decoded(datagram)
        if answer is None or answer.code.is_request():
            return []
        if answer.mtype in (ACK, RST) and answer.mid != self._mid:
            return []
        if answer.mtype is RST:
            raise HandshakeRefused("the server speaks no EDHOC here")
        self._due = None
        if answer.mtype is CON:
            acknowledgement = Message(code=AioCode.EMPTY, _mtype=ACK, _mid=answer.mid)
            self._out.append(acknowledgement.encode())
        if answer.code is not AioCode.EMPTY:
            self._answered(answer, len(datagram))
        return []

    def _answered(self, answer: Message, size: int) -> None:
        if not answer.code.is_successful():
            self._refused(answer)
        elif self._waiting is not None:
            self._credentials.answered(size)
            self._message_2(answer.payload)
        else:
            self.established = True

    def _refused(self, answer: Message) -> None:
        """Try again if the server says how; HandshakeRefused otherwise."""
        self._tries += 1
        wants_echo = answer.code is AioCode.UNAUTHORIZED and answer.opt.echo is not None
        if self._waiting is not None and wants_echo and self._tries < MAX_TRIES:
            self._post(self._payload, answer.opt.echo)
            return
        raise self._refusal(answer)

    def _message_2(self, message_2: bytes) -> None:
        assert self._waiting is not None
        try:
            message_3, session = self._waiting.receive(message_2)
        except EdhocError as failure:
            # Nothing is said to the server: it has kept nothing that an error message could end.
            if failure.reason in _NOT_THE_SERVER:
                raise ServerNotTrusted(f"the server is not trusted: {failure.__cause__ or failure}") from failure
            raise ChannelError(f"the handshake failed: {failure}") from failure
        self._waiting = None
        combined = self._credentials.combined
        self._protection = Protection(_context(session), message_3 if combined else b"")
        self.channel_binding = session.exporter.channel_binding()
        self.responder_key = session.responder_key
        if combined:
            self.established = True
        else:
            self._post(identifier(session.c_r) + message_3)

    # ---- afterwards -----------------------------------------------------------------------------

    def _take_protected(self, datagram: bytes) -> list[bytes]:
        assert self._protection is not None
        if (again := self._protection.repeated(datagram)) is not None:
            self._out.append(again)
            return []
        try:
            opened = self._protection.open(datagram)
        except Unprotected as outside:
            self._outside(outside.answer)
            return []
        return [] if opened is None else [opened]

    def _outside(self, answer: Message) -> None:
        """An unprotected answer says nothing about the request; at most that the server has not these keys."""
        assert self._protection is not None
        if answer.code.is_successful():
            return
        if not self._protection.confirmed:
            raise self._refusal(answer)
        if answer.code is AioCode.UNAUTHORIZED:
            raise ChannelError("the server does not know this association any more")

    def _refusal(self, answer: Message) -> HandshakeRefused:
        """What the answer's code and its EDHOC error message say."""
        said = _error_code(answer.payload)
        if said == ErrorCode.UNKNOWN_CREDENTIAL:
            self._credentials.unknown()
            return HandshakeRefused("the server does not know the device's credential")
        return HandshakeRefused(f"the server ended the handshake: {answer.code}, EDHOC error {said}")


def _context(session: Session) -> Context:
    secret, salt = session.exporter.oscore()
    return Context(secret, salt, sender_id=session.c_r, recipient_id=session.c_i)


def _decoded(datagram: bytes) -> Message | None:
    try:
        return Message.decode(datagram)
    except (error.Error, ValueError):
        return None


def _error_code(message: bytes) -> int | None:
    """ERR_CODE of an EDHOC error message (RFC 9528 section 6); None for anything else."""
    try:
        code = items(message)[0]
    except (EdhocError, IndexError):
        return None
    return code if isinstance(code, int) else None
