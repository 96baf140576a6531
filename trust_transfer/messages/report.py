"""TransferReport: the device's word on its transfer, signed once with its factory key (docs/reference/messages.md).

Three shapes, told apart by the state they report: progress, committed, fell back. A report is evidence: what it must
contain is checked when it is made and when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from cose.keys import PrivateKey, PublicKey
from cose.numbers import Claim
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.fields import Fields, array, byte_string, malformed, uint
from trust_transfer.messages.numbers import MAX_RESULT, PRIVATE_REPORT, ReportKey, Result, State, Typ
from trust_transfer.messages.signed import MAX_SERVER_MESSAGE, open_envelope, read_claims, seal, verified_payload
from trust_transfer.messages.values import MAX_ENDPOINT, SHA256_SIZE, TRANSFER_ID_SIZE, SuitDigest

_OPTIONAL_IN_PROGRESS: Final = frozenset({ReportKey.RUNNING, ReportKey.ATTEMPT_KEY})
_COMMITTED_MEMBERS: Final = frozenset(
    {ReportKey.RUNNING, ReportKey.ANCHORS, ReportKey.ATTEMPT_KEY, ReportKey.AUTHORITIES}
)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Which members beside seq, state and result a report of one state must have and may have."""

    required: frozenset[ReportKey]
    allowed: frozenset[ReportKey]


_PROGRESS: Final = _Shape(frozenset(), _OPTIONAL_IN_PROGRESS)
_SHAPES: Final[Mapping[State, _Shape]] = MappingProxyType(
    dict.fromkeys(State, _PROGRESS)
    | {
        State.COMMITTED: _Shape(_COMMITTED_MEMBERS, _COMMITTED_MEMBERS),
        State.FELL_BACK: _Shape(frozenset({ReportKey.ATTEMPT_KEY}), _OPTIONAL_IN_PROGRESS),
    }
)


@dataclass(frozen=True, slots=True)
class TransferReport:
    """What the device reports.

    `issued_at` is in seconds since 1970, None when the device has no clock. `anchors` are the fingerprints of the whole
    truststore, `attempt_key` the thumbprint of the seq's own key, `authorities` the thumbprints of every key whose
    messages or manifests the device accepts now. Raises `MessageError` (malformed) when the members do not fit the
    state: committed has all of them, fell back the attempt key, and neither anchors nor authorities otherwise.
    """

    endpoint: str
    issued_at: int | None
    transfer_id: bytes
    seq: int
    state: State
    result: Result
    running: SuitDigest | None = None
    anchors: tuple[bytes, ...] | None = None
    attempt_key: bytes | None = None
    authorities: tuple[bytes, ...] | None = None

    def __post_init__(self) -> None:
        shape = _SHAPES[self.state]
        present = {key for key, value in self._optional_members().items() if value is not None}
        if not shape.required <= present:
            missing = min(shape.required - present).name.lower()
            raise malformed(f"a report of state {self.state.name.lower()} needs {missing}")
        if not present <= shape.allowed:
            extra = min(present - shape.allowed).name.lower()
            raise MessageError(
                Result.UNKNOWN_TYP_OR_CLAIM, f"a report of state {self.state.name.lower()} has no {extra}"
            )

    def sign(self, factory_key: PrivateKey) -> bytes:
        """Sign as the device. Raises `MessageError` for values nobody would accept."""
        members = {ReportKey.SEQ: self.seq, ReportKey.STATE: self.state, ReportKey.RESULT: self.result}
        optional = {key: value for key, value in self._optional_members().items() if value is not None}
        claims = {
            Claim.ISS: self.endpoint,
            Claim.IAT: self.issued_at,
            Claim.CTI: self.transfer_id,
            PRIVATE_REPORT: members | optional,
        }
        raw = seal(claims, factory_key, Typ.REPORT)
        self.parse(raw, factory_key.public_key())
        return raw

    @classmethod
    def parse(cls, raw: bytes, factory_public_key: PublicKey) -> TransferReport:
        """Read a report signed by the device's factory key.

        Raises `MessageError`: too large, malformed, unknown typ or claim, wrong signer, bad signature. Whether it is
        this device's report on this transfer is the caller's to compare.
        """
        envelope = open_envelope(raw, Typ.REPORT, max_size=MAX_SERVER_MESSAGE)
        claims = read_claims(verified_payload(envelope, factory_public_key), "TransferReport", nullable={Claim.IAT})
        members = claims.nested(PRIVATE_REPORT)
        report = cls(
            endpoint=claims.text(Claim.ISS, 1, MAX_ENDPOINT),
            issued_at=claims.take(Claim.IAT, lambda value: None if value is None else uint(value, "iat")),
            transfer_id=claims.bytes_(Claim.CTI, TRANSFER_ID_SIZE),
            **_members(members),
        )
        members.done()
        claims.done()
        return report

    def _optional_members(self) -> dict[ReportKey, Any]:
        return {
            ReportKey.RUNNING: None if self.running is None else self.running.to_cbor(),
            ReportKey.ANCHORS: self.anchors,
            ReportKey.ATTEMPT_KEY: self.attempt_key,
            ReportKey.AUTHORITIES: self.authorities,
        }


def _members(fields: Fields) -> dict[str, Any]:
    return {
        "seq": fields.uint(ReportKey.SEQ),
        "state": State(fields.uint(ReportKey.STATE, 0, max(State))),
        "result": Result(fields.uint(ReportKey.RESULT, 0, MAX_RESULT)),
        "running": fields.optional(ReportKey.RUNNING, SuitDigest.from_cbor),
        "anchors": fields.optional(ReportKey.ANCHORS, _hashes),
        "attempt_key": fields.optional_bytes(ReportKey.ATTEMPT_KEY, SHA256_SIZE),
        "authorities": fields.optional(ReportKey.AUTHORITIES, _hashes),
    }


def _hashes(value: Any) -> tuple[bytes, ...]:
    return tuple(byte_string(member, "SHA-256", SHA256_SIZE) for member in array(value, "SHA-256 list", minimum=1))
