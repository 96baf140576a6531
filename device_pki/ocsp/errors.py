"""Why an OCSP message cannot be used."""

from __future__ import annotations

import enum
from typing import Final

MAX_REQUEST_SIZE: Final = 2048
"""Octets of the largest request taken."""
MAX_ANSWER_SIZE: Final = 16 * 1024
"""Octets of the largest answer taken."""
MAX_NONCE_SIZE: Final = 128
"""Octets of the longest nonce (RFC 9654 2.1)."""


class OcspReason(enum.Enum):
    """What is wrong with a request or an answer."""

    TOO_LARGE = "too large"
    MALFORMED = "malformed"
    FOREIGN = "about another CA's certificate"
    REFUSED = "the responder refuses"
    WRONG_CERTIFICATE = "about another certificate"
    RESPONDER = "signed by somebody who may not"
    NONCE = "wrong nonce"
    NOT_YET_VALID = "not yet valid"
    STALE = "stale"


class OcspError(ValueError):
    """A request or answer that must not be used."""

    def __init__(self, reason: OcspReason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
