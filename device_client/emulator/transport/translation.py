"""Between aiocoap's messages and the requests and responses of `secure_coap`, which are values alone."""

from __future__ import annotations

from typing import Any

from aiocoap.message import Message  # type: ignore[import-untyped]
from aiocoap.numbers.codes import Code as AioCode  # type: ignore[import-untyped]
from aiocoap.numbers.constants import TransportTuning  # type: ignore[import-untyped]

from secure_coap.exchange import Request, Response
from secure_coap.numbers.codes import Code


def outgoing(request: Request, tuning: TransportTuning) -> Message:
    message = Message(code=AioCode(request.method), payload=request.payload, transport_tuning=tuning)
    message.opt.uri_path = request.path
    message.opt.uri_query = request.query
    if request.content_format is not None:
        message.opt.content_format = request.content_format
    if request.accept is not None:
        message.opt.accept = request.accept
    return message


def incoming(message: Message) -> Request:
    return Request(
        method=Code(int(message.code)),
        path=tuple(message.opt.uri_path),
        query=tuple(message.opt.uri_query),
        payload=message.payload,
        content_format=_number(message.opt.content_format),
        accept=_number(message.opt.accept),
        observe=message.opt.observe,
    )


def answer(response: Response, tuning: TransportTuning) -> Message:
    message = Message(code=AioCode(response.code), payload=response.payload, transport_tuning=tuning)
    if response.content_format is not None:
        message.opt.content_format = response.content_format
    if response.observe is not None:
        message.opt.observe = response.observe
    if response.location_path:
        message.opt.location_path = response.location_path
    return message


def response_of(message: Message) -> Response:
    return Response(
        code=Code(int(message.code)),
        payload=message.payload,
        content_format=_number(message.opt.content_format),
        location_path=tuple(message.opt.location_path),
        max_age=message.opt.max_age,
    )


def _number(value: Any) -> int | None:
    return None if value is None else int(value)
