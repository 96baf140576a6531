"""What the engine keeps for every association, busy or not. There may be a hundred thousand: a few words each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from secure_coap.association import Association

if TYPE_CHECKING:
    from secure_coap.engine.conversation import Conversation


class LinkState:
    """The associations of every channel derive from this.

    `base` is the association's number, shifted so that a Message ID fits below it; 0 while it is not open.
    `conversation` exists only while something is going on. `deferred` requests of the peer wait for their answer.
    `heard_at` is when the peer's last datagram came. `proven`: the peer has shown that it receives at its address.
    `window` and `spent` hold the peer to its share of remembered answers.
    """

    __slots__ = ("base", "conversation", "deferred", "heard_at", "proven", "spent", "window")

    def __init__(self) -> None:
        self.base = 0
        self.conversation: Conversation | None = None
        self.deferred = 0
        self.heard_at = 0.0
        self.proven = False
        self.spent = 0
        self.window = 0


class Link(Association, Protocol):
    """An association with its state."""

    base: int
    conversation: Conversation | None
    deferred: int
    heard_at: float
    proven: bool
    spent: int
    window: int
