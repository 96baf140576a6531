"""What a driver needs of an engine, over datagrams or over streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from secure_coap.counters import Counters
from secure_coap.engine import Event, Incoming, Link
from secure_coap.errors import TransportError
from secure_coap.exchange import Request, Response


class AnyEngine(Protocol):
    """See `secure_coap.engine.Engine`."""

    events: list[Event]
    counters: Counters

    def open(self, link: Link) -> None:
        """An association begins."""

    def close(self, link: Link, error: TransportError) -> None:
        """An association ended."""

    @property
    def respond(self) -> Callable[[Incoming, Response, float], None]:
        """Answer a request."""

    def defer(self, incoming: Incoming, now: float) -> None:
        """The answer comes later."""

    def request(self, link: Link, request: Request, now: float, token: bytes | None = None) -> int:
        """Begin a request."""

    def cancel(self, link: Link, handle: int, now: float) -> None:
        """Forget a request."""

    def observes(self, link: Link, token: bytes) -> bool:
        """Whether our observation is in force."""

    def adopt(self, link: Link, token: bytes, request: Request, now: float) -> None:
        """Take up an observation of ours."""

    def forget(self, link: Link, token: bytes, now: float) -> None:
        """End an observation of ours."""

    def observe(self, incoming: Incoming, now: float) -> bool:
        """Let the peer observe."""

    def is_observed(self, link: Link, token: bytes) -> bool:
        """Whether the peer observes."""

    def notify(self, link: Link, token: bytes, response: Response, now: float, *, confirmable: bool) -> None:
        """Tell an observer a new state."""

    def next_timer(self) -> float | None:
        """When `timer` must be called."""

    def timer(self, now: float) -> None:
        """Time has passed."""
