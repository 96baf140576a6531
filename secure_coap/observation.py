"""An observation of a peer's resource, as its owner holds it (RFC 7641)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from secure_coap.association import Association
from secure_coap.errors import TransportError
from secure_coap.exchange import Request, Response

OnNotification = Callable[[Response | TransportError], None]
"""Told each notification, whole and in order. An error says why one could not be read, or why the observation ended."""


class Observer(Protocol):
    """What an observation needs of the endpoint it was made at."""

    def observes(self, association: Association, token: bytes) -> bool:
        """Whether it is in force."""

    def forget(self, association: Association, token: bytes) -> None:
        """End it without a word."""

    async def cancel(self, association: Association, token: bytes, request: Request) -> Response:
        """End it and tell the peer."""


class Observation:
    """One observation; `token` and the request are what it takes to adopt it again after a restart."""

    __slots__ = ("_observer", "association", "request", "token")

    def __init__(self, observer: Observer, association: Association, token: bytes, request: Request) -> None:
        self._observer = observer
        self.association = association
        self.token = token
        self.request = request

    @property
    def active(self) -> bool:
        """Whether notifications may still come: the peer agreed, and nothing has ended it since."""
        return self._observer.observes(self.association, self.token)

    async def cancel(self) -> Response:
        """Fall silent at once and ask the peer to stop: Observe 1 (section 3.6). Raises `TransportError`."""
        return await self._observer.cancel(self.association, self.token, self.request)

    def forget(self) -> None:
        """Fall silent at once; the peer learns by a Reset when it notifies next."""
        self._observer.forget(self.association, self.token)
