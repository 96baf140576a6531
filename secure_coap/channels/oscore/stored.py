"""The first contact with a peer whose context is stored, and the numbers that are reserved for it ever after.

Nothing is answered before numbers for the answer are reserved. A context that was used before the last restart does not
know what came before: its first request is answered by 4.01 with an Echo, and the one that returns the Echo begins the
replay window (RFC 8613 appendix B.1.2). Until then an old request replayed does nothing but that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from secure_coap.association import Address
from secure_coap.channels.oscore.association import OscoreAssociation
from secure_coap.channels.oscore.contexts import RESERVED_AT_ONCE, ContextStore, PresharedContext
from secure_coap.engine.proof import AddressProof
from secure_coap.message import Message
from secure_coap.numbers.options import Option
from secure_coap.oscore import unprotect_request
from secure_coap.oscore.option import MAX_SEQUENCE
from secure_coap.oscore.replay import ReplayWindow

_EVERYTHING_SEEN: Final = -1


@dataclass(frozen=True, slots=True)
class Reservation:
    """Numbers that must be stored before they are used (`ContextStore.reserve`)."""

    association: OscoreAssociation
    name: str
    below: int


class StoredContexts:
    """Those of one endpoint. `reservations` are its owner's to carry out, each once; then it calls `reserved`."""

    def __init__(self, store: ContextStore, proof: AddressProof, observations: int) -> None:
        self._store = store
        self._proof = proof
        self._observations = observations
        self._dormant: dict[str, OscoreAssociation] = {}
        """Contexts whose peer was heard of, but has not yet shown that it is there now."""
        self._held: dict[str, tuple[bytes, Address]] = {}
        """Requests that wait for numbers."""
        self._asked: set[str] = set()
        self.reservations: list[Reservation] = []

    def find(self, kid: bytes, id_context: bytes | None, remote: Address, now: float) -> OscoreAssociation | None:
        """The association a stranger's request names; nothing is kept of it yet."""
        stored = self._store.find(kid, id_context)
        if stored is None:
            return None
        dormant = self._dormant.get(stored.name)
        return dormant or self.associate(stored, remote, now)

    def associate(self, stored: PresharedContext, remote: Address, now: float) -> OscoreAssociation:
        """An association that may receive; it sends when numbers are reserved."""
        association = OscoreAssociation(stored.derive(), remote, now, stored.peer, self._observations, name=stored.name)
        association.lost = stored.reserved > 0
        return association

    def admit(
        self, association: OscoreAssociation, message: Message, datagram: bytes, remote: Address, now: float
    ) -> tuple[bool, bytes | None]:
        """Whether the association begins with this request, else the answer to it, if any. Raises `OscoreError`."""
        context, name = association.context, association.name
        assert name is not None
        context.window = ReplayWindow()
        inner, binding = unprotect_request(message, context)
        number, context.window = context.window.highest, ReplayWindow()
        self._dormant[name] = association
        if context.sequence >= context.reserved:
            self._held[name] = datagram, remote
            self.reserve_ahead(association)
            return False, None
        if association.lost:
            echo = inner.value(Option.ECHO)
            if echo is None or not self._proof.accepts(echo, remote, now):
                return False, association.challenge(message, binding, self._proof.challenge(remote, now))
            # this request is new, and all that were numbered before it are not
            context.window = ReplayWindow(number - 1, _EVERYTHING_SEEN)
            association.lost, association.proven = False, True
        del self._dormant[name]
        return True, None

    def reserve_ahead(self, association: OscoreAssociation) -> None:
        """See that numbers do not run out, as long as there are any."""
        context, name = association.context, association.name
        if name is None or name in self._asked or context.reserved - context.sequence >= RESERVED_AT_ONCE // 2:
            return
        below = min(context.reserved + RESERVED_AT_ONCE, MAX_SEQUENCE + 1)
        if below > context.reserved:
            self._asked.add(name)
            self.reservations.append(Reservation(association, name, below))

    def reserved(self, reservation: Reservation, *, stored: bool) -> tuple[bytes, Address] | None:
        """The reservation was carried out, or could not be; the request that has waited for it."""
        self._asked.discard(reservation.name)
        held = self._held.pop(reservation.name, None)
        if not stored:
            return None
        reservation.association.context.reserved = reservation.below
        return held
