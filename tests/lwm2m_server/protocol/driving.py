"""Driving a sans-IO operation by hand: what it asked, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lwm2m_server.protocol.content_formats import FormatChoice
from lwm2m_server.protocol.operations import Steps, Target
from objects.model import MODEL, ObjectModel
from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code

T = TypeVar("T")
Answer = Callable[[Request], Response]


def target(version: str = "1.1", *listed: int, model: ObjectModel = MODEL, root: tuple[str, ...] = ()) -> Target:
    return Target(model, FormatChoice(version, frozenset(listed) or None), root)


def drive(steps: Steps[T], *answers: Response | Answer) -> tuple[T, list[Request]]:
    """Run an operation against these answers, one after the other; the last one answers whatever else is asked."""
    asked: list[Request] = []
    try:
        request = next(steps)
        while True:
            asked.append(request)
            answer = answers[min(len(asked), len(answers)) - 1]
            request = steps.send(answer if isinstance(answer, Response) else answer(request))
    except StopIteration as done:
        result: T = done.value
        return result, asked


def content(payload: bytes, content_format: int | None) -> Response:
    return Response(Code.CONTENT, payload, content_format=content_format)
