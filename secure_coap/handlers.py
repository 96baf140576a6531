"""Calling the application: its mistakes are logged, and told to the peer without detail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from secure_coap.association import Association
from secure_coap.errors import CoapError, InternalServerError
from secure_coap.exchange import Request, Response

Handler = Callable[[Request, Association], Awaitable[Response]]
"""Answers a request, or raises `CoapError`."""
Notify = Callable[[Association], None]
"""Told that an association opened or closed."""

_log = structlog.get_logger(__name__)


async def answer(handler: Handler, request: Request, association: Association) -> Response:
    """The handler's response; an error it means is told to the peer, a defect becomes 5.00."""
    try:
        return await handler(request, association)
    except CoapError as error:
        return Response.of_error(error)
    except Exception:
        _log.exception("request_handler_failed", method=request.method.name, remote=association.remote)
        return Response.of_error(InternalServerError())


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
