"""A provider's book: one entry per device, one atomic write each.

A device's time at a provider is a *tenure*: it begins owned (from the factory, or by a committed report), is offered to
others, and ends closed by the receipt that proves it left. A device that comes back begins another tenure, in a later
epoch. Before a tenure the device may be expected (listed by its present owner) and provisional (its attempt keys).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum

from cose.keys import PublicKey
from trust_transfer.messages.numbers import Result, State
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.values import seq_value

MAX_EXPECTED = 8
"""Transfers by which one device may be expected at a time."""
MAX_REMEMBERED = 32
"""Transfers remembered per device, the ended ones included."""
MAX_KEYS = 16
"""Attempt keys per device and label (protocol rule 11)."""
MAX_SETTLED = 32
"""Settled offers remembered, so that late reports still find their transfer."""


class BookError(Exception):
    """An event the book cannot take; nothing changed. The text says why and what to do."""


class Status(IntEnum):
    """What the book says about a device."""

    UNKNOWN = 0
    EXPECTED = 1
    PROVISIONAL = 2
    OWNED = 3
    OFFERED = 4
    IN_DOUBT = 5
    CLOSED = 6


class Delivery(Enum):
    """What became of an offer's message."""

    PENDING = 0
    ACCEPTED = 1
    REJECTED = 2


@dataclass(frozen=True, slots=True)
class SignedReport:
    """A TransferReport whose signature by the device's factory key was verified, with its bytes."""

    raw: bytes
    report: TransferReport


def verify_report(raw: bytes, factory_key: PublicKey) -> SignedReport:
    """The only way to a SignedReport from outside; MessageError when form or signature is wrong."""
    return SignedReport(raw, TransferReport.parse(raw, factory_key))


@dataclass(frozen=True, slots=True)
class Offer:
    """A TransferMessage given out for this device: open until one of the three proofs (rule 7)."""

    n: int
    transfer_id: bytes
    message: bytes
    """The exact bytes, re-sent as they are."""
    not_before: int
    not_after: int
    delivery: Delivery = Delivery.PENDING
    result: Result = Result.NONE
    """Why the device rejected it."""
    cancel: bool = False
    """The operator takes the offer back; a Cancel is due."""
    settled: bool = False
    """Proven never to commit."""


@dataclass(frozen=True, slots=True)
class FellBack:
    """A fell-back report this provider stored, with the duties that hang on it."""

    n: int
    transfer_id: bytes
    attempt_key: bytes
    report: bytes
    at: int
    acknowledged: bool = False
    """The device has answered the acknowledgement."""
    released: bool = False
    """The receiving provider has acknowledged the release."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The committed report a tenure began with."""

    transfer_id: bytes
    seq: int
    attempt_key: bytes
    report: bytes
    at: int
    acknowledged: bool = False
    receipted: bool = False
    """The former owner has acknowledged the receipt."""


@dataclass(frozen=True, slots=True)
class Departure:
    """The committed report that closed a tenure."""

    transfer_id: bytes
    seq: int
    report: bytes
    at: int
    revoked: bool = False
    """The own CA has confirmed that the epoch's certificates are revoked and the label entry is closed."""


@dataclass(frozen=True, slots=True)
class Tenure:
    """One stay of the device with this provider."""

    epoch: int
    since: int
    arrival: Arrival | None = None
    last_n: int = 0
    """Highest n ever used for an offer."""
    offers: tuple[Offer, ...] = ()
    fell_back: tuple[FellBack, ...] = ()
    departure: Departure | None = None
    factory_login: int | None = None
    """Since when the factory certificate is accepted (s since 1970): from the first offer until the device registers
    with a certificate issued after the latest offer or settlement (rule 17)."""
    order_enrollment: bool = False
    """The device fell back and has to enroll again."""

    @property
    def open(self) -> bool:
        """Whether the device still belongs to this provider by its book."""
        return self.departure is None

    @property
    def open_offers(self) -> tuple[Offer, ...]:
        """Offers without a proof, oldest first."""
        return tuple(offer for offer in self.offers if not offer.settled) if self.open else ()

    def seq(self, offer: Offer) -> int:
        """The seq of an offer of this tenure."""
        return seq_value(self.epoch, offer.n)

    def status(self, now: int) -> Status:
        """Owned, offered, in doubt (an open offer is past its window) or closed."""
        if not self.open:
            return Status.CLOSED
        if any(now >= offer.not_after for offer in self.open_offers):
            return Status.IN_DOUBT
        return Status.OFFERED if self.open_offers else Status.OWNED


@dataclass(frozen=True, slots=True)
class Expected:
    """A transfer announced by the device's present owner."""

    transfer_id: bytes
    update_first: bool = False
    open: bool = True
    """False once refused or overtaken by another transfer; remembered because releases may still be about it."""


@dataclass(frozen=True, slots=True)
class ReleasedKey:
    """An attempt key whose device fell back: never provisional again, refused and revoked by the own CA."""

    key: bytes
    transfer_id: bytes
    report: bytes
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class BookEntry:
    """Everything a provider stores about one device."""

    endpoint: str
    fingerprint: bytes
    """Of the factory certificate."""
    tenures: tuple[Tenure, ...] = ()
    """Oldest first; only the last can be open."""
    expected: tuple[Expected, ...] = ()
    provisional: tuple[bytes, ...] = ()
    """Attempt keys answered with 2.01; they end only by a committed report or a release."""
    released: tuple[ReleasedKey, ...] = field(default=())

    @property
    def tenure(self) -> Tenure | None:
        """The open tenure: set exactly while this provider owns the device by its book."""
        return self.tenures[-1] if self.tenures and self.tenures[-1].open else None

    @property
    def awaited(self) -> tuple[Expected, ...]:
        """The transfers by which the device may still come."""
        return tuple(known for known in self.expected if known.open)

    def status(self, now: int) -> Status:
        """What the book says at `now` (s since 1970)."""
        if self.tenure is not None:
            return self.tenure.status(now)
        if self.provisional:
            return Status.PROVISIONAL
        if self.awaited:
            return Status.EXPECTED
        return Status.CLOSED if self.tenures else Status.UNKNOWN

    def owned_tenure(self) -> Tenure:
        """The open tenure; BookError when the device is not this provider's."""
        if self.tenure is None:
            raise BookError(f"{self.endpoint} is not owned by this provider")
        return self.tenure

    def with_tenure(self, tenure: Tenure) -> BookEntry:
        """This entry with the tenure of the same epoch replaced."""
        return replace(self, tenures=tuple(tenure if old.epoch == tenure.epoch else old for old in self.tenures))


def from_factory(endpoint: str, fingerprint: bytes, now: int) -> BookEntry:
    """The entry of a device whose first owner this provider is: epoch 0."""
    return BookEntry(endpoint, fingerprint, tenures=(Tenure(epoch=0, since=now),))


def check_report(entry: BookEntry, signed: SignedReport, state: State) -> TransferReport:
    """The report, if it is about this device and this decision; BookError otherwise."""
    report = signed.report
    if report.endpoint != entry.endpoint:
        raise BookError(f"the report is about {report.endpoint!r}, not {entry.endpoint!r}")
    if report.state is not state:
        raise BookError(f"the report says {report.state.name.lower()}, not {state.name.lower()}")
    return report
