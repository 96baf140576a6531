"""CoAP codes: methods, response codes and signals (RFC 7252 section 12.1, RFC 7959, 8132, 8323, 8516)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Code(IntEnum):
    """A code byte: three bits of class, five bits of detail. Unregistered values survive as `UNKNOWN_c_dd`."""

    EMPTY = 0x00
    GET = 0x01
    POST = 0x02
    PUT = 0x03
    DELETE = 0x04
    FETCH = 0x05
    PATCH = 0x06
    IPATCH = 0x07

    CREATED = 0x41
    DELETED = 0x42
    VALID = 0x43
    CHANGED = 0x44
    CONTENT = 0x45
    CONTINUE = 0x5F

    BAD_REQUEST = 0x80
    UNAUTHORIZED = 0x81
    BAD_OPTION = 0x82
    FORBIDDEN = 0x83
    NOT_FOUND = 0x84
    METHOD_NOT_ALLOWED = 0x85
    NOT_ACCEPTABLE = 0x86
    REQUEST_ENTITY_INCOMPLETE = 0x88
    CONFLICT = 0x89
    PRECONDITION_FAILED = 0x8C
    REQUEST_ENTITY_TOO_LARGE = 0x8D
    UNSUPPORTED_CONTENT_FORMAT = 0x8F
    UNPROCESSABLE_ENTITY = 0x96
    TOO_MANY_REQUESTS = 0x9D

    INTERNAL_SERVER_ERROR = 0xA0
    NOT_IMPLEMENTED = 0xA1
    BAD_GATEWAY = 0xA2
    SERVICE_UNAVAILABLE = 0xA3
    GATEWAY_TIMEOUT = 0xA4
    PROXYING_NOT_SUPPORTED = 0xA5

    CSM = 0xE1
    PING = 0xE2
    PONG = 0xE3
    RELEASE = 0xE4
    ABORT = 0xE5

    @classmethod
    def _missing_(cls, value: object) -> Code | None:
        if not isinstance(value, int) or not 0 <= value <= 0xFF:
            return None
        unknown = int.__new__(cls, value)
        unknown._name_ = f"UNKNOWN_{value >> 5}_{value & 31:02d}"
        unknown._value_ = value
        return unknown

    @property
    def code_class(self) -> int:
        """The first digit: 0 request, 2 success, 4 client error, 5 server error, 7 signalling."""
        return self >> 5

    @property
    def dotted(self) -> str:
        """The way RFC 7252 writes it.

        >>> Code.CREATED.dotted
        '2.01'
        """
        return f"{self >> 5}.{self & 31:02d}"

    @property
    def is_request(self) -> bool:
        """Class 0 except 0.00 Empty."""
        return self.code_class == 0 and self != 0

    @property
    def is_response(self) -> bool:
        """Class 2, 4 or 5."""
        return self.code_class in (2, 4, 5)

    @property
    def is_success(self) -> bool:
        """Class 2."""
        return self.code_class == 2


CODES: Final = tuple(Code(value) for value in range(0x100))
"""Every code by its byte."""
