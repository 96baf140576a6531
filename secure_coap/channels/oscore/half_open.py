"""Sessions between message 2 and message 3, all that is kept of peers nobody has authenticated: bounded and soon gone.

While there is room a place costs a stranger one message 1. Beyond half of all places, or for a source with many, it
costs a round trip more: an Echo proves the address first (RFC 9175 section 2.4; security rule 26).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from secure_coap.association import Address
from secure_coap.channels.oscore.association import OscoreAssociation
from secure_coap.channels.source import source_of
from secure_coap.edhoc import Ead
from secure_coap.edhoc.responder import WaitMessage3
from secure_coap.limits import Limits
from secure_coap.message import Message

_STALLED: Final = 5.0
"""Seconds after which a session gives way when all places are taken."""


@dataclass(slots=True, eq=False)
class HalfOpen:
    """One session. `asked` is the hash of message 1's datagram, `answer` message 2, `ead_1` what came with message 1.

    `renews`: the association it came through, whose keys it is to replace.
    """

    state: WaitMessage3
    remote: Address
    since: float
    asked: int
    answer: Message = field(repr=False)
    ead_1: tuple[Ead, ...]
    renews: OscoreAssociation | None = None

    @property
    def c_r(self) -> bytes:
        """Our identifier of the session."""
        return self.state.c_r


class HalfOpenSessions:
    """By our identifier, the oldest first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_identifier: dict[bytes, HalfOpen] = {}
        self._by_message: dict[tuple[Address, int], HalfOpen] = {}
        self._per_source: Counter[str | None] = Counter()

    def __len__(self) -> int:
        return len(self._by_identifier)

    def asked_before(self, remote: Address, datagram: bytes) -> HalfOpen | None:
        """The session that this very datagram began."""
        return self._by_message.get((remote, hash(datagram)))

    def named(self, c_r: bytes, remote: Address) -> HalfOpen | None:
        """The session of an identifier, if it is that address's."""
        found = self._by_identifier.get(c_r)
        return found if found is not None and found.remote == remote else None

    def wants_proof(self, remote: Address) -> bool:
        """Whether an address must be proven before it gets a place."""
        return len(self) >= self._limits.half_open // 2 or self._is_crowded(source_of(remote[0]))

    def give_way(self, remote: Address, now: float) -> tuple[bool, HalfOpen | None]:
        """Whether a proven address may have a place, and which session must be dropped for it."""
        source = source_of(remote[0])
        crowded = self._is_crowded(source)
        if not crowded and len(self) < self._limits.half_open:
            return True, None
        for session in self._by_identifier.values():
            if not crowded or source_of(session.remote[0]) == source:
                stalled = now - session.since > _STALLED
                return stalled, session if stalled else None
        return False, None

    def _is_crowded(self, source: str | None) -> bool:
        return source is not None and self._per_source[source] >= self._limits.half_open_per_source

    def add(self, session: HalfOpen) -> None:
        """The caller has made room."""
        self._by_identifier[session.c_r] = session
        self._by_message[session.remote, session.asked] = session
        self._per_source[source_of(session.remote[0])] += 1

    def remove(self, session: HalfOpen) -> None:
        """It finished, failed or took too long."""
        del self._by_identifier[session.c_r]
        if self._by_message.get((session.remote, session.asked)) is session:
            del self._by_message[session.remote, session.asked]
        source = source_of(session.remote[0])
        self._per_source[source] -= 1
        if not self._per_source[source]:
            del self._per_source[source]

    def overdue(self, now: float) -> list[HalfOpen]:
        """Those that take too long."""
        found = []
        for session in self._by_identifier.values():
            if now - session.since <= self._limits.handshake_time:
                break
            found.append(session)
        return found
