"""HTTP requests with answers bounded in size and time: the other side may be hostile (security rule 31)."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httpx

ANSWER_TIME: Final = 60.0
"""Seconds from the request to the last octet of its answer."""


class AnswerTooLarge(httpx.TransportError):
    """The peer sent more than an answer to this request may hold."""


async def bounded_request(
    client: httpx.AsyncClient, method: str, url: str, *, limit: int, headers: dict[str, str] | None = None, **body: Any
) -> httpx.Response:
    """Send a request and return its answer, read whole, of at most `limit` octets.

    The answer's octets are taken as they come: none are asked for compressed and none are decompressed. Raises
    `httpx.TransportError` when there is no answer, in time and within the bound.
    """
    asked = {"accept-encoding": "identity", **(headers or {})}
    content = bytearray()
    try:
        async with asyncio.timeout(ANSWER_TIME), client.stream(method, url, headers=asked, **body) as response:
            async for part in response.aiter_raw():
                content += part
                if len(content) > limit:
                    raise AnswerTooLarge(f"the answer exceeds {limit} octets")
    except TimeoutError as error:
        raise httpx.ReadTimeout(f"no whole answer within {ANSWER_TIME:.0f} s") from error
    return httpx.Response(response.status_code, headers=_said(response), content=bytes(content))


def _said(response: httpx.Response) -> dict[str, str]:
    """What callers may want to know of the head; nothing of it changes how the content is read."""
    return {name: response.headers[name] for name in ("content-type", "retry-after") if name in response.headers}
