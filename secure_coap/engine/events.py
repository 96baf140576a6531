"""What an engine tells its owner. Requests of peers are not among them: `Engine.receive` returns those."""

from __future__ import annotations

from dataclasses import dataclass

from secure_coap.engine.link import Link
from secure_coap.errors import TransportError
from secure_coap.exchange import Response


@dataclass(frozen=True, slots=True)
class ResponseArrived:
    """The peer answered the request that `Engine.request` numbered `handle`, whatever its code."""

    handle: int
    response: Response


@dataclass(frozen=True, slots=True)
class RequestFailed:
    """No usable response to request `handle`."""

    handle: int
    error: TransportError


@dataclass(frozen=True, slots=True)
class Notified:
    """News of the observation under `token`. It goes on unless `ended` is set.

    A `TransportError` that does not end it: this notification's further blocks could not be read.
    """

    link: Link
    token: bytes
    outcome: Response | TransportError
    ended: bool


@dataclass(frozen=True, slots=True)
class ObserverGone:
    """The peer's observation of us under `token` has ended."""

    link: Link
    token: bytes


Event = ResponseArrived | RequestFailed | Notified | ObserverGone
