"""Why a COSE message is refused."""

from __future__ import annotations

from enum import Enum


class CoseReason(Enum):
    """The rule that was broken."""

    STRUCTURE = "not the COSE message that is expected here"
    PROTECTED_HEADER = "the protected header is not what this message requires"
    UNPROTECTED_HEADER = "the unprotected header is not what this message requires"
    CRITICAL = "a critical header parameter is not understood"
    ALGORITHM = "the algorithm is not known or not allowed here"
    KEY = "the key does not fit the algorithm"
    PAYLOAD = "the payload is missing, or present twice"
    SIGNATURE = "the signature does not verify under this key"
    TAG = "the authentication tag does not verify under this key"
    RECIPIENT = "it is encrypted for others"


class CoseError(ValueError):
    """Bytes that are not an acceptable COSE message; `reason` says which rule they break."""

    def __init__(self, reason: CoseReason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason


class SignatureInvalid(CoseError):
    """The signature does not verify under the key it was checked with."""

    def __init__(self) -> None:
        super().__init__(CoseReason.SIGNATURE)


class TagInvalid(CoseError):
    """The tag of a MAC or of an authenticated encryption does not verify under the key it was checked with."""

    def __init__(self) -> None:
        super().__init__(CoseReason.TAG)
