"""What an engine tells its owner."""

from __future__ import annotations

from dataclasses import dataclass

from secure_coap.errors import TransportError
from secure_coap.exchange import Request, Response


@dataclass(frozen=True, slots=True)
class RequestArrived:
    """The peer asks. Answer with `Engine.respond(exchange, ...)`, once."""

    exchange: int
    request: Request


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

    token: bytes
    outcome: Response | TransportError
    ended: bool


Event = RequestArrived | ResponseArrived | RequestFailed | Notified
