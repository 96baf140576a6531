"""The giving provider (SP1): offers, their three proofs, taking back, closing (protocol rules 6-8, 14, 16, 17, 19).

Every function takes the entry and returns the entry to store; equal entries mean that nothing changed. BookError: the
event does not fit the book, nothing is to be stored and nothing to be acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from trust_transfer.messages.numbers import Result, State
from trust_transfer.messages.values import seq_parts, seq_value
from trust_transfer.provider.book import (
    MAX_SETTLED,
    BookEntry,
    BookError,
    Delivery,
    Departure,
    FellBack,
    Offer,
    SignedReport,
    Tenure,
    check_report,
)


def next_seq(entry: BookEntry) -> int:
    """The seq the next offer must carry. BookError when the device is not owned or the epoch is used up."""
    tenure = entry.owned_tenure()
    if tenure.last_n >= 0xFFFF:
        raise BookError(f"{entry.endpoint}: every seq of epoch {tenure.epoch} is used")
    return seq_value(tenure.epoch, tenure.last_n + 1)


def offer(
    entry: BookEntry, seq: int, message: bytes, *, transfer_id: bytes, not_before: int, not_after: int, now: int
) -> BookEntry:
    """Book the message built for `next_seq`; store the result before sending a byte of it (rule 6).

    The same seq with the same bytes changes nothing; with other bytes it is refused.
    """
    tenure = entry.owned_tenure()
    known = _find(tenure, seq)
    if known is not None:
        if known.message != message:
            raise BookError(f"seq {seq} already belongs to another message")
        return entry
    if seq != next_seq(entry):
        raise BookError(f"seq {seq} is not the next one")
    n = seq_parts(seq).n
    made = Offer(n, transfer_id, message, not_before, not_after)
    return entry.with_tenure(replace(tenure, last_n=n, offers=(*tenure.offers, made), factory_login=now))


def delivered(entry: BookEntry, seq: int, result: Result) -> BookEntry:
    """The device's answer to the Write of this offer: NONE is success, BUSY means try again later.

    A rejection proves nothing about earlier copies of the message, so it only makes a Cancel due (rule 7).
    """
    if result is Result.BUSY:
        return entry
    delivery = Delivery.ACCEPTED if result is Result.NONE else Delivery.REJECTED
    return _change(entry, seq, lambda found: replace(found, delivery=delivery, result=result))


def withdraw(entry: BookEntry, seq: int) -> BookEntry:
    """The operator takes an open offer back: a Cancel becomes due and is repeated until a proof arrives."""
    return _change(entry, seq, lambda found: replace(found, cancel=True))


def cancelled(entry: BookEntry, seq: int, now: int) -> BookEntry:
    """The device answered Cancel(seq) with success: every offer up to seq is settled (rule 8).

    A refused Cancel proves nothing and is not an event.
    """
    tenure = entry.owned_tenure()
    if seq_parts(seq).epoch != tenure.epoch:
        raise BookError(f"seq {seq} is of another epoch")
    return entry.with_tenure(_settle(tenure, seq_parts(seq).n, now))


def fell_back(entry: BookEntry, signed: SignedReport, now: int) -> BookEntry:
    """The device's fell-back report: store, then acknowledge it to the device; a release becomes due (rule 19).

    Enrolling is due too, unless a Cancel settled the offer earlier and the device has registered with a certificate
    issued since.
    """
    report = check_report(entry, signed, State.FELL_BACK)
    tenure = _tenure_of(entry, report.seq)
    n = seq_parts(report.seq).n
    if any(known.n == n for known in tenure.fell_back):
        return entry
    if not tenure.open:
        raise BookError(f"{entry.endpoint} has already left with seq {tenure.departure and tenure.departure.seq}")
    _offer_of(tenure, report.seq, report.transfer_id)
    if report.attempt_key is None:
        raise BookError("a fell-back report names its attempt key")
    stored = FellBack(n, report.transfer_id, report.attempt_key, signed.raw, now)
    settled = _settle(tenure, n, now)
    enroll = settled.factory_login is not None
    return entry.with_tenure(replace(settled, fell_back=(*tenure.fell_back, stored), order_enrollment=enroll))


def report_acknowledged(entry: BookEntry, seq: int) -> BookEntry:
    """The device answered the acknowledgement of its fell-back report with success."""
    tenure = _tenure_of(entry, seq)
    n = seq_parts(seq).n
    marked = tuple(replace(one, acknowledged=True) if one.n == n else one for one in tenure.fell_back)
    return entry.with_tenure(replace(tenure, fell_back=marked))


def release_acknowledged(entry: BookEntry, seq: int) -> BookEntry:
    """The receiving provider has stored the release for this seq."""
    tenure = _tenure_of(entry, seq)
    n = seq_parts(seq).n
    marked = tuple(replace(one, released=True) if one.n == n else one for one in tenure.fell_back)
    return entry.with_tenure(replace(tenure, fell_back=marked))


def registered(entry: BookEntry, *, issued_at: int) -> BookEntry:
    """The owned device has registered with an operational certificate issued at this moment (s since 1970; for a CA
    that backdates, notBefore and what it backdates by).

    With every offer settled before that moment the certificate is younger than the last reset: the factory certificate
    is no longer accepted, nothing is left to enroll (rule 17). With an offer open a registration proves nothing.
    """
    tenure = entry.owned_tenure()
    if tenure.open_offers or tenure.factory_login is None or issued_at < tenure.factory_login:
        return entry
    return entry.with_tenure(replace(tenure, factory_login=None, order_enrollment=False))


def received_receipt(entry: BookEntry, signed: SignedReport, now: int) -> BookEntry:
    """A receipt's committed report: close the tenure; revoking becomes due (rule 16). Acknowledge after storing.

    Repeats change nothing.
    """
    report = check_report(entry, signed, State.COMMITTED)
    tenure = _tenure_of(entry, report.seq)
    if tenure.departure is not None:
        if tenure.departure.seq != report.seq:
            raise BookError(f"{entry.endpoint} left with another seq")
        return entry
    _offer_of(tenure, report.seq, report.transfer_id)
    if any(seq_value(tenure.epoch, one.n) == report.seq for one in tenure.fell_back):
        raise BookError(f"{entry.endpoint} has signed that it fell back from this seq")
    departure = Departure(report.transfer_id, report.seq, signed.raw, now)
    return entry.with_tenure(replace(tenure, departure=departure, factory_login=None, order_enrollment=False))


def revocation_confirmed(entry: BookEntry, epoch: int) -> BookEntry:
    """The own CA has revoked the certificates of this epoch and closed the device's label entry."""
    tenure = _tenure_of(entry, seq_value(epoch, 1))
    if tenure.departure is None:
        raise BookError(f"{entry.endpoint} still belongs to this provider")
    return entry.with_tenure(replace(tenure, departure=replace(tenure.departure, revoked=True)))


def _tenure_of(entry: BookEntry, seq: int) -> Tenure:
    epoch = seq_parts(seq).epoch
    for tenure in entry.tenures:
        if tenure.epoch == epoch:
            return tenure
    raise BookError(f"{entry.endpoint} was never owned in epoch {epoch}")


def _find(tenure: Tenure, seq: int) -> Offer | None:
    for found in tenure.offers:
        if tenure.seq(found) == seq:
            return found
    return None


def _change(entry: BookEntry, seq: int, change: Callable[[Offer], Offer]) -> BookEntry:
    """The entry with one open offer changed; unchanged when that offer is settled."""
    tenure = entry.owned_tenure()
    found = _find(tenure, seq)
    if found is None:
        raise BookError(f"no offer has seq {seq}")
    if found.settled:
        return entry
    changed = change(found)
    return entry.with_tenure(replace(tenure, offers=tuple(changed if one is found else one for one in tenure.offers)))


def _offer_of(tenure: Tenure, seq: int, transfer_id: bytes) -> Offer:
    found = _find(tenure, seq)
    if found is None:
        raise BookError(f"no offer has seq {seq}")
    if found.transfer_id != transfer_id:
        raise BookError("the report is about another transfer")
    return found


def _settle(tenure: Tenure, n: int, now: int) -> Tenure:
    """The tenure with every offer up to n settled; the oldest settled ones are forgotten.

    A Cancel may be answered by a device that fell back and whose report is still to come, so both proofs count as the
    end of a reset.
    """
    offers = [replace(one, settled=True, message=b"") if one.n <= n else one for one in tenure.offers]
    surplus = max(0, sum(one.settled for one in offers) - MAX_SETTLED)
    since = now if tenure.open_offers else tenure.factory_login
    return replace(tenure, offers=tuple(offers[surplus:]), factory_login=since)
