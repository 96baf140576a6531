"""Numbers of the trust transfer, each table once (docs/reference/messages.md)."""

from __future__ import annotations

from enum import IntEnum, IntFlag, StrEnum
from typing import Final

PRIVATE_TRANSFER: Final = -65537
"""Private claim of TransferTemplate and TransferMessage; its members are `TransferKey`."""
PRIVATE_REPORT: Final = -65538
"""Private claim of TransferReport; its members are `ReportKey`."""

MAX_RESULT: Final = 65535


class Typ(IntEnum):
    """COSE header `typ` of the three signed claims sets."""

    TEMPLATE = 65001
    MESSAGE = 65002
    REPORT = 65003


class JwsTyp(StrEnum):
    """JWS header `typ` of the documents between providers."""

    DEVICES = "tt-devices+cbor"
    RECEIPTS = "tt-receipts+cbor"
    RELEASES = "tt-releases+cbor"


class Form(IntEnum):
    """The two forms of a TransferMessage; a device's minimum form can only rise."""

    PLAIN = 0
    ENDORSED = 1


class State(IntEnum):
    """State of the device's transfer (resource 33001/1)."""

    IDLE = 0
    ACCEPTED = 1
    RESETTING = 2
    ATTESTING = 3
    UPDATING = 4
    ENROLLING = 5
    REGISTERING = 6
    COMMITTED = 7
    FALLING_BACK = 8
    FELL_BACK = 9


class Result(IntEnum):
    """Reason of an outcome (resource 33001/2, TransferReport, every rejection).

    A number of a newer registry is kept as it is, under the name `RESULT_<n>`: a report must not become unreadable
    because its device is newer than its reader.
    """

    NONE = 0
    MALFORMED = 1
    TOO_LARGE = 2
    UNKNOWN_TYP_OR_CLAIM = 3
    WRONG_SIGNER = 4
    BAD_SIGNATURE = 5
    AUDIENCE = 6
    EPOCH = 7
    REPLAY = 8
    EXPIRED = 9
    WINDOW = 10
    NO_TRUSTED_TIME = 11
    NONCE = 12
    BELOW_MINIMUM = 13
    ENDORSER_UNKNOWN = 14
    ENDORSEMENT_INVALID = 15
    URI = 16
    ANCHOR_MISSING = 17
    AGREED_STATE_ABSENT = 18
    BUSY = 19
    STORAGE = 20
    WINDOW_MISSED = 32
    CANCELLED = 33
    RESET = 40
    STATE_MISMATCH = 41
    ATTESTATION = 42
    UPDATE = 43
    SERVER_NOT_TRUSTED = 44
    ENROLLMENT_REFUSED = 45
    CERTIFICATE_INVALID = 46
    REGISTRATION_REFUSED = 47
    ATTEMPTS = 48
    DEADLINE = 49
    FALL_BACK = 50

    @classmethod
    def _missing_(cls, value: object) -> Result | None:
        if not isinstance(value, int) or not 0 <= value <= MAX_RESULT:
            return None
        member = int.__new__(cls, value)
        member._name_ = f"RESULT_{value}"
        member._value_ = value
        return member


class TransferKey(IntEnum):
    """Keys inside the private claim of TransferTemplate and TransferMessage."""

    SEQ = 0
    ENROLL_URI = 1
    UPDATE_URI = 2
    UPDATE_FIRST = 3
    RA_URI = 4
    FALLBACK_URI = 5
    AGREED_STATE = 6
    ANCHORS = 7
    PROFILE = 8
    LIMITS = 9
    ENDORSEMENT = 10
    AUTHORITIES = 11
    PINNED_KEY = 12


class ReportKey(IntEnum):
    """Keys inside the private claim of TransferReport."""

    SEQ = 0
    STATE = 1
    RESULT = 2
    RUNNING = 3
    ANCHORS = 4
    ATTEMPT_KEY = 5
    AUTHORITIES = 6


class AuthorityRole(IntEnum):
    """Keys of the map of next authorities."""

    TRANSFER = 0
    FIRMWARE = 1


class AnchorRole(IntFlag):
    """What a named anchor authenticates; the numbers are added up."""

    ENROLL = 1
    UPDATE = 2
    ATTEST = 4
    BENEATH_PERMANENT = 8
    """Not in the truststore: a CA beneath the permanent anchor that the peer's path must contain."""


class CertificateKind(IntEnum):
    """How a device entry carries the factory certificate."""

    X509 = 0
    C509 = 1
    FINGERPRINT = 2


class KeyOrigin(IntEnum):
    """Who made a device's factory key."""

    DEVICE = 0
    PROVIDER = 1
