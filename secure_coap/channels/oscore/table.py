"""The open associations of an endpoint: by the identifiers their requests carry, by address, and by peer."""

from __future__ import annotations

from typing import TypeVar

from device_pki.identity import OscoreIdentity, Peer, PskIdentity
from secure_coap.association import Address
from secure_coap.channels.oscore.association import OscoreAssociation
from secure_coap.limits import Limits
from secure_coap.oscore import SecurityContext

Kid = tuple[bytes, bytes | None]
"""Recipient ID and ID Context."""
_K = TypeVar("_K", Address, str | bytes)


class AssociationTable:
    """Whoever has one key or certificate cannot fill it: its own association heard longest ago gives way."""

    def __init__(self, limits: Limits) -> None:
        self.by_kid: dict[Kid, OscoreAssociation] = {}
        self._by_address: dict[Address, tuple[OscoreAssociation, ...]] = {}
        self._by_peer: dict[str | bytes, tuple[OscoreAssociation, ...]] = {}
        self._limits = limits

    def at(self, remote: Address) -> tuple[OscoreAssociation, ...]:
        """Those whose peer was heard of last from this address, the newest last."""
        return self._by_address.get(remote, ())

    @property
    def full(self) -> bool:
        """Whether all places are taken."""
        return len(self.by_kid) >= self._limits.associations

    def surplus(self, peer: Peer) -> OscoreAssociation | None:
        """The one that has to give way before this peer begins another."""
        known = self._by_peer.get(_name(peer), ())
        return None if len(known) < self._limits.associations_per_peer else min(known, key=lambda one: one.heard_at)

    def holds(self, association: OscoreAssociation) -> bool:
        """Whether it is one of them."""
        context = association.context
        return self.by_kid.get((context.recipient_id, context.id_context)) is association

    def add(self, association: OscoreAssociation) -> None:
        """The caller has made room."""
        self.name(association)
        _append(self._by_address, association.remote, association)
        _append(self._by_peer, _name(association.peer), association)

    def name(self, association: OscoreAssociation) -> None:
        """Requests find it by its current context."""
        self.by_kid[association.context.recipient_id, association.context.id_context] = association

    def renew(self, association: OscoreAssociation, context: SecurityContext) -> SecurityContext | None:
        """It has new keys; the former ones open requests until the peer has used the new ones.

        What is returned was never used, and has no name any more.
        """
        unused = association.context if association.former is not None else None
        if unused is not None:
            self.drop_name(unused)
        else:
            association.former = association.context
        association.context = context
        self.name(association)
        return unused

    def restore(self, association: OscoreAssociation) -> None:
        """The peer has refused the new keys: go on with the former ones."""
        if association.former is not None:
            self.drop_name(association.context)
            association.context = association.former
            association.confirmed()

    def drop_name(self, context: SecurityContext) -> None:
        """Requests no longer find an association by a context."""
        self.by_kid.pop((context.recipient_id, context.id_context), None)

    def move(self, association: OscoreAssociation, remote: Address) -> None:
        """Its peer has another address now."""
        _take(self._by_address, association.remote, association)
        association.remote = remote
        _append(self._by_address, remote, association)

    def remove(self, association: OscoreAssociation) -> None:
        """It ended."""
        for context in (association.context, association.former):
            if context is not None:
                self.drop_name(context)
        _take(self._by_address, association.remote, association)
        _take(self._by_peer, _name(association.peer), association)


def _name(peer: Peer) -> str | bytes:
    """DTLS alone knows pre-shared keys by an identity."""
    assert not isinstance(peer, PskIdentity)
    return peer.context if isinstance(peer, OscoreIdentity) else peer.key_thumbprint


def _append(table: dict[_K, tuple[OscoreAssociation, ...]], key: _K, association: OscoreAssociation) -> None:
    table[key] = (*table.get(key, ()), association)


def _take(table: dict[_K, tuple[OscoreAssociation, ...]], key: _K, association: OscoreAssociation) -> None:
    others = tuple(one for one in table.get(key, ()) if one is not association)
    if others:
        table[key] = others
    else:
        table.pop(key, None)
