"""Requests and responses to CoAP options and back (RFC 7252 section 5.10), with every check on options."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from secure_coap.engine.blocks import Block
from secure_coap.errors import BadOption, BadRequest, ProxyingNotSupported
from secure_coap.exchange import RawOptions, Request, Response
from secure_coap.message import MAX_OPTION_LENGTH, MAX_OPTION_NUMBER, Message, decode_uint, encode_uint
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import UNDERSTOOD, Option, OptionFormat, is_critical, is_no_cache_key

TRANSFER_OPTIONS: Final = frozenset(
    (Option.BLOCK1, Option.BLOCK2, Option.SIZE1, Option.SIZE2, Option.ECHO, Option.REQUEST_TAG)
)
_REQUEST_FIELDS: Final = frozenset(
    (Option.URI_PATH, Option.URI_QUERY, Option.CONTENT_FORMAT, Option.ACCEPT, Option.OBSERVE)
)
_RESPONSE_FIELDS: Final = frozenset((Option.LOCATION_PATH, Option.CONTENT_FORMAT, Option.MAX_AGE, Option.OBSERVE))
_NOT_IN_KEY: Final = frozenset((Option.BLOCK1, Option.BLOCK2, Option.OBSERVE, Option.ECHO))


def understood(options: RawOptions) -> RawOptions:
    """The options this stack acts on.

    A value of wrong length or a repetition makes an option unrecognised (sections 5.4.3 and 5.4.5). Unrecognised
    elective options disappear, unrecognised critical ones raise `BadOption`.
    """
    kept: list[tuple[int, bytes]] = []
    previous = -1
    for number, value in options:
        if _is_understood(number, value, repeated=number == previous):
            kept.append((number, value))
        elif number in (Option.PROXY_URI, Option.PROXY_SCHEME):
            raise ProxyingNotSupported("this server is no proxy")
        elif is_critical(number):
            raise BadOption(f"critical option {number} is unknown, malformed or repeated")
        previous = number
    return tuple(kept)


def _is_understood(number: int, value: bytes, *, repeated: bool) -> bool:
    definition = UNDERSTOOD.get(number)
    if definition is None or not definition.shortest <= len(value) <= definition.longest:
        return False
    if repeated and not definition.repeatable:
        return False
    return definition.format is not OptionFormat.STRING or _is_text(value)


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def request_options(request: Request) -> RawOptions:
    """All options of a request, sorted; the engine adds those of the transfer. Raises ValueError if one cannot be."""
    options = [(int(Option.URI_PATH), segment.encode()) for segment in request.path]
    options += [(int(Option.URI_QUERY), parameter.encode()) for parameter in request.query]
    options += _integers(
        (Option.CONTENT_FORMAT, request.content_format),
        (Option.ACCEPT, request.accept),
        (Option.OBSERVE, request.observe),
    )
    return _sendable((*options, *request.options))


def response_options(response: Response) -> RawOptions:
    """All options of a response, sorted; the engine adds those of the transfer. Raises ValueError if one cannot be."""
    options = [(int(Option.LOCATION_PATH), segment.encode()) for segment in response.location_path]
    options += _integers(
        (Option.CONTENT_FORMAT, response.content_format),
        (Option.MAX_AGE, response.max_age),
        (Option.OBSERVE, response.observe),
    )
    return _sendable((*options, *response.options))


def _sendable(options: RawOptions) -> RawOptions:
    """Sorted, after the lengths the standard allows were checked, so that no message fails while being sent."""
    for number, value in options:
        definition = UNDERSTOOD.get(number)
        shortest, longest = (definition.shortest, definition.longest) if definition else (0, MAX_OPTION_LENGTH)
        if not 0 < number <= MAX_OPTION_NUMBER or not shortest <= len(value) <= longest:
            raise ValueError(f"option {number} cannot be sent with {len(value)} bytes")
    return in_order(options)


def _integers(*fields: tuple[Option, int | None]) -> list[tuple[int, bytes]]:
    return [(int(number), encode_uint(value)) for number, value in fields if value is not None]


def request_of(method: Code, options: RawOptions, payload: bytes, *, confirmable: bool) -> Request:
    """The request behind understood options. Raises `BadRequest` for dot segments (section 5.10.1)."""
    path = _texts(options, Option.URI_PATH)
    if "." in path or ".." in path:
        raise BadRequest("dot segments in Uri-Path")
    return Request(
        method,
        path,
        _texts(options, Option.URI_QUERY),
        payload,
        content_format=_uint(options, Option.CONTENT_FORMAT),
        accept=_uint(options, Option.ACCEPT),
        options=_others(options, _REQUEST_FIELDS),
        confirmable=confirmable,
        observe=_uint(options, Option.OBSERVE),
    )


def response_of(code: Code, options: RawOptions, payload: bytes) -> Response:
    """The response behind understood options."""
    return Response(
        code,
        payload,
        content_format=_uint(options, Option.CONTENT_FORMAT),
        location_path=_texts(options, Option.LOCATION_PATH),
        max_age=_uint(options, Option.MAX_AGE),
        options=_others(options, _RESPONSE_FIELDS),
        observe=_uint(options, Option.OBSERVE),
    )


def transfer_key(message: Message) -> tuple[Code, RawOptions]:
    """What makes blocks parts of one body: method and options, Request-Tag among them (RFC 7959 2.5, RFC 9175 3)."""
    options = (
        (number, value)
        for number, value in message.options
        if number not in _NOT_IN_KEY and not is_no_cache_key(number)
    )
    return message.code, tuple(options)


def block_of(options: RawOptions, number: Option) -> Block | None:
    """The Block1 or Block2 option, if present."""
    value = first(options, number)
    return None if value is None else Block.decode(value)


def size_of(options: RawOptions, number: Option) -> int | None:
    """The Size1 or Size2 option, if present: an indication by the peer, never trusted for memory."""
    return _uint(options, number)


def first(options: RawOptions, number: int) -> bytes | None:
    """The first value of an option."""
    return next((value for candidate, value in options if candidate == number), None)


def in_order(options: Iterable[tuple[int, bytes]]) -> RawOptions:
    """Sorted by number; repeated options keep their order."""
    return tuple(sorted(options, key=lambda option: option[0]))


def _texts(options: RawOptions, number: Option) -> tuple[str, ...]:
    return tuple(value.decode() for candidate, value in options if candidate == number)


def _uint(options: RawOptions, number: Option) -> int | None:
    value = first(options, number)
    return None if value is None else decode_uint(value)


def _others(options: RawOptions, fields: frozenset[Option]) -> RawOptions:
    return tuple(option for option in options if option[0] not in fields and option[0] not in TRANSFER_OPTIONS)
