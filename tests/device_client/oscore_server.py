"""The server's end of one OSCORE association, without sockets: the product's EDHOC and OSCORE against aiocoap's."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.serialization import Encoding

from cose import cbor
from device_client.emulator.transport.edhoc import SUITES, EdhocClient, EdhocCredentials, Patience
from device_pki.identity import RawKeyIdentity
from secure_coap.edhoc import (
    EdhocError,
    EdhocIdentity,
    IdCred,
    Method,
    ResolvedCredential,
    Responder,
    UnknownCredential,
)
from secure_coap.edhoc.credentials import x509_credential
from secure_coap.edhoc.messages import identifier
from secure_coap.edhoc.responder import WaitMessage3
from secure_coap.edhoc.session import Session
from secure_coap.message import Message, MessageType, decode
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option
from secure_coap.oscore import (
    RequestBinding,
    SecurityContext,
    protect_request,
    protect_response,
    unprotect_request,
    unprotect_response,
)
from tests.device_client.pki import Identified

C_R = b"\x05"
EDHOC_OPTION = 21
PATIENCE = Patience(ack_timeout=2.0, max_retransmit=4)


def identity(one: Identified) -> EdhocIdentity:
    der = one.certificate.public_bytes(Encoding.DER)
    return EdhocIdentity(one.key, x509_credential(der), IdCred.of_x5t(der))


def knows(*known: Identified):  # type: ignore[no-untyped-def]
    """A lookup of certificates by reference."""
    by_reference = {}
    for one in known:
        own = identity(one)
        peer = RawKeyIdentity(bytes(32), None)
        by_reference[own.id_cred.encode()] = ResolvedCredential(own.credential, one.key.public_key(), peer)

    def lookup(id_cred: IdCred) -> ResolvedCredential:
        if id_cred.encode() not in by_reference:
            raise UnknownCredential("a stranger")
        return by_reference[id_cred.encode()]

    return lookup


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Server:
    """Answers one device; `refusals` counts what it did not take."""

    server: Identified
    device: Identified
    waiting: WaitMessage3 | None = None
    session: Session | None = None
    context: SecurityContext = field(init=False)
    echo: bytes = b""
    """What it wants to see before it answers message 1."""
    seen: list[Message] = field(default_factory=list)

    def responder(self) -> Responder:
        return Responder(SUITES, lambda method, suite: identity(self.server), knows(self.device))

    def take(self, datagram: bytes) -> Message | None:
        """A request inside, once there is one; the answers of the handshake go to `answers`."""
        outer = decode(datagram)
        if outer.code is Code.EMPTY:
            return outer
        if outer.value(Option.OSCORE) is None:
            return self._edhoc(outer)
        if outer.value(EDHOC_OPTION) is not None:
            outer = self._combined(outer)
        inner, binding = unprotect_request(outer, self.context)
        self.seen.append(inner)
        self.binding = binding
        return inner

    def answer(self, request: Message, code: Code, payload: bytes = b"") -> bytes:
        plain = Message(MessageType.ACK, code, request.mid, request.token, payload=payload)
        return protect_response(plain, self.context, self.binding).encode()

    def request(self, plain: Message) -> tuple[bytes, RequestBinding]:
        outer, binding = protect_request(plain, self.context)
        return outer.encode(), binding

    def response(self, datagram: bytes, binding: RequestBinding) -> Message:
        return unprotect_response(decode(datagram), self.context, binding)[0]

    def _edhoc(self, request: Message) -> Message:
        if request.payload[:1] == b"\xf5":
            if self.echo and request.value(Option.ECHO) != self.echo:
                options = ((int(Option.ECHO), self.echo),)
                return Message(MessageType.ACK, Code.UNAUTHORIZED, request.mid, request.token, options)
            first = self.responder().receive(request.payload[1:])
            message_2, self.waiting = first.answer(C_R)
            return Message(MessageType.ACK, Code.CHANGED, request.mid, request.token, payload=message_2)
        assert request.payload.startswith(identifier(C_R))
        self._finish(request.payload[len(identifier(C_R)) :])
        return Message(MessageType.ACK, Code.CHANGED, request.mid, request.token)

    def _combined(self, outer: Message) -> Message:
        message_3, rest = _first_item(outer.payload)
        self._finish(message_3)
        options = tuple(one for one in outer.options if one[0] != EDHOC_OPTION)
        return Message(outer.type, outer.code, outer.mid, outer.token, options, rest)

    def _finish(self, message_3: bytes) -> None:
        assert self.waiting is not None
        self.session = self.waiting.receive(message_3)
        secret, salt = self.session.exporter.oscore()
        self.context = SecurityContext.derive(secret, salt, sender_id=self.session.c_i, recipient_id=self.session.c_r)


def _first_item(data: bytes) -> tuple[bytes, bytes]:
    for end in range(1, len(data) + 1):
        try:
            cbor.decode(data[:end], max_size=4096)
        except cbor.CborError:
            continue
        return data[:end], data[end:]
    raise EdhocError  # type: ignore[call-arg]


def client(
    device: Identified,
    server: Identified,
    method: Method = Method.SIGNATURE_SIGNATURE,
    *,
    combined: bool = True,
    padded_to: int = 0,
) -> tuple[EdhocClient, Clock]:
    clock = Clock()
    credentials = EdhocCredentials(method, identity(device), knows(server), combined, padded_to)
    return EdhocClient(credentials, PATIENCE, clock, 7), clock
