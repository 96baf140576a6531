"""Why an EDHOC session ends. Each reason has the error message the peer is told (RFC 9528 section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from cose import cbor
from secure_coap.edhoc.numbers import ErrorCode


class EdhocReason(Enum):
    """The rule that was broken, or what the peer said."""

    MALFORMED = "not the message that is expected here"
    METHOD = "a method this side does not offer"
    CIPHER_SUITE = "no cipher suite in common"
    KEY = "an ephemeral key that is no point of its curve"
    CREDENTIAL = "a credential that is not known here"
    CREDENTIAL_KIND = "a credential whose key does not fit method and cipher suite"
    AUTHENTICATION = "the peer does not hold the key it claims, or the message was changed"
    CRITICAL_EAD = "a critical EAD item that is not understood"
    REFLECTED = "our own message came back"
    PEER = "the peer ended the session"


class EdhocError(Exception):
    """The session has ended. `error_message` is what to tell the peer; None after an error of its own (section 6)."""

    def __init__(self, reason: EdhocReason, detail: str = "", *, suites: Sequence[int] = ()) -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.suites = tuple(suites)
        """After CIPHER_SUITE: what the responder supports."""
        self.session: bytes | None = None
        """What the peer calls the session, if it has said so."""

    @property
    def error_message(self) -> bytes | None:
        """ERR_CODE and ERR_INFO as a CBOR sequence; never more than the reason's name."""
        if self.reason is EdhocReason.PEER:
            return None
        if self.reason is EdhocReason.CIPHER_SUITE:
            suites = self.suites[0] if len(self.suites) == 1 else list(self.suites)
            return cbor.encode(int(ErrorCode.WRONG_CIPHER_SUITE)) + cbor.encode(suites)
        if self.reason is EdhocReason.CREDENTIAL:
            return cbor.encode(int(ErrorCode.UNKNOWN_CREDENTIAL)) + cbor.encode(True)
        return cbor.encode(int(ErrorCode.UNSPECIFIED)) + cbor.encode(self.reason.name)
