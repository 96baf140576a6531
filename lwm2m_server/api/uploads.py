"""Reading request bodies within a bound, before anything is made of them."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request

from lwm2m_server.problem import Problem


async def read_body(request: Request, limit: int) -> bytes:
    """The body, at most `limit` bytes: judged by Content-Length first, then by what really comes."""
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
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body exceeds {limit} bytes; send it in parts", code="too_large"
    )
