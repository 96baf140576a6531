"""Why a protected message is refused, and what a server tells about it (RFC 8613 section 8.2)."""

from __future__ import annotations

from enum import Enum

from secure_coap.numbers.codes import Code


class OscoreReason(Enum):
    """The value is the diagnostic text of the standard, where it has one."""

    MALFORMED = "Failed to decode COSE"
    CONTEXT = "Security context not found"
    REPLAY = "Replay detected"
    DECRYPTION = "Decryption failed"
    EXHAUSTED = "sequence numbers are used up: agree on a new context"
    UNEXPECTED = "not protected, or not by what the request was protected with"


_CODES = {
    OscoreReason.MALFORMED: Code.BAD_OPTION,
    OscoreReason.CONTEXT: Code.UNAUTHORIZED,
    OscoreReason.REPLAY: Code.UNAUTHORIZED,
    OscoreReason.DECRYPTION: Code.BAD_REQUEST,
}


class OscoreError(Exception):
    """A message that cannot be protected or believed."""

    def __init__(self, reason: OscoreReason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason

    @property
    def code(self) -> Code:
        """The unprotected response to a request that is refused."""
        return _CODES.get(self.reason, Code.INTERNAL_SERVER_ERROR)
