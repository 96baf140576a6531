"""Requests and responses as values, with whole bodies: what applications send, receive and answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from secure_coap.errors import CoapError, error_of
from secure_coap.numbers.codes import Code

_RESPONSE_CODES: Final = frozenset((*range(0x40, 0x60), *range(0x80, 0xC0)))

RawOptions = tuple[tuple[int, bytes], ...]
"""Further options as (number, value) pairs, in the order of their numbers."""


@dataclass(slots=True)
class Upload:
    """How far the body of one request has come, block by block (Block1, RFC 7959).

    Give the same object with the same request again to go on after a `TransportError` where the peer stopped
    acknowledging; a peer that has forgotten the beginning answers 4.08. `tag` is the Request-Tag (RFC 9175).
    """

    tag: bytes
    acknowledged: int = 0
    """Bytes the peer has acknowledged."""
    exponent: int | None = None
    """Size of the blocks it takes: 2 ** (4 + exponent)."""


@dataclass(slots=True)
class Download:
    """How far the body of responses has been read, block by block (Block2, RFC 7959).

    A body answered with one is the application's own, shared by all who read it: it counts in no budget of bodies.
    """

    sent: int = 0
    """Bytes up to the end of the last block that was sent; the peer may not have received that one yet."""


# Not frozen: the check costs more than all the rest of making one. Nobody changes a request or a response.
@dataclass(slots=True, unsafe_hash=True)
class Request:
    """A request with its whole body; the block-wise transfer below is invisible.

    `path` and `query` are decoded segments. `options` holds what has no field of its own (If-Match, No-Response, ...);
    Block, Size, Echo and Request-Tag options belong to the engine and never appear. `confirmable` is how it travels;
    over TCP it means nothing. `observe` is 0 to register, 1 to deregister (RFC 7641 section 2). `upload`: to see how
    far a large body has come, and to go on with it after a failure.
    """

    method: Code
    path: tuple[str, ...] = ()
    query: tuple[str, ...] = ()
    payload: bytes = b""
    content_format: int | None = None
    accept: int | None = None
    options: RawOptions = ()
    confirmable: bool = True
    observe: int | None = None
    upload: Upload | None = None

    def __post_init__(self) -> None:
        if not 0 < self.method < 0x20:
            raise ValueError(f"{self.method.dotted} is not a request method")


@dataclass(slots=True, unsafe_hash=True)
class Response:
    """A response with its whole body. `max_age` in seconds; `observe` is the sequence number of a notification.

    `download`: for a large body that many peers read, and to see how far this one has come.
    """

    code: Code
    payload: bytes = b""
    content_format: int | None = None
    location_path: tuple[str, ...] = ()
    max_age: int | None = None
    options: RawOptions = ()
    observe: int | None = None
    download: Download | None = None

    def __post_init__(self) -> None:
        if self.code not in _RESPONSE_CODES:
            raise ValueError(f"{self.code.dotted} is not a response code")

    @classmethod
    def of_error(cls, error: CoapError) -> Response:
        """The response that tells a peer about `error`: its code and diagnostic payload (RFC 7252 section 5.5.2)."""
        return cls(error.code, payload=error.diagnostic.encode(), max_age=error.max_age)

    def raise_for_code(self) -> Response:
        """Itself when successful, else raises the matching `CoapError` with the peer's text, cut at 200 characters."""
        if self.code.is_success:
            return self
        raise error_of(self.code, self.payload.decode("utf-8", "replace")[:200], max_age=self.max_age)
