"""Errors of this package. `CoapError` is what a handler raises and a peer's error response; the rest are local.

The table `ERROR_OF_CODE` is the one place where response codes and exceptions meet.
"""

from __future__ import annotations

from typing import ClassVar

from secure_coap.numbers.codes import Code


class CoapError(Exception):
    """An error with a response code. A handler raises it, the peer receives code and diagnostic text.

    `diagnostic` is short, human readable and goes to the peer: no secrets, no internals.
    `max_age` (seconds) tells the peer when to try again (4.29 and 5.03).
    """

    def __init__(self, code: Code, diagnostic: str = "", *, max_age: int | None = None) -> None:
        super().__init__(f"{code.dotted} {code.name}: {diagnostic}" if diagnostic else f"{code.dotted} {code.name}")
        self.code = code
        self.diagnostic = diagnostic
        self.max_age = max_age


class _CodedError(CoapError):
    """Base of the subclasses whose class names the code."""

    CODE: ClassVar[Code]

    def __init__(self, diagnostic: str = "", *, max_age: int | None = None) -> None:
        super().__init__(self.CODE, diagnostic, max_age=max_age)


class BadRequest(_CodedError):
    """4.00: the request cannot be understood."""

    CODE = Code.BAD_REQUEST


class Unauthorized(_CodedError):
    """4.01: the client may not do this as it is now."""

    CODE = Code.UNAUTHORIZED


class BadOption(_CodedError):
    """4.02: an unknown or malformed critical option."""

    CODE = Code.BAD_OPTION


class Forbidden(_CodedError):
    """4.03: refused, whoever repeats it."""

    CODE = Code.FORBIDDEN


class NotFound(_CodedError):
    """4.04: no such resource."""

    CODE = Code.NOT_FOUND


class MethodNotAllowed(_CodedError):
    """4.05: the resource does not support this method."""

    CODE = Code.METHOD_NOT_ALLOWED


class NotAcceptable(_CodedError):
    """4.06: no representation in the format asked for."""

    CODE = Code.NOT_ACCEPTABLE


class RequestEntityIncomplete(_CodedError):
    """4.08: blocks are missing or do not belong together (RFC 7959 section 2.9.2)."""

    CODE = Code.REQUEST_ENTITY_INCOMPLETE


class Conflict(_CodedError):
    """4.09: the request contradicts the resource's state (RFC 8132)."""

    CODE = Code.CONFLICT


class PreconditionFailed(_CodedError):
    """4.12: If-Match or If-None-Match did not hold."""

    CODE = Code.PRECONDITION_FAILED


class RequestEntityTooLarge(_CodedError):
    """4.13: the body is larger than this endpoint accepts."""

    CODE = Code.REQUEST_ENTITY_TOO_LARGE


class UnsupportedContentFormat(_CodedError):
    """4.15: the body is in a format this resource does not take."""

    CODE = Code.UNSUPPORTED_CONTENT_FORMAT


class UnprocessableEntity(_CodedError):
    """4.22: understood, but the content is wrong (RFC 8132)."""

    CODE = Code.UNPROCESSABLE_ENTITY


class TooManyRequests(_CodedError):
    """4.29: come back after Max-Age seconds (RFC 8516)."""

    CODE = Code.TOO_MANY_REQUESTS


class InternalServerError(_CodedError):
    """5.00: a defect on our side; never carries detail."""

    CODE = Code.INTERNAL_SERVER_ERROR


class NotImplementedByServer(_CodedError):
    """5.01: the method is not supported by this server at all."""

    CODE = Code.NOT_IMPLEMENTED


class ServiceUnavailable(_CodedError):
    """5.03: temporarily unable; Max-Age says how many seconds to wait."""

    CODE = Code.SERVICE_UNAVAILABLE


class ProxyingNotSupported(_CodedError):
    """5.05: this server is no proxy."""

    CODE = Code.PROXYING_NOT_SUPPORTED


ERROR_OF_CODE: dict[Code, type[_CodedError]] = {error.CODE: error for error in _CodedError.__subclasses__()}


def error_of(code: Code, diagnostic: str = "", *, max_age: int | None = None) -> CoapError:
    """The exception for an error response; codes without a class of their own become plain `CoapError`."""
    known = ERROR_OF_CODE.get(code)
    return CoapError(code, diagnostic, max_age=max_age) if known is None else known(diagnostic, max_age=max_age)


class TransportError(Exception):
    """A request got no response. Nothing is known about whether the peer acted on it."""


class RequestTimeout(TransportError):
    """Retransmissions ran out, or no response followed the acknowledgement in time. The peer may be gone."""


class AssociationLost(TransportError):
    """The association ended (closed by either side, idle, or replaced) before the response came. Open a new one."""


class HandshakeFailed(AssociationLost):
    """The association never came to be: no answer, a refused certificate (see `reason`), or an alert."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ResponseRejected(TransportError):
    """The peer's response broke the protocol (mixed or lying blocks, unknown critical option, Reset)."""


class ResponseTooLarge(TransportError):
    """The peer's block-wise body exceeds `Limits.max_body`; raise that limit if the resource is meant to be so big."""


class TooManyOutstanding(TransportError):
    """The association's queue of requests is full; wait for some of them first."""


class MessageFormatError(ValueError):
    """A datagram is not a CoAP message (RFC 7252 section 3). `reset_mid` is set when a Reset may answer it."""

    def __init__(self, reason: str, *, reset_mid: int | None = None) -> None:
        super().__init__(reason)
        self.reset_mid = reset_mid
