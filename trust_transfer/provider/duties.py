"""What a provider still has to do for a device, read off its book entry: nothing is lost at a restart (rule 21).

A duty lasts until the event that ends it is stored; doing it twice equals doing it once. The edge works duties towards
the device whenever it is connected, the others at once and again with growing pauses.
"""

from __future__ import annotations

from dataclasses import dataclass

from trust_transfer.messages.values import seq_value
from trust_transfer.provider.book import Arrival, BookEntry, Delivery, Departure, FellBack, ReleasedKey, Tenure


@dataclass(frozen=True, slots=True)
class Deliver:
    """Write these bytes to 33001/0 of the device; ends with `old.delivered`."""

    seq: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Cancel:
    """Execute 33001/4 with this seq; a success ends it with `old.cancelled`, a refusal proves nothing."""

    seq: int


@dataclass(frozen=True, slots=True)
class OrderEnrollment:
    """Execute 33002/<instance of the own CA>/7; ends when the device registers with its new certificate."""


@dataclass(frozen=True, slots=True)
class AcknowledgeReport:
    """Execute 33001/16 with this seq; ends with `report_acknowledged` of `old` (fell back) or `new` (committed)."""

    seq: int
    committed: bool


@dataclass(frozen=True, slots=True)
class SendReceipt:
    """Post the committed report to the former owner; ends with `new.receipt_acknowledged`."""

    transfer_id: bytes
    fingerprint: bytes
    seq: int
    at: int
    report: bytes


@dataclass(frozen=True, slots=True)
class SendRelease:
    """Post the fell-back report to the receiving provider; ends with `old.release_acknowledged`."""

    transfer_id: bytes
    fingerprint: bytes
    seq: int
    at: int
    report: bytes


@dataclass(frozen=True, slots=True)
class CloseAndRevoke:
    """Have the own CA revoke the certificates issued in this epoch and close the device's entry in that epoch's label;
    ends with `old.revocation_confirmed`."""

    fingerprint: bytes
    epoch: int


@dataclass(frozen=True, slots=True)
class RevokeAttemptKey:
    """Have the own CA refuse this attempt key and revoke its certificates; ends with `new.key_revocation_confirmed`."""

    fingerprint: bytes
    transfer_id: bytes
    key: bytes


DeviceDuty = Deliver | Cancel | OrderEnrollment | AcknowledgeReport
"""Done over the device's own session."""

PartnerDuty = SendReceipt | SendRelease
CaDuty = CloseAndRevoke | RevokeAttemptKey
Duty = DeviceDuty | PartnerDuty | CaDuty


def duties(entry: BookEntry, now: int) -> tuple[Duty, ...]:
    """Everything due at `now` (s since 1970), in the order it should be tried."""
    due: list[Duty] = []
    for tenure in entry.tenures:
        if tenure.arrival is not None:
            due += _of_arrival(entry, tenure, tenure.arrival)
        for fell_back in tenure.fell_back:
            due += _of_fell_back(entry, tenure, fell_back)
        due += _of_offers(tenure, now)
        if tenure.open and tenure.order_enrollment:
            due.append(OrderEnrollment())
        if tenure.departure is not None:
            due += _of_departure(entry, tenure, tenure.departure)
    for released in entry.released:
        due += _of_released(entry, released)
    return tuple(due)


def _of_arrival(entry: BookEntry, tenure: Tenure, arrival: Arrival) -> list[Duty]:
    due: list[Duty] = []
    if tenure.open and not arrival.acknowledged:
        due.append(AcknowledgeReport(arrival.seq, committed=True))
    if not arrival.receipted:
        due.append(SendReceipt(arrival.transfer_id, entry.fingerprint, arrival.seq, arrival.at, arrival.report))
    return due


def _of_fell_back(entry: BookEntry, tenure: Tenure, one: FellBack) -> list[Duty]:
    due: list[Duty] = []
    seq = seq_value(tenure.epoch, one.n)
    if tenure.open and not one.acknowledged:
        due.append(AcknowledgeReport(seq, committed=False))
    if not one.released:
        due.append(SendRelease(one.transfer_id, entry.fingerprint, seq, one.at, one.report))
    return due


def _of_offers(tenure: Tenure, now: int) -> list[Duty]:
    due: list[Duty] = []
    ended = [
        one for one in tenure.open_offers if one.cancel or one.delivery is Delivery.REJECTED or now >= one.not_after
    ]
    if ended:
        due.append(Cancel(tenure.seq(ended[-1])))
    for one in tenure.open_offers:
        if one not in ended and one.delivery is Delivery.PENDING and (not ended or one.n > ended[-1].n):
            due.append(Deliver(tenure.seq(one), one.message))
    return due


def _of_departure(entry: BookEntry, tenure: Tenure, departure: Departure) -> list[Duty]:
    return [] if departure.revoked else [CloseAndRevoke(entry.fingerprint, tenure.epoch)]


def _of_released(entry: BookEntry, released: ReleasedKey) -> list[Duty]:
    return [] if released.revoked else [RevokeAttemptKey(entry.fingerprint, released.transfer_id, released.key)]
