"""The receiving provider (SP2): expecting, provisional entries, owning, releases (protocol rules 12, 15, 19).

Same conventions as `old`: entry in, entry to store out, BookError when the event does not fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from trust_transfer.messages.numbers import State
from trust_transfer.messages.values import seq_parts
from trust_transfer.provider.book import (
    MAX_EXPECTED,
    MAX_KEYS,
    MAX_REMEMBERED,
    Arrival,
    BookEntry,
    BookError,
    Expected,
    ReleasedKey,
    SignedReport,
    Tenure,
    check_report,
)


def expect(entry: BookEntry, transfer_id: bytes, update_first: bool = False) -> BookEntry:
    """The present owner listed the device for this transfer.

    BookError while the own book still says owned (the receipt of the departure has to arrive first), or while
    certificates of the last stay are not yet revoked (one of them could be taken for an attempt).
    """
    if entry.tenure is not None:
        raise BookError(f"{entry.endpoint} is still owned by this provider; send the receipt of its departure first")
    if any(tenure.departure and not tenure.departure.revoked for tenure in entry.tenures):
        raise BookError(f"{entry.endpoint} has certificates of its last stay here; wait until they are revoked")
    if any(tenure.arrival and tenure.arrival.transfer_id == transfer_id for tenure in entry.tenures):
        raise BookError("this transfer has already ended")
    others = tuple(known for known in entry.expected if known.transfer_id != transfer_id)
    if sum(known.open for known in others) >= MAX_EXPECTED:
        raise BookError(f"{entry.endpoint} is expected by too many transfers; refuse one first")
    return replace(entry, expected=(*others[-MAX_REMEMBERED:], Expected(transfer_id, update_first)))


def refuse(entry: BookEntry, transfer_id: bytes) -> BookEntry:
    """The operator no longer wants the device; possible only before the first 2.01 (rule 12)."""
    if entry.provisional:
        raise BookError(f"{entry.endpoint} was already answered 2.01; only its report or a release ends that")
    return replace(entry, expected=_closed(entry.expected, {transfer_id}))


def registered(entry: BookEntry, key: bytes) -> BookEntry:
    """An expected device registers with a certificate for this attempt key: store, then answer 2.01 (rule 12)."""
    if key in entry.provisional:
        return entry
    if not entry.awaited:
        raise BookError(f"{entry.endpoint} is not expected")
    if any(known.key == key for known in entry.released):
        raise BookError("the device fell back from the attempt with this key")
    if len(entry.provisional) >= MAX_KEYS:
        raise BookError(f"{entry.endpoint} has {MAX_KEYS} attempts without a decision")
    return replace(entry, provisional=(*entry.provisional, key))


def committed(entry: BookEntry, signed: SignedReport, now: int) -> BookEntry:
    """The device's committed report: the device is owned once this is stored; a receipt becomes due (rule 15).

    A Register does not say which transfer it belongs to, so after a 2.01 even a transfer refused meanwhile counts.
    """
    report = check_report(entry, signed, State.COMMITTED)
    if _arrival(entry, report.seq) is not None:
        return entry
    if report.transfer_id not in {known.transfer_id for known in entry.expected}:
        raise BookError("the report is about a transfer this provider does not know")
    if report.attempt_key is None or report.attempt_key not in entry.provisional:
        raise BookError("the report names an attempt key that never registered here")
    arrival = Arrival(report.transfer_id, report.seq, report.attempt_key, signed.raw, now)
    epoch = seq_parts(report.seq).epoch + 1
    tenure = Tenure(epoch=epoch, since=now, arrival=arrival)
    overtaken = _closed(entry.expected, {known.transfer_id for known in entry.expected})
    return replace(entry, tenures=(*entry.tenures, tenure), expected=overtaken, provisional=())


def report_acknowledged(entry: BookEntry, seq: int) -> BookEntry:
    """The device answered the acknowledgement of its committed report with success."""
    return _mark(entry, seq, lambda arrival: replace(arrival, acknowledged=True))


def receipt_acknowledged(entry: BookEntry, seq: int) -> BookEntry:
    """The former owner has stored the receipt."""
    return _mark(entry, seq, lambda arrival: replace(arrival, receipted=True))


def received_release(entry: BookEntry, signed: SignedReport) -> BookEntry:
    """A release: the attempt key's provisional entry ends, the own CA has to refuse and revoke it (rule 19).

    Acknowledge after storing. Other keys and owned entries stay untouched.
    """
    report = check_report(entry, signed, State.FELL_BACK)
    key = report.attempt_key
    if key is None:
        raise BookError("a fell-back report names its attempt key")
    if any(known.key == key for known in entry.released):
        return entry
    if any(tenure.arrival and tenure.arrival.attempt_key == key for tenure in entry.tenures):
        raise BookError(f"{entry.endpoint} has signed that it committed with this attempt key")
    if report.transfer_id not in {known.transfer_id for known in entry.expected}:
        raise BookError("the release is about a transfer this provider does not know")
    released = ReleasedKey(key, report.transfer_id, signed.raw)
    remaining = tuple(known for known in entry.provisional if known != key)
    return replace(entry, provisional=remaining, released=(*entry.released, released))


def key_revocation_confirmed(entry: BookEntry, key: bytes) -> BookEntry:
    """The own CA refuses the released key from now on and has revoked its certificates."""
    marked = tuple(replace(known, revoked=True) if known.key == key else known for known in entry.released)
    return replace(entry, released=marked)


def _closed(expected: tuple[Expected, ...], transfers: set[bytes]) -> tuple[Expected, ...]:
    return tuple(replace(known, open=known.open and known.transfer_id not in transfers) for known in expected)


def _arrival(entry: BookEntry, seq: int) -> Arrival | None:
    for tenure in entry.tenures:
        if tenure.arrival is not None and tenure.arrival.seq == seq:
            return tenure.arrival
    return None


def _mark(entry: BookEntry, seq: int, mark: Callable[[Arrival], Arrival]) -> BookEntry:
    for tenure in entry.tenures:
        if tenure.arrival is not None and tenure.arrival.seq == seq:
            return entry.with_tenure(replace(tenure, arrival=mark(tenure.arrival)))
    raise BookError(f"{entry.endpoint} did not arrive with seq {seq}")
