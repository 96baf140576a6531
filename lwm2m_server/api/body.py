"""Request bodies with a bound: what is too large is refused before it is in memory."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from fastapi import Request

from lwm2m_server.problem import Problem

MAX_BODY: Final = 1024 * 1024
"""Octets of an HTTP request body (security budgets); a path that takes more names its own bound."""


async def bounded_body(request: Request, limit: int = MAX_BODY) -> bytes:
    """Return the whole body; raise a 413 problem when it declares, or turns out to have, more than `limit` octets."""
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _too_large(limit: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body exceeds {limit} octets; send it in parts", code="too_large"
    )
