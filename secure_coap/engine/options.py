"""Requests and responses to CoAP options and back (RFC 7252 section 5.10), with every check on options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from secure_coap.engine.blocks import Block
from secure_coap.errors import BadOption, BadRequest, MessageFormatError, ProxyingNotSupported
from secure_coap.exchange import RawOptions, Request, Response
from secure_coap.message import (
    MAX_OPTION_LENGTH,
    MAX_OPTION_NUMBER,
    PAYLOAD_MARKER,
    decode_body,
    decode_uint,
    encode_uint,
    extended,
)
from secure_coap.numbers.codes import Code
from secure_coap.numbers.options import UNDERSTOOD, Option, OptionFormat, is_critical

TRANSFER_OPTIONS: Final = frozenset(
    (Option.BLOCK1, Option.BLOCK2, Option.SIZE1, Option.SIZE2, Option.ECHO, Option.REQUEST_TAG)
)
_RESPONSE_FIELDS: Final = frozenset((Option.LOCATION_PATH, Option.CONTENT_FORMAT, Option.MAX_AGE, Option.OBSERVE))
_LONGEST_TEXT: Final = 255
OptionsT = TypeVar("OptionsT", bound=Sequence[tuple[int, bytes]])
# As plain integers: this is the way of every request.
_URI_PATH: Final = int(Option.URI_PATH)
_URI_QUERY: Final = int(Option.URI_QUERY)
_OBSERVE: Final = int(Option.OBSERVE)
_LOCATION_PATH: Final = int(Option.LOCATION_PATH)
_CONTENT_FORMAT: Final = int(Option.CONTENT_FORMAT)
_MAX_AGE: Final = int(Option.MAX_AGE)
_ACCEPT: Final = int(Option.ACCEPT)


# --- reading ---


def read_request(  # noqa: PLR0912 - every request comes this way: no calls
    method: Code, data: bytes, position: int, *, confirmable: bool
) -> tuple[Request, Sequence[tuple[int, bytes]]]:
    """The request whose options begin at `position`, and the options of its transfer.

    The same as `decode_body` and `understood`, in one pass. Raises `MessageFormatError`, `BadOption` or
    `ProxyingNotSupported`, and `BadRequest` for dot segments (section 5.10.1).
    """
    path: list[str] = []
    query: list[str] = []
    others: list[tuple[int, bytes]] = []
    content_format: int | None = None
    payload = b""
    number, begin, end = 0, position, len(data)
    try:
        while position < end:
            first_byte = data[position]
            position += 1
            if first_byte == PAYLOAD_MARKER:
                if position == end:
                    raise MessageFormatError("payload marker without payload")
                payload = data[position:]
                break
            delta, length = first_byte >> 4, first_byte & 15
            if delta > 12:
                delta, position = extended(data, position, delta)
            if length > 12:
                length, position = extended(data, position, length)
            number += delta
            value = data[position : position + length]
            position += length
            if number == _URI_PATH and length <= _LONGEST_TEXT:
                path.append(value.decode())
            elif number == _URI_QUERY and length <= _LONGEST_TEXT:
                query.append(value.decode())
            elif number == _CONTENT_FORMAT and length <= 2:
                if content_format is None:  # a repetition is unrecognised, and elective
                    content_format = decode_uint(value)
            else:
                others.append((number, value))
    except UnicodeDecodeError:
        decode_body(data, begin)  # what is malformed besides is malformed
        raise BadOption("Uri-Path and Uri-Query are UTF-8") from None
    if number > MAX_OPTION_NUMBER or (position > end):
        raise MessageFormatError("option number beyond 65,535, or value beyond the datagram")
    request = Request(method, tuple(path), tuple(query), payload, content_format, None, (), confirmable)
    transfer = _take_others(request, others) if others else others
    if "." in path or ".." in path:
        raise BadRequest("dot segments in Uri-Path")
    return request, transfer


def _take_others(request: Request, options: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Put options into the request's fields; those of the transfer are returned."""
    kept: list[tuple[int, bytes]] = []
    transfer: list[tuple[int, bytes]] = []
    for number, value in understood(options):
        if number == _ACCEPT:
            request.accept = decode_uint(value)
        elif number == _OBSERVE:
            request.observe = decode_uint(value)
        elif number in TRANSFER_OPTIONS:
            transfer.append((number, value))
        else:
            kept.append((number, value))
    request.options = tuple(kept)
    return transfer


def understood(options: Iterable[tuple[int, bytes]]) -> RawOptions:
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


def response_of(code: Code, options: RawOptions, payload: bytes) -> Response:
    """The response behind understood options."""
    return Response(
        code,
        payload,
        content_format=_uint(options, Option.CONTENT_FORMAT),
        location_path=tuple(value.decode() for number, value in options if number == _LOCATION_PATH),
        max_age=_uint(options, Option.MAX_AGE),
        options=tuple(
            option for option in options if option[0] not in _RESPONSE_FIELDS and option[0] not in TRANSFER_OPTIONS
        ),
        observe=_uint(options, Option.OBSERVE),
    )


def block_of(options: Iterable[tuple[int, bytes]], number: Option, *, bert: bool = False) -> Block | None:
    """The Block1 or Block2 option, if present."""
    value = first(options, number)
    return None if value is None else Block.decode(value, bert=bert)


def size_of(options: Iterable[tuple[int, bytes]], number: Option) -> int | None:
    """The Size1 or Size2 option, if present: an indication by the peer, never trusted for memory."""
    return _uint(options, number)


def first(options: Iterable[tuple[int, bytes]], number: int) -> bytes | None:
    """The first value of an option."""
    for candidate, value in options:
        if candidate == number:
            return value
    return None


def _uint(options: Iterable[tuple[int, bytes]], number: Option) -> int | None:
    value = first(options, number)
    return None if value is None else decode_uint(value)


# --- writing ---


def request_options(request: Request) -> RawOptions:
    """All options of a request, sorted; the engine adds those of the transfer. Raises ValueError if one cannot be."""
    options = [(_URI_PATH, segment.encode()) for segment in request.path]
    options += [(_URI_QUERY, parameter.encode()) for parameter in request.query]
    options += _integers((_CONTENT_FORMAT, request.content_format), (_ACCEPT, request.accept))
    options += _integers((_OBSERVE, request.observe))
    return in_order(_sendable((*options, *request.options)))


def response_options(response: Response) -> list[tuple[int, bytes]]:
    """All options of a response, sorted; the engine adds those of the transfer. Raises ValueError if one cannot be."""
    options: list[tuple[int, bytes]] = []
    if response.observe is not None:
        options.append((_OBSERVE, encode_uint(response.observe)))
    for segment in response.location_path:
        options.append((_LOCATION_PATH, segment.encode()))
    if response.content_format is not None:
        options.append((_CONTENT_FORMAT, encode_uint(response.content_format)))
    if response.max_age is not None:
        options.append((_MAX_AGE, encode_uint(response.max_age)))
    if response.options:
        options += response.options
        options.sort(key=_number)
    return _sendable(options) if options else options


def _sendable(options: OptionsT) -> OptionsT:
    """Themselves, after the lengths the standard allows were checked, so that no message fails while being sent."""
    for number, value in options:
        definition = UNDERSTOOD.get(number)
        shortest, longest = (definition.shortest, definition.longest) if definition else (0, MAX_OPTION_LENGTH)
        if not 0 < number <= MAX_OPTION_NUMBER or not shortest <= len(value) <= longest:
            raise ValueError(f"option {number} cannot be sent with {len(value)} bytes")
    return options


def _integers(*fields: tuple[int, int | None]) -> list[tuple[int, bytes]]:
    return [(number, encode_uint(value)) for number, value in fields if value is not None]


def in_order(options: Iterable[tuple[int, bytes]]) -> RawOptions:
    """Sorted by number; repeated options keep their order."""
    return tuple(sorted(options, key=_number))


def _number(option: tuple[int, bytes]) -> int:
    return option[0]
