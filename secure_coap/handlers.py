"""Calling the application: its mistakes are logged, and told to the peer without detail.

A handler that answers at once costs no task; a future is waited for by callback; only a coroutine becomes a task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from secure_coap.association import Association
from secure_coap.errors import CoapError, InternalServerError, ServiceUnavailable
from secure_coap.exchange import Request, Response

Handler = Callable[[Request, Association], Response | Awaitable[Response]]
"""Answers a request, now or later, or raises `CoapError`."""
Notify = Callable[[Association], None]
"""Told that an association opened or closed."""

Claim = Callable[[Association, bytes], None]
"""Told of a notification under a token that nothing waits for: adopt its observation now, or it is rejected."""

_log = structlog.get_logger(__name__)


def finished(future: asyncio.Future[Response], request: Request, association: Association) -> Response:
    """The response in a future that is done. One that was cancelled says nothing about the request."""
    if future.cancelled():
        return Response.of_error(ServiceUnavailable())
    error = future.exception()
    return future.result() if error is None else failed(error, request, association)


def failed(error: BaseException, request: Request, association: Association) -> Response:
    """An error the handler means is told to the peer, a defect becomes 5.00."""
    if isinstance(error, CoapError):
        return Response.of_error(error)
    _log.error("request_handler_failed", method=request.method.name, remote=association.remote, exc_info=error)
    return Response.of_error(InternalServerError())


def offered(claim: Claim, association: Association, token: bytes) -> None:
    """Let the application adopt an observation."""
    try:
        claim(association, token)
    except Exception:
        _log.exception("association_callback_failed", remote=association.remote)


def notified(notify: Notify | None, association: Association) -> bool:
    """Whether the application took the news without failing."""
    if notify is None:
        return True
    try:
        notify(association)
    except Exception:
        _log.exception("association_callback_failed", remote=association.remote)
        return False
    return True
