"""What an association holds while something is going on, and no longer."""

from __future__ import annotations

from functools import partial

from secure_coap.engine.bodies import ReceivedBodies, ServedBodies
from secure_coap.engine.client_role import ClientRole
from secure_coap.engine.link import Link
from secure_coap.engine.observers import Observers
from secure_coap.engine.sender import Sender
from secure_coap.engine.shared import Shared
from secure_coap.engine.transmission import Transmission
from secure_coap.errors import TransportError


class Conversation:
    """The parts of one peer's traffic that have a memory; each is made when it is first needed."""

    __slots__ = ("_client", "_link", "_observers", "_received", "_served", "_shared", "sender")

    def __init__(self, link: Link, shared: Shared, sender: Sender) -> None:
        self._link = link
        self._shared = shared
        self._client: ClientRole | None = None
        self._observers: Observers | None = None
        self._received: ReceivedBodies | None = None
        self._served: ServedBodies | None = None
        self.sender = sender

    @property
    def client(self) -> ClientRole:
        """Our requests."""
        if self._client is None:
            self._client = ClientRole(self._link, self.sender, self._shared)
        return self._client

    @property
    def observers(self) -> Observers:
        """What the peer observes of us."""
        if self._observers is None:
            self._observers = Observers(self._link, self.sender, self.served, self._shared)
        return self._observers

    @property
    def received(self) -> ReceivedBodies:
        """Request bodies in progress."""
        if self._received is None:
            self._received = ReceivedBodies(self._shared)
        return self._received

    @property
    def served(self) -> ServedBodies:
        """Response bodies in progress."""
        if self._served is None:
            self._served = ServedBodies(self._shared)
        return self._served

    def is_over(self, now: float) -> bool:
        """Nothing is outstanding in either direction, and nothing must be remembered."""
        silent = self._client is None or self._client.idle
        return silent and not (self._observers or self._received or self._served) and self.sender.is_over(now)

    def close(self, error: TransportError) -> None:
        """The association ended: what is outstanding fails with `error`, memory goes back to the budget."""
        self.sender.clear()
        if self._client is not None:
            self._client.fail_all(error)
        if self._observers is not None:
            self._observers.clear()
        for bodies in (self._received, self._served):
            if bodies is not None:
                bodies.clear()


def conversation_of(link: Link, shared: Shared, now: float) -> Conversation:
    """The conversation of an association, begun if need be. Over datagrams it ends by itself when it is over."""
    conversation = link.conversation
    if conversation is None:
        conversation = link.conversation = Conversation(link, shared, Transmission(link, shared))
        shared.timers.at(now + shared.parameters.exchange_lifetime, partial(_end, link, shared, conversation))
    return conversation


def _end(link: Link, shared: Shared, conversation: Conversation, now: float) -> None:
    if link.conversation is not conversation:
        return
    if conversation.is_over(now):
        link.conversation = None
    else:
        shared.timers.at(now + shared.parameters.exchange_lifetime, partial(_end, link, shared, conversation))
