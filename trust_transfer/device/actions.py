"""What the edge does after it has stored the outcome's record, and what it answers.

Every action may be given again after a restart, so doing it twice must equal doing it once. `delay` (seconds) is the
pause before it, zero for the first try.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from trust_transfer.device.events import Side
from trust_transfer.messages.numbers import Result
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.values import Anchor, EnrollmentProfile, SuitDigest


class AnswerCode(IntEnum):
    """CoAP response codes of the answers, as the code byte (class x 32 + detail, RFC 7252 section 3)."""

    CHANGED = 0x44
    BAD_REQUEST = 0x80
    UNAUTHORIZED = 0x81
    METHOD_NOT_ALLOWED = 0x85
    REQUEST_ENTITY_TOO_LARGE = 0x8D
    INTERNAL_SERVER_ERROR = 0xA0


_REJECTION_CODES = {
    Result.TOO_LARGE: AnswerCode.REQUEST_ENTITY_TOO_LARGE,
    Result.BUSY: AnswerCode.METHOD_NOT_ALLOWED,
    Result.STORAGE: AnswerCode.INTERNAL_SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request; of a rejection only this carries the Result, the record does not."""

    code: AnswerCode
    result: Result = Result.NONE
    detail: str = ""

    @property
    def success(self) -> bool:
        """Whether the request was carried out, now or earlier."""
        return self.code is AnswerCode.CHANGED

    @property
    def diagnostic(self) -> str:
        """Diagnostic payload: number and name of the Result, then the detail; empty on success."""
        if self.success:
            return ""
        return f"{int(self.result)} {self.result.name.lower()}" + (f": {self.detail}" if self.detail else "")


SUCCESS = Answer(AnswerCode.CHANGED)


def rejection(result: Result, detail: str = "") -> Answer:
    """The answer to a request rejected for this reason, with the code of the registry."""
    return Answer(_REJECTION_CODES.get(result, AnswerCode.BAD_REQUEST), result, detail)


def refusal(detail: str) -> Answer:
    """4.05: the state table has no such row at the moment; nothing changed."""
    return Answer(AnswerCode.METHOD_NOT_ALLOWED, Result.BUSY, detail)


def unauthorized(detail: str) -> Answer:
    """4.01: this account may not do that."""
    return Answer(AnswerCode.UNAUTHORIZED, Result.NONE, detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do, `delay` seconds from now. Any later outcome with actions replaces what has not begun yet."""

    delay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeAttemptKey(Action):
    """Make a fresh P-256 key pair, store it durably, then send `AttemptKeyMade(thumbprint)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Action):
    """Erase every secret but the factory key and `keep_keys`, keep only `keep_anchors` in the truststore, bring the
    agreed state back, restart, then send `ResetDone` with the digest of what runs."""

    agreed_state: SuitDigest
    keep_keys: frozenset[bytes]
    keep_anchors: frozenset[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attest(Action):
    """Have the verifier at `uri` affirm the device, then `StepSucceeded` or `StepFailed(ATTESTING, …)`."""

    uri: str
    anchors: frozenset[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Update(Action):
    """Open an update session at `uri` with the factory certificate and take SP2's SUIT manifest, signed by
    `authority`, beside the agreed image; then `StepSucceeded` or `StepFailed(UPDATING, …)`."""

    uri: str
    anchors: frozenset[bytes]
    authority: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Enroll(Action):
    """Have the CA at `uri` certify `key`, authenticated by the factory certificate; then `CertificateIssued` or
    `StepFailed(ENROLLING, …)`."""

    uri: str
    profile: EnrollmentProfile
    key: bytes
    anchors: tuple[Anchor, ...]
    pinned_key: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Register(Action):
    """Register at `uri`, then `RegistrationAccepted(side)` on 2.01, else `StepFailed(REGISTERING or FALLING_BACK, …)`.

    `credential` and `certificate` are the attempt key and its certificate; None means the factory certificate.
    """

    uri: str
    side: Side
    anchors: frozenset[bytes]
    credential: bytes | None = None
    certificate: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAgreedImage(Action):
    """Run the agreed image again if SP2's update runs (rule 20); the update, installed beside it, is dropped. Nothing
    to do where the agreed image runs, or was never reached."""

    agreed_state: SuitDigest


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase(Action):
    """Erase every private key but the factory key and `keep_keys`, all other secrets of providers left behind, and
    anchors outside `keep_anchors`; then `OldErased`. The key of a renewal under way stays."""

    keep_keys: frozenset[bytes]
    keep_anchors: frozenset[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignReport(Action):
    """Sign this report with the factory key, then send `ReportSigned(raw)`."""

    report: TransferReport


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReport(Action):
    """Let the account's server know that 33001/13 waits: send an Update now and again, with growing pauses, until the
    state is no longer *committed* or *fell back*."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetNonce(Action):
    """The nonce was used: the next read of 33001/14 makes a new one."""
