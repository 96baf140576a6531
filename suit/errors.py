"""Errors of manifests: one type, one reason for each rule."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from suit.numbers import ParameterKey, ReportReason


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
    COMMAND_MISPLACED = "a command that has no place in this sequence"
    PARAMETER_UNSUPPORTED = "a parameter this recipient does not know"
    PARAMETER_MISSING = "a command needs a parameter that is not set"
    COMPONENT_UNKNOWN = "the device has no such component"
    COMPONENT_INDEX = "a component index that is missing or out of range"
    WRONG_VENDOR = "made for another vendor's devices"
    WRONG_CLASS = "made for another class of devices"
    WRONG_DEVICE = "made for another device"
    WRONG_SLOT = "made for another slot"
    WRONG_VERSION = "a component has another version than the manifest asks for"
    IMAGE_MATCHES = "a component already is the image it must not be"
    TOO_LATE = "the manifest's last moment has passed, or the device has no clock"
    BATTERY_LOW = "the battery holds less than the manifest asks for, or cannot be read"
    NOT_AUTHORIZED = "the application does not agree to the update now; try again later"
    IMAGE_MISMATCH = "a component is not the image the manifest names"
    CONTENT_MISMATCH = "a component does not hold the content the manifest names"
    ABORTED = "the manifest ends here by its own order"
    NO_ALTERNATIVE = "none of the alternatives applies to this device"
    SOFT_FAILURE_MISPLACED = "soft failure set outside of try-each and run-sequence"
    PAYLOAD_MISSING = "a payload the manifest wants in the envelope is not there; put it in"
    FETCH_NEEDED = "a payload must be got by its URI first"
    WAIT_NEEDED = "the manifest waits for something that has not happened yet"
    ENCRYPTION_INFO = "the encryption info cannot be used; have the payload encrypted again"
    NOT_A_RECIPIENT = "the payload is encrypted for others; have it encrypted for this device too"
    NOT_A_DEPENDENCY = "the component is not the envelope of another manifest"
    DEPENDENCY_MISSING = "a dependency is not on the device; fetch it first"
    DEPENDENCY_INTEGRITY = "a dependency is not the manifest that is named, or nobody believed vouches for it"
    DEPENDENCY_UNPROCESSED = "a section of a dependency was left out; process it in the same section"
    PAYLOAD_UNCHECKED = "a payload was fetched and never checked; add its digest and an image-match condition"
    PAYLOAD_SIZE = "the payload has another size than the manifest says"
    PAYLOAD_DIGEST = "the payload has another digest than the manifest says"
    STORE = "the component could not be stored; check the device's storage and repeat"
    NOT_VERIFIED = "an envelope must be verified before it is processed"
    NOT_INSTALLED = "only what is installed can be uninstalled"
    COMPONENT_FORBIDDEN = "a dependency reaches for what is not its own; have its author keep to its prefix"
    ORDER = "commands that may run in any order depend on their order; leave strict order on for them"


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
    SuitReason.COMMAND_MISPLACED: ReportReason.COMMAND_UNSUPPORTED,
    SuitReason.PARAMETER_UNSUPPORTED: ReportReason.PARAMETER_UNSUPPORTED,
    SuitReason.COMPONENT_UNKNOWN: ReportReason.COMPONENT_UNSUPPORTED,
    SuitReason.COMPONENT_FORBIDDEN: ReportReason.COMPONENT_UNAUTHORISED,
    SuitReason.WRONG_VENDOR: ReportReason.CONDITION_FAILED,
    SuitReason.WRONG_CLASS: ReportReason.CONDITION_FAILED,
    SuitReason.WRONG_DEVICE: ReportReason.CONDITION_FAILED,
    SuitReason.WRONG_SLOT: ReportReason.CONDITION_FAILED,
    SuitReason.IMAGE_MISMATCH: ReportReason.CONDITION_FAILED,
    SuitReason.CONTENT_MISMATCH: ReportReason.CONDITION_FAILED,
    SuitReason.ABORTED: ReportReason.CONDITION_FAILED,
    SuitReason.NO_ALTERNATIVE: ReportReason.CONDITION_FAILED,
    SuitReason.WRONG_VERSION: ReportReason.CONDITION_FAILED,
    SuitReason.IMAGE_MATCHES: ReportReason.CONDITION_FAILED,
    SuitReason.TOO_LATE: ReportReason.CONDITION_FAILED,
    SuitReason.BATTERY_LOW: ReportReason.CONDITION_FAILED,
    SuitReason.NOT_AUTHORIZED: ReportReason.CONDITION_FAILED,
    SuitReason.NOT_A_DEPENDENCY: ReportReason.CONDITION_FAILED,
    SuitReason.DEPENDENCY_INTEGRITY: ReportReason.UNAUTHORISED,
    SuitReason.NOT_A_RECIPIENT: ReportReason.COSE_UNSUPPORTED,
    SuitReason.ENCRYPTION_INFO: ReportReason.COSE_UNSUPPORTED,
}


class SuitError(ValueError):
    """A manifest that cannot be taken, or whose processing failed.

    `reason` is the rule, `detail` the place, `measured` what was found instead of what the manifest asks for.
    """

    def __init__(
        self, reason: SuitReason, detail: str = "", measured: Mapping[ParameterKey, Any] | None = None
    ) -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
        self.measured = measured or {}

    @property
    def report_reason(self) -> ReportReason:
        """The reason as a SUIT report carries it."""
        return _REPORTED_AS.get(self.reason, ReportReason.OPERATION_FAILED)


class ConditionFailed(SuitError):
    """A condition that does not hold: the sequence ends, and under soft failure only the sequence."""


class FetchNeeded(SuitError):
    """A payload must be got by its URI; then the same envelope is processed again with it. Nothing has changed.

    `size`: bytes of the plaintext, where the manifest names them. `arguments`: what to fetch with, in the form both
    sides know.
    """

    def __init__(self, uri: str, *, component: str, arguments: bytes | None, size: int | None, encrypted: bool) -> None:
        super().__init__(SuitReason.FETCH_NEEDED, f"{uri[:80]} for {component}")
        self.uri = uri
        self.component = component
        self.arguments = arguments
        self.size = size
        self.encrypted = encrypted


class WaitNeeded(SuitError):
    """Not all of `events` have happened; the same envelope is processed again when they have. Nothing has changed."""

    def __init__(self, events: Mapping[Any, Any]) -> None:
        super().__init__(SuitReason.WAIT_NEEDED, ", ".join(sorted(event.name.lower() for event in events)))
        self.events = events
