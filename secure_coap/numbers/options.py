"""CoAP option numbers and what each may hold.

RFC 7252 section 5.10, RFC 7641, 7959, 7967, 8613, 8768, 9175, 9177, 9668.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Option(IntEnum):
    """Registered option numbers; on the wire any number up to 65,535 may appear and survives as `int`."""

    IF_MATCH = 1
    URI_HOST = 3
    ETAG = 4
    IF_NONE_MATCH = 5
    OBSERVE = 6
    URI_PORT = 7
    LOCATION_PATH = 8
    OSCORE = 9
    URI_PATH = 11
    CONTENT_FORMAT = 12
    MAX_AGE = 14
    URI_QUERY = 15
    HOP_LIMIT = 16
    ACCEPT = 17
    Q_BLOCK1 = 19
    LOCATION_QUERY = 20
    EDHOC = 21
    BLOCK2 = 23
    BLOCK1 = 27
    SIZE2 = 28
    Q_BLOCK2 = 31
    PROXY_URI = 35
    PROXY_SCHEME = 39
    SIZE1 = 60
    ECHO = 252
    NO_RESPONSE = 258
    REQUEST_TAG = 292


class CsmOption(IntEnum):
    """Options of a Capabilities and Settings Message; signals have numbers of their own (RFC 8323 section 5.3)."""

    MAX_MESSAGE_SIZE = 2
    BLOCK_WISE_TRANSFER = 4


class OptionFormat(Enum):
    """How the value is read (RFC 7252 section 3.2)."""

    EMPTY = "empty"
    OPAQUE = "opaque"
    UINT = "uint"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class OptionDefinition:
    """Format, shortest and longest value in bytes, and whether the option may appear more than once."""

    format: OptionFormat
    shortest: int
    longest: int
    repeatable: bool = False


UNDERSTOOD: dict[int, OptionDefinition] = {
    Option.IF_MATCH: OptionDefinition(OptionFormat.OPAQUE, 0, 8, repeatable=True),
    Option.URI_HOST: OptionDefinition(OptionFormat.STRING, 1, 255),
    Option.ETAG: OptionDefinition(OptionFormat.OPAQUE, 1, 8, repeatable=True),
    Option.IF_NONE_MATCH: OptionDefinition(OptionFormat.EMPTY, 0, 0),
    Option.OBSERVE: OptionDefinition(OptionFormat.UINT, 0, 3),
    Option.URI_PORT: OptionDefinition(OptionFormat.UINT, 0, 2),
    Option.LOCATION_PATH: OptionDefinition(OptionFormat.STRING, 0, 255, repeatable=True),
    Option.URI_PATH: OptionDefinition(OptionFormat.STRING, 0, 255, repeatable=True),
    Option.CONTENT_FORMAT: OptionDefinition(OptionFormat.UINT, 0, 2),
    Option.MAX_AGE: OptionDefinition(OptionFormat.UINT, 0, 4),
    Option.URI_QUERY: OptionDefinition(OptionFormat.STRING, 0, 255, repeatable=True),
    Option.ACCEPT: OptionDefinition(OptionFormat.UINT, 0, 2),
    Option.LOCATION_QUERY: OptionDefinition(OptionFormat.STRING, 0, 255, repeatable=True),
    Option.BLOCK2: OptionDefinition(OptionFormat.UINT, 0, 3),
    Option.BLOCK1: OptionDefinition(OptionFormat.UINT, 0, 3),
    Option.SIZE2: OptionDefinition(OptionFormat.UINT, 0, 4),
    Option.SIZE1: OptionDefinition(OptionFormat.UINT, 0, 4),
    Option.ECHO: OptionDefinition(OptionFormat.OPAQUE, 1, 40),
    Option.NO_RESPONSE: OptionDefinition(OptionFormat.UINT, 0, 1),
    Option.REQUEST_TAG: OptionDefinition(OptionFormat.OPAQUE, 0, 8, repeatable=True),
}
"""The options this stack acts on. Any other critical option is refused, any other elective one ignored."""


def is_critical(number: int) -> bool:
    """An odd number: who does not understand it must refuse the message (RFC 7252 section 5.4.1)."""
    return number & 1 == 1


def is_no_cache_key(number: int) -> bool:
    """Options that do not tell two requests apart (RFC 7252 section 5.4.6)."""
    return number & 0x1E == 0x1C
