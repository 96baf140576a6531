"""What can happen to a device during and around a transfer. The edge turns requests, timers and results into these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from trust_transfer.device.minimum import Minimum
from trust_transfer.messages.numbers import Result, State
from trust_transfer.messages.values import Anchor, EnrollmentProfile, SuitDigest


class Source(Enum):
    """Who asks. The edge knows it from the session a request came in by."""

    SERVER = "server"
    """The account the device belongs to (`DeviceRecord.account`), at its server or at fallbackURI."""
    UPDATE_SESSION = "update session"
    """SP2's server, in the update session opened with the factory certificate."""
    LOCAL = "local"
    """Somebody at the device."""
    STRANGER = "stranger"
    """Any other account, bootstrap, and SP2's server before the device has committed."""


class Side(Enum):
    """Which of the two providers of the running transfer answered."""

    OLD = "SP1"
    NEW = "SP2"


@dataclass(frozen=True, slots=True)
class TransferMessageReceived:
    """Write 33001/0, the body complete."""

    raw: bytes
    source: Source = Source.SERVER


@dataclass(frozen=True, slots=True)
class CancelReceived:
    """Execute 33001/4; `seq` is its argument (epoch x 65536 + n)."""

    seq: int
    source: Source = Source.SERVER


@dataclass(frozen=True, slots=True)
class StartRequested:
    """Execute 33001/3."""

    source: Source = Source.SERVER


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; due when `machine.next_timer` says so, harmless at any other moment."""


@dataclass(frozen=True, slots=True)
class AttemptKeyMade:
    """The key ordered by `MakeAttemptKey` is made and durably stored under this thumbprint."""

    key: bytes


@dataclass(frozen=True, slots=True)
class ResetDone:
    """The reset is complete, the device has restarted, and this is the digest of what runs now."""

    running: SuitDigest


@dataclass(frozen=True, slots=True)
class StepSucceeded:
    """Attestation was affirmed, or SP2's update is installed beside the agreed image."""

    step: State


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A step did not work. `final`: by the registry's list of what ends a step for good."""

    step: State
    """The state whose action failed; a late failure of an earlier step is ignored."""
    final: bool
    result: Result


@dataclass(frozen=True, slots=True)
class CertificateIssued:
    """The CA of the destination certified `key`; the edge has checked path, role and name of the certificate."""

    key: bytes
    certificate: bytes
    not_before: int


@dataclass(frozen=True, slots=True)
class RegistrationAccepted:
    """2.01 to a Register at this provider."""

    by: Side


@dataclass(frozen=True, slots=True)
class FallBackRequested:
    """Execute 33003/6, or a person at the device gives the transfer up."""

    source: Source


@dataclass(frozen=True, slots=True)
class ReportSigned:
    """The report ordered by `SignReport`, signed with the factory key."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class ReportAcknowledged:
    """Execute 33001/16; `seq` is its argument."""

    seq: int
    source: Source = Source.SERVER


@dataclass(frozen=True, slots=True)
class Restarted:
    """The device has booted with this record. Sent by `machine.resume`."""


@dataclass(frozen=True, slots=True)
class OldErased:
    """Every secret the record does not reference is gone from storage."""


@dataclass(frozen=True, slots=True)
class EndorserReceived:
    """Write 33001/17: a certificate (DER)."""

    certificate: bytes
    source: Source = Source.SERVER


@dataclass(frozen=True, slots=True)
class MinimumWritten:
    """Write 33001/18."""

    minimum: Minimum
    source: Source = Source.SERVER


@dataclass(frozen=True, slots=True)
class AnchorsWritten:
    """Write to 33002/6; the edge keeps the certificates, the record their fingerprints.

    `replace`: these take the place of all that were added before, not that of the account's own.
    """

    fingerprints: tuple[bytes, ...]
    replace: bool = False
    source: Source = Source.SERVER


@dataclass(frozen=True, slots=True)
class AccountWritten:
    """Writes to 33002 or 33003 by the current server; None leaves a field as it is."""

    enroll_uri: str | None = None
    fallback_uri: str | None = None
    anchors: tuple[Anchor, ...] | None = None
    profile: EnrollmentProfile | None = None
    source: Source = Source.SERVER


@dataclass(frozen=True, slots=True)
class CredentialRenewed:
    """(Re-)enrollment at the current account's CA gave this key a certificate, and it works."""

    key: bytes
    certificate: bytes
    not_before: int
    replaces: bytes | None
    """The account's credential (thumbprint) when the enrollment began; the event is ignored when it has changed since,
    for then the certificate is one of an account the device has left, or of a key a reset has erased."""


TransferEvent = (
    TransferMessageReceived
    | CancelReceived
    | StartRequested
    | Tick
    | AttemptKeyMade
    | ResetDone
    | StepSucceeded
    | StepFailed
    | CertificateIssued
    | RegistrationAccepted
    | FallBackRequested
    | ReportAcknowledged
    | Restarted
)
"""Events of the state table."""

UpkeepEvent = (
    ReportSigned | OldErased | EndorserReceived | MinimumWritten | AnchorsWritten | AccountWritten | CredentialRenewed
)
"""Events that change the record beside the state table."""

Event = TransferEvent | UpkeepEvent
