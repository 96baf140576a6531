"""The one durable record of a device: whose it is, what runs, what is burned.

One record is one atomic write. It survives a reset and holds no secret: keys are named by thumbprint, certificates
and anchors are public. The nonce of resource 33001/14 is volatile on purpose and therefore not here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cose.keys import public_key_of, thumbprint
from trust_transfer.device.minimum import Minimum
from trust_transfer.messages.numbers import AnchorRole, Result, State
from trust_transfer.messages.transfer_message import TransferOrder
from trust_transfer.messages.values import (
    Anchor,
    Authorities,
    Destination,
    EnrollmentProfile,
    Seq,
    seq_parts,
    seq_value,
)

WORKING = frozenset({State.RESETTING, State.ATTESTING, State.UPDATING, State.ENROLLING, State.REGISTERING})
"""The states in which the accepted message's steps run; the device obeys neither provider."""

UNDECIDED = WORKING | {State.FALLING_BACK}
"""From the reset to the decision."""

MAX_ENDORSERS = 8
MAX_ADDED_ANCHORS = 8


@dataclass(frozen=True, slots=True)
class Account:
    """A provider as its device knows it, public data only."""

    server_uri: str
    enroll_uri: str
    profile: EnrollmentProfile
    authorities: Authorities
    """The only keys whose TransferMessages and SUIT manifests the device accepts."""
    anchors: tuple[Anchor, ...]
    """Fingerprints this account's server, CA and verifier authenticate by, with their roles."""
    pinned_key: bytes | None = None
    credential: bytes | None = None
    """Thumbprint of the operational key; None before the first enrollment and from the reset to the next one."""
    certificate: bytes | None = None
    """The operational certificate (DER) of `credential`."""

    @classmethod
    def of(cls, destination: Destination, credential: bytes, certificate: bytes) -> Account:
        """The account a device switches to when it commits to this destination."""
        return cls(
            server_uri=destination.update_uri,
            enroll_uri=destination.enroll_uri,
            profile=destination.profile,
            authorities=destination.authorities,
            anchors=destination.anchors,
            pinned_key=destination.pinned_key,
            credential=credential,
            certificate=certificate,
        )

    def anchors_for(self, role: AnchorRole) -> frozenset[bytes]:
        """Fingerprints that authenticate a peer in this role."""
        return anchors_for(self.anchors, role)


def anchors_for(anchors: tuple[Anchor, ...], role: AnchorRole) -> frozenset[bytes]:
    """Fingerprints among `anchors` that authenticate a peer in this role."""
    return frozenset(anchor.fingerprint for anchor in anchors if anchor.roles & role)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The stored TransferMessage with the keys it was verified by, so that a restart can read it again."""

    order: TransferOrder
    authority: bytes
    endorsers: tuple[bytes, ...] = ()

    @property
    def seq(self) -> Seq:
        """Epoch and count of the message."""
        return seq_parts(self.order.seq)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The running attempt: its key, its certificate and its counters (protocol rules 9 and 11)."""

    key: bytes
    """Thumbprint of the attempt key."""
    counted_at: int
    """When `spent` was last brought up to date (s since 1970)."""
    certificate: bytes | None = None
    attempts: int = 0
    """Failed tries of any step so far; never reset by a restart."""
    spent: int = 0
    """Seconds of the cumulative deadline used up until `counted_at`."""
    failed_step: State | None = None
    """The step that gave up first. Once set, nothing counts any more and each visit is one try (rule 18)."""
    visits: int = 0
    """Visits to SP1 that failed since then; paces the next ones."""

    @property
    def returning(self) -> bool:
        """Whether the device has begun to fall back at least once in this attempt."""
        return self.failed_step is not None

    def elapsed(self, now: int) -> int:
        """Seconds of the cumulative deadline used up at `now`; a clock set back never lowers it."""
        return self.spent + max(0, now - self.counted_at)

    def counted(self, now: int) -> Attempt:
        """This attempt with one more failed try."""
        return replace(self, attempts=self.attempts + 1, spent=self.elapsed(now), counted_at=now)


@dataclass(frozen=True, slots=True)
class Endorser:
    """A transfer key this device believes when it endorses a message, with the end of its certificate."""

    key: bytes
    not_after: int


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """Everything about a device's trust that must survive power cuts and resets, written as one."""

    endpoint: str
    permanent_anchor: bytes
    """Fingerprint of the anchor no provider can remove."""
    minimum: Minimum
    account: Account
    """The provider the device belongs to: SP1 until the decision *committed*, SP2 from then on."""
    fallback_uri: str
    """Where a transfer that fails ends (33003/0); the accepted message's while one runs."""
    lab: bool = False
    """Factory flag: loopback and link-local URIs are allowed."""
    epoch: int = 0
    burned: int = 0
    time_floor: int = 0
    state: State = State.IDLE
    result: Result = Result.NONE
    accepted: Accepted | None = None
    attempt: Attempt | None = None
    report: bytes | None = None
    """The signed TransferReport of the decision, until it is acknowledged."""
    added_anchors: tuple[bytes, ...] = ()
    """Anchors written through 33002/6 beside the account's own; a reset keeps only those the message names."""
    endorsers: tuple[Endorser, ...] = ()
    erase_pending: bool = False
    """Secrets of a provider the device has left may still be in its storage."""

    @property
    def order(self) -> TransferOrder | None:
        """The accepted message's orders."""
        return None if self.accepted is None else self.accepted.order

    @property
    def sequence(self) -> int:
        """Resource 33001/6: seq of the accepted message, else epoch and burned."""
        return self.accepted.order.seq if self.accepted else seq_value(self.epoch, self.burned)

    @property
    def truststore(self) -> frozenset[bytes]:
        """Fingerprints of every anchor the device has at the moment."""
        named = () if self.order is None or self.state not in UNDECIDED else self.order.destination.anchors
        own = {anchor.fingerprint for anchor in (*self.account.anchors, *named)}
        return frozenset({self.permanent_anchor, *own, *self.added_anchors})

    @property
    def authority_thumbprints(self) -> tuple[bytes, ...]:
        """Resource 33001/15: thumbprints of the keys whose TransferMessages and SUIT manifests are accepted."""
        keys = self.account.authorities
        return tuple(thumbprint(public_key_of(key)) for key in (keys.transfer, keys.firmware))

    @property
    def referenced_keys(self) -> frozenset[bytes]:
        """Thumbprints of the private keys (beside the factory key) that must be kept; all others are erased."""
        keys = {self.account.credential}
        if self.attempt is not None and self.state in UNDECIDED:
            keys.add(self.attempt.key)
        return frozenset(key for key in keys if key is not None)
