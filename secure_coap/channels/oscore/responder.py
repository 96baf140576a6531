"""EDHOC's resource at a server: messages 1 and 3 of anybody, and the sessions between them (RFC 9528 appendix A.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from secure_coap.association import Address
from secure_coap.channels.oscore.association import OscoreAssociation, response_to
from secure_coap.channels.oscore.config import EdhocServerConfig
from secure_coap.channels.oscore.edhoc_messages import TRUE
from secure_coap.channels.oscore.half_open import HalfOpen, HalfOpenSessions
from secure_coap.channels.oscore.identifiers import Identifiers
from secure_coap.counters import Counters
from secure_coap.edhoc import Ead, EdhocError, EdhocReason, Responder
from secure_coap.edhoc.session import Session
from secure_coap.engine.proof import AMPLIFICATION, AddressProof
from secure_coap.engine.rng import Rng
from secure_coap.limits import Limits
from secure_coap.message import Message
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import Option

_RETRY_AFTER: Final = b"\x05"
"""Seconds, Max-Age of 5.03 while all places are taken."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Message 3 was verified: the peer is who `session` says. `renews`: whose keys these are to replace."""

    session: Session
    ead: tuple[Ead, ...]
    renews: OscoreAssociation | None


class EdhocResponder:
    """All sessions of one endpoint as responder. `is_taken`: whether a context given beforehand has an identifier."""

    def __init__(  # noqa: PLR0917 - what a server shares with it
        self,
        config: EdhocServerConfig,
        rng: Rng,
        limits: Limits,
        counters: Counters,
        proof: AddressProof,
        is_taken: Callable[[bytes], bool],
    ) -> None:
        self._config = config
        self._counters = counters
        self._proof = proof
        self.identifiers = Identifiers(rng, is_taken)
        self._half_open = HalfOpenSessions(limits)

    def __len__(self) -> int:
        return len(self._half_open)

    def _responder(self) -> Responder:
        config, now = self._config, self._config.clock()
        return Responder(
            config.suites,
            config.identity_for,
            lambda id_cred: config.resolver.resolve(id_cred, now),
            config.methods,
            config.understood,
        )

    # --- message 1 ---

    def take_message_1(
        self, message: Message, datagram: bytes, remote: Address, now: float, renews: OscoreAssociation | None = None
    ) -> Message:
        """The answer: message 2, an error message, or an Echo that is to prove the address first."""
        before = self._half_open.asked_before(remote, datagram)
        if before is not None:
            self._counters.duplicates += 1
            return before.answer
        echo = message.value(Option.ECHO)
        proven = renews is not None or (echo is not None and self._proof.accepts(echo, remote, now))
        if not proven and self._half_open.wants_proof(remote):
            return self._ask_for_proof(message, remote, now)
        try:
            answer, session = self._begin(message, datagram, remote, now, renews)
        except EdhocError as error:
            return self.refusal(message, error)
        if session is None:
            return answer
        if not proven and len(answer.encode()) > AMPLIFICATION * len(datagram):
            self.identifiers.release(session.c_r, now)
            return self._ask_for_proof(message, remote, now)
        self._half_open.add(session)
        return answer

    def _begin(
        self, message: Message, datagram: bytes, remote: Address, now: float, renews: OscoreAssociation | None
    ) -> tuple[Message, HalfOpen | None]:
        got = self._responder().receive(message.payload[len(TRUE) :])
        free, dropped = self._half_open.give_way(remote, now)
        if dropped is not None:
            self._drop(dropped, now)
        if not free:
            self._counters.no_room += 1
            return response_to(message, Code.SERVICE_UNAVAILABLE, ((int(Option.MAX_AGE), _RETRY_AFTER),)), None
        c_r = self.identifiers.take(got.c_i, now)
        try:
            message_2, state = got.answer(c_r, self._config.ead)
        except EdhocError:
            self.identifiers.release(c_r, now)
            raise
        answer = response_to(message, Code.CHANGED, payload=message_2)
        return answer, HalfOpen(state, remote, now, hash(datagram), answer, got.ead_1, renews)

    def _ask_for_proof(self, message: Message, remote: Address, now: float) -> Message:
        self._counters.cookies += 1
        return response_to(message, Code.UNAUTHORIZED, ((int(Option.ECHO), self._proof.challenge(remote, now)),))

    # --- message 3 ---

    def take_message_3(self, c_r: bytes, message_3: bytes, remote: Address, now: float) -> Finished:
        """Raises `EdhocError`; then the session has ended, as it has when the initiator says so."""
        half_open = self._half_open.named(c_r, remote)
        if half_open is None:
            raise EdhocError(EdhocReason.MALFORMED, "no such session")
        try:
            session = _authenticated(half_open, message_3)
        except EdhocError:
            self._drop(half_open, now)
            raise
        self._half_open.remove(half_open)
        self._counters.handshakes += 1
        return Finished(session, half_open.ead_1 + session.ead, half_open.renews)

    # --- the rest ---

    def refusal(self, message: Message, error: EdhocError) -> Message:
        """4.00 with an error message, which says no more than the reason's name (RFC 9528 section 6)."""
        self._counters.refused += 1
        return response_to(message, Code.BAD_REQUEST, payload=error.error_message or b"")

    def _drop(self, half_open: HalfOpen, now: float) -> None:
        self._half_open.remove(half_open)
        self._counters.handshakes_failed += 1
        self.identifiers.release(half_open.c_r, now)

    def forget_overdue(self, now: float) -> None:
        """End what takes too long."""
        for half_open in self._half_open.overdue(now):
            self._drop(half_open, now)


def _authenticated(half_open: HalfOpen, message_3: bytes) -> Session:
    session = half_open.state.receive(message_3)
    if half_open.renews is not None and half_open.renews.peer != session.peer.peer:
        raise EdhocError(EdhocReason.CREDENTIAL, "another peer's")
    return session
