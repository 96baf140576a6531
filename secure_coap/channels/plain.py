"""CoAP without security (NoSec): one association per address, as light as can be."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from secure_coap.association import Address, Transport
from secure_coap.engine.link import LinkState

_LOOKED_AT: Final = 16
"""Associations looked at to find one that may give way."""


class PlainAssociation(LinkState):
    """An anonymous peer: nobody was verified, and there is no channel to bind to."""

    __slots__ = ("opened_at", "remote")

    transport: Final = Transport.UDP
    peer: Final = None
    channel_binding: Final = b""

    def __init__(self, remote: Address, now: float) -> None:
        super().__init__()
        self.remote = remote
        self.opened_at = self.heard_at = now


class PlainAssociations:
    """At most `limit` of them. When all places are taken, one that is neither busy nor heard of lately gives way.

    An address proves nothing, so nobody loses more than its place by that: its next datagram opens a new one.
    """

    def __init__(self, limit: int, *, kept_for: float) -> None:
        self.by_address: dict[Address, PlainAssociation] = {}
        self._limit = limit
        self._kept_for = kept_for
        self._in_turn: deque[PlainAssociation] = deque()

    def add(self, remote: Address, now: float) -> PlainAssociation:
        """A new association; the caller has made room."""
        association = self.by_address[remote] = PlainAssociation(remote, now)
        self._in_turn.append(association)
        if len(self._in_turn) > 2 * len(self.by_address) + _LOOKED_AT:  # most of them have ended
            self._in_turn = deque(self.by_address.values())
        return association

    def remove(self, association: PlainAssociation) -> None:
        """It ended."""
        if self.by_address.get(association.remote) is association:
            del self.by_address[association.remote]

    def must_give_way(
        self, now: float, is_busy: Callable[[PlainAssociation], bool]
    ) -> tuple[bool, PlainAssociation | None]:
        """Whether there is room for one more, and which association must be closed for it."""
        if len(self.by_address) < self._limit:
            return True, None
        for _ in range(min(_LOOKED_AT, len(self._in_turn))):
            candidate = self._in_turn.popleft()
            if self.by_address.get(candidate.remote) is not candidate:
                continue
            if now - candidate.heard_at > self._kept_for and not is_busy(candidate):
                return True, candidate
            self._in_turn.append(candidate)
        return False, None
