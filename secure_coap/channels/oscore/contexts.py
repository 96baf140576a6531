"""Contexts both sides were given beforehand (LwM2M object 21), and what must outlive a restart of them.

The one thing stored is how far our sequence numbers are reserved (RFC 8613 appendix B.1.1): whoever is killed begins
again beyond them, so no nonce comes twice. Which requests of the peer had come is not stored: after a restart the peer
shows by an Echo that its request is new (appendix B.1.2). A context with nothing reserved was never used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from device_pki.identity import OscoreIdentity
from secure_coap.oscore import OscoreAlgorithm, SecurityContext

RESERVED_AT_ONCE: Final = 256
"""Sequence numbers a start may lose."""


@dataclass(frozen=True, slots=True)
class PresharedContext:
    """A master secret shared with one peer. `name` is what the store knows it by, `endpoint` the device's name.

    `sender_id` is ours, `recipient_id` the peer's; identifiers are at most seven bytes. `reserved`: numbers below it
    may have been used.
    """

    name: str
    master_secret: bytes = field(repr=False)
    sender_id: bytes
    recipient_id: bytes
    master_salt: bytes = field(default=b"", repr=False)
    id_context: bytes | None = None
    algorithm: OscoreAlgorithm = OscoreAlgorithm.AES_CCM_16_64_128
    endpoint: str | None = None
    reserved: int = 0

    def derive(self) -> SecurityContext:
        """The context, ready to receive; nothing is sent before more numbers are reserved. Raises ValueError."""
        context = SecurityContext.derive(
            self.master_secret,
            self.master_salt,
            sender_id=self.sender_id,
            recipient_id=self.recipient_id,
            id_context=self.id_context,
            algorithm=self.algorithm,
        )
        context.sequence = context.reserved = self.reserved
        return context

    @property
    def peer(self) -> OscoreIdentity:
        """Who shares it."""
        return OscoreIdentity(self.name, self.endpoint)


class ContextStore(Protocol):
    """Where such contexts are. One endpoint at a time uses a context: its numbers have one owner."""

    def find(self, recipient_id: bytes, id_context: bytes | None) -> PresharedContext | None:
        """The context a request names, if it names one alone. Called for every stranger's datagram: no I/O."""

    async def reserve(self, name: str, below: int) -> None:
        """Store, durably, that all numbers below may be used. Until it returns none of them is."""


class MemoryContexts:
    """Contexts that end with the process."""

    def __init__(self, contexts: Iterable[PresharedContext] = ()) -> None:
        self._by_name = {context.name: context for context in contexts}

    def find(self, recipient_id: bytes, id_context: bytes | None) -> PresharedContext | None:
        """See `ContextStore`."""
        found = [
            context
            for context in self._by_name.values()
            if context.recipient_id == recipient_id and id_context in (None, context.id_context)
        ]
        return found[0] if len(found) == 1 else None

    async def reserve(self, name: str, below: int) -> None:
        """See `ContextStore`."""
        self._by_name[name] = replace(self._by_name[name], reserved=below)
