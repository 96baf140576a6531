"""A peer's observation of a resource of ours, as the resource's owner holds it (RFC 7641 section 4)."""

from __future__ import annotations

from typing import Protocol

from secure_coap.association import Association
from secure_coap.engine.link import Link
from secure_coap.exchange import Response


class Observed(Protocol):
    """What a notifier needs of the endpoint it was made at."""

    def notify(self, link: Link, token: bytes, response: Response, *, confirmable: bool) -> None:
        """Tell the observer a new state."""

    def is_observed(self, link: Link, token: bytes) -> bool:
        """Whether the observer still wants to know."""


class Notifier:
    """Made for a request with Observe 0; the response to that request is the first notification."""

    __slots__ = ("_endpoint", "_link", "token")

    def __init__(self, endpoint: Observed, link: Link, token: bytes) -> None:
        self._endpoint = endpoint
        self._link = link
        self.token = token

    @property
    def association(self) -> Association:
        """The observer's."""
        return self._link

    @property
    def active(self) -> bool:
        """False once the peer has cancelled, rejected a notification or not acknowledged one, or is gone."""
        return self._endpoint.is_observed(self._link, self.token)

    def notify(self, response: Response, *, confirmable: bool = False) -> None:
        """Tell a new state. Only the newest matters: one that still waits for its turn is replaced.

        An error code is the last thing told. At least one notification a day is confirmable anyway (section 4.5).
        Raises ValueError for a response that cannot be sent.
        """
        self._endpoint.notify(self._link, self.token, response, confirmable=confirmable)
