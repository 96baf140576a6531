"""Registration handles: unguessable, and cheap to make."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from secrets import token_bytes
from typing import Final

SIZE: Final = 18
"""Random bytes of a handle (16 are asked for, security rule 27); a multiple of three has no padding in base64."""
_LENGTH: Final = SIZE * 4 // 3
_AT_ONCE: Final = 64


class Handles:
    """Makes handles. The system is asked for the randomness of several at a time; each byte is used once."""

    def __init__(self) -> None:
        self._unused: list[str] = []

    def make(self) -> str:
        """A new handle: 24 characters of base64url."""
        if not self._unused:
            text = urlsafe_b64encode(token_bytes(SIZE * _AT_ONCE)).decode()
            self._unused = [text[start : start + _LENGTH] for start in range(0, len(text), _LENGTH)]
        return self._unused.pop()
