"""Arguments of Execute (LwM2M Core 1.2, 6.3.5): `0='65537',1`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from objects.errors import FormatError, FormatReason

MAX_SIZE: Final = 1024
"""Bytes of all arguments."""

_ARGUMENT: Final = re.compile(r"([0-9])(?:='([\x20-\x26\x28-\x7e]*)')?", re.ASCII)


def render(arguments: Mapping[int, str | int | None]) -> bytes:
    """The payload; None is an argument without a value. Raises FormatError.

    >>> render({0: 65537})
    b"0='65537'"
    """
    parts = (str(n) if value is None else f"{n}='{value}'" for n, value in sorted(arguments.items()))
    data = ",".join(parts).encode()
    parse(data)
    return data


def parse(data: bytes) -> dict[int, str | None]:
    """Arguments by their digit. Raises FormatError."""
    if len(data) > MAX_SIZE:
        raise FormatError(FormatReason.TOO_LARGE, f"{len(data)} bytes of arguments, at most {MAX_SIZE}")
    if not data:
        return {}
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise FormatError(FormatReason.MALFORMED, "arguments are ASCII") from error
    arguments: dict[int, str | None] = {}
    at = 0
    while found := _ARGUMENT.match(text, at):
        number = int(found[1])
        if number in arguments:
            raise FormatError(FormatReason.DUPLICATE, f"argument {number} twice")
        arguments[number] = found[2]
        at = found.end()
        if at == len(text):
            return arguments
        if text[at] != ",":
            break
        at += 1
    raise FormatError(FormatReason.MALFORMED, f"not an argument at character {at}: {text[at : at + 20]!r}")


def integer(arguments: Mapping[int, str | None], number: int) -> int:
    """The value of one argument as an unsigned 64-bit integer. Raises FormatError."""
    value = arguments.get(number)
    if value is None or not re.fullmatch(r"0|[1-9][0-9]{0,19}", value, re.ASCII) or int(value) >= 2**64:
        raise FormatError(FormatReason.WRONG_TYPE, f"argument {number} must be an unsigned integer")
    return int(value)
