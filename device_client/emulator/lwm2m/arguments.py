"""Arguments of Execute: `0='65537',3` (LwM2M Core 1.2, 7.3.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from secure_coap.errors import BadRequest

MAX_ARGUMENTS: Final = 512
"""Bytes of one argument list."""

_ARGUMENT: Final = re.compile(r"([0-9])(?:='([^'\x00-\x1f]{0,256})')?")


def parse_arguments(payload: bytes) -> Mapping[int, str | None]:
    """Arguments by digit; one without a value maps to None. Raises BadRequest.

    >>> parse_arguments(b"0='65537',3")
    {0: '65537', 3: None}
    """
    if len(payload) > MAX_ARGUMENTS:
        raise BadRequest(f"at most {MAX_ARGUMENTS} bytes of arguments")
    arguments: dict[int, str | None] = {}
    text = payload.decode("ascii", "replace")
    position = 0
    while position < len(text):
        found = _ARGUMENT.match(text, position)
        if found is None or int(found[1]) in arguments:
            raise BadRequest("arguments look like 0='value',1 with each digit once")
        arguments[int(found[1])] = found[2]
        position = found.end()
        if position < len(text):
            if text[position] != "," or position + 1 == len(text):
                raise BadRequest("arguments are separated by commas")
            position += 1
    return arguments


def number_argument(arguments: Mapping[int, str | None], digit: int) -> int:
    """The argument as a decimal number of at most 64 bits. Raises BadRequest."""
    value = arguments.get(digit) or ""
    if not (value.isascii() and value.isdecimal() and len(value) <= 20 and int(value) < 1 << 64):
        raise BadRequest(f"argument {digit} must be a number")
    return int(value)
