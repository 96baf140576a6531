"""Errors of manifests: one type, one reason for each rule."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from suit.numbers import ReportReason


class SuitReason(Enum):
    """The rule that was broken, with what can be done about it."""

    MALFORMED = "not a manifest in the draft's structure; have it built again"
    TOO_LARGE = "larger than this recipient allows; deliver the payload apart"
    LIMIT = "more commands, components or nesting than this recipient allows; simplify the manifest"
    VERSION = "another encoding version; build the manifest for version 1"
    DIGEST = "the digest does not fit the bytes; transmit the envelope again"
    SIGNATURE = "no signature by the firmware authority; have that authority sign it"
    ALGORITHM = "an algorithm this recipient does not know"
    SEVERED = "a severed element is missing; send the envelope with it"
    SEQUENCE_TOO_LOW = "not newer than what the device has; raise the sequence number"
    SEQUENCE_TOO_HIGH = "too far ahead; number manifests in steps of at most 65536"
    IDENTITY_UNCHECKED = "the shared sequence does not check vendor and class; add both conditions"
    COMMAND_UNSUPPORTED = "a command this recipient does not know"
    PARAMETER_UNSUPPORTED = "a parameter this recipient does not know"
    PARAMETER_MISSING = "a command needs a parameter that is not set"
    COMPONENT_UNKNOWN = "the device has no such component"
    COMPONENT_INDEX = "a component index that is missing or out of range"
    WRONG_VENDOR = "made for another vendor's devices"
    WRONG_CLASS = "made for another class of devices"
    WRONG_DEVICE = "made for another device"
    WRONG_SLOT = "made for another slot"
    IMAGE_MISMATCH = "a component is not the image the manifest names"
    CONTENT_MISMATCH = "a component does not hold the content the manifest names"
    ABORTED = "the manifest ends here by its own order"
    NO_ALTERNATIVE = "none of the alternatives applies to this device"
    SOFT_FAILURE_MISPLACED = "soft failure set outside of try-each and run-sequence"
    PAYLOAD_MISSING = "the payload is not in the envelope, and this recipient fetches nothing from elsewhere"
    PAYLOAD_SIZE = "the payload has another size than the manifest says"
    PAYLOAD_DIGEST = "the payload has another digest than the manifest says"
    STORE = "the component could not be stored; check the device's storage and repeat"
    NOT_VERIFIED = "an envelope must be verified before it is processed"


_REPORTED_AS: Final[Mapping[SuitReason, ReportReason]] = {
    SuitReason.MALFORMED: ReportReason.CBOR_PARSE,
    SuitReason.TOO_LARGE: ReportReason.CBOR_PARSE,
    SuitReason.LIMIT: ReportReason.CBOR_PARSE,
    SuitReason.VERSION: ReportReason.CBOR_PARSE,
    SuitReason.DIGEST: ReportReason.UNAUTHORISED,
    SuitReason.SIGNATURE: ReportReason.UNAUTHORISED,
    SuitReason.NOT_VERIFIED: ReportReason.UNAUTHORISED,
    SuitReason.IDENTITY_UNCHECKED: ReportReason.UNAUTHORISED,
    SuitReason.SEQUENCE_TOO_LOW: ReportReason.UNAUTHORISED,
    SuitReason.SEQUENCE_TOO_HIGH: ReportReason.UNAUTHORISED,
    SuitReason.ALGORITHM: ReportReason.ALG_UNSUPPORTED,
    SuitReason.SEVERED: ReportReason.SEVERING_UNSUPPORTED,
    SuitReason.COMMAND_UNSUPPORTED: ReportReason.COMMAND_UNSUPPORTED,
    SuitReason.PARAMETER_UNSUPPORTED: ReportReason.PARAMETER_UNSUPPORTED,
    SuitReason.COMPONENT_UNKNOWN: ReportReason.COMPONENT_UNSUPPORTED,
    SuitReason.WRONG_VENDOR: ReportReason.CONDITION_FAILED,
    SuitReason.WRONG_CLASS: ReportReason.CONDITION_FAILED,
    SuitReason.WRONG_DEVICE: ReportReason.CONDITION_FAILED,
    SuitReason.WRONG_SLOT: ReportReason.CONDITION_FAILED,
    SuitReason.IMAGE_MISMATCH: ReportReason.CONDITION_FAILED,
    SuitReason.CONTENT_MISMATCH: ReportReason.CONDITION_FAILED,
    SuitReason.ABORTED: ReportReason.CONDITION_FAILED,
    SuitReason.NO_ALTERNATIVE: ReportReason.CONDITION_FAILED,
}


class SuitError(ValueError):
    """A manifest that cannot be taken, or whose processing failed. `reason` is the rule, `detail` the place."""

    def __init__(self, reason: SuitReason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail

    @property
    def report_reason(self) -> ReportReason:
        """The reason as a SUIT report carries it."""
        return _REPORTED_AS.get(self.reason, ReportReason.OPERATION_FAILED)


class ConditionFailed(SuitError):
    """A condition that does not hold: the sequence ends, and under soft failure only the sequence."""
