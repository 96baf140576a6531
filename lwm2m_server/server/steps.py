"""Running a sans-IO operation: its requests go out, the responses go back in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from lwm2m_server.protocol.operations import Steps
from secure_coap.exchange import Request, Response

T = TypeVar("T")


async def run(steps: Steps[T], send: Callable[[Request], Awaitable[Response]]) -> T:
    """The operation's result. Raises what the operation or `send` raises."""
    try:
        request = next(steps)
        while True:
            request = steps.send(await send(request))
    except StopIteration as done:
        result: T = done.value
        return result
    finally:
        steps.close()
