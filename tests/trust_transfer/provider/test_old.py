"""The giving side: offers, proofs, taking back, closing."""

from __future__ import annotations

import pytest

from tests.trust_transfer.provider.samples import (
    CLOSES,
    COMMITTED,
    CTI,
    FELL_BACK,
    FINGERPRINT,
    KEY,
    NOW,
    OPENS,
    offered,
    owned,
    report,
)
from trust_transfer.messages.numbers import Result, State
from trust_transfer.provider import old
from trust_transfer.provider.book import MAX_SETTLED, BookError, Status
from trust_transfer.provider.duties import (
    AcknowledgeReport,
    Cancel,
    CloseAndRevoke,
    Deliver,
    OrderEnrollment,
    SendRelease,
    duties,
)


def test_an_offer_is_delivered_until_answered() -> None:
    entry = offered()
    assert entry.status(NOW) is Status.OFFERED
    assert duties(entry, NOW) == (Deliver(1, b"message"),)
    assert old.delivered(entry, 1, Result.BUSY) == entry
    assert duties(old.delivered(entry, 1, Result.NONE), NOW) == ()


def test_a_seq_never_carries_other_bytes() -> None:
    entry = offered()
    terms = {"transfer_id": CTI, "not_before": OPENS, "not_after": CLOSES, "now": NOW}
    assert old.offer(entry, 1, b"message", **terms) == entry  # type: ignore[arg-type]
    for seq in (1, 3, 65537):
        with pytest.raises(BookError):
            old.offer(entry, seq, b"other", **terms)  # type: ignore[arg-type]


def test_every_seq_is_new() -> None:
    entry = old.cancelled(offered(), 1, NOW)
    assert old.next_seq(entry) == 2


def test_after_the_window_cancel_is_repeated_until_a_proof() -> None:
    entry = old.delivered(offered(), 1, Result.NONE)
    assert entry.status(CLOSES) is Status.IN_DOUBT
    assert duties(entry, CLOSES) == (Cancel(1),)
    assert old.registered(entry, issued_at=CLOSES) == entry
    settled = old.cancelled(entry, 1, CLOSES)
    assert settled.status(CLOSES) is Status.OWNED
    assert duties(settled, CLOSES) == ()


def test_a_rejection_or_a_withdrawal_makes_a_cancel_due() -> None:
    rejected = old.delivered(offered(), 1, Result.ANCHOR_MISSING)
    assert duties(rejected, NOW) == (Cancel(1),)
    assert rejected.status(NOW) is Status.OFFERED
    assert duties(old.withdraw(offered(), 1), NOW) == (Cancel(1),)


def test_a_proof_settles_no_later_offer() -> None:
    entry = old.cancelled(offered(offered(), b"second"), 1, NOW)
    assert entry.status(NOW) is Status.OFFERED
    assert duties(entry, NOW) == (Deliver(2, b"second"),)


def test_fell_back_orders_release_and_enrollment() -> None:
    entry = old.fell_back(offered(), FELL_BACK, NOW + 50)
    assert entry.status(NOW) is Status.OWNED
    release = SendRelease(CTI, FINGERPRINT, 1, NOW + 50, FELL_BACK.raw)
    assert duties(entry, NOW) == (AcknowledgeReport(1, committed=False), release, OrderEnrollment())
    assert old.fell_back(entry, FELL_BACK, NOW + 99) == entry
    acknowledged = old.report_acknowledged(old.release_acknowledged(entry, 1), 1)
    assert duties(acknowledged, NOW) == (OrderEnrollment(),)
    assert old.registered(acknowledged, issued_at=NOW + 49) == acknowledged
    assert duties(old.registered(acknowledged, issued_at=NOW + 50), NOW) == ()


def test_a_report_after_a_cancel_still_releases() -> None:
    entry = old.fell_back(old.cancelled(offered(), 1, NOW), FELL_BACK, NOW)
    assert any(isinstance(duty, SendRelease) for duty in duties(entry, NOW))
    enrolled = old.registered(old.cancelled(offered(), 1, NOW), issued_at=NOW)
    assert OrderEnrollment() not in duties(old.fell_back(enrolled, FELL_BACK, NOW), NOW)


def test_a_receipt_closes_and_revokes() -> None:
    entry = old.received_receipt(offered(), COMMITTED, NOW)
    assert entry.status(NOW) is Status.CLOSED
    assert duties(entry, NOW) == (CloseAndRevoke(FINGERPRINT, 0),)
    assert old.received_receipt(entry, COMMITTED, NOW + 9) == entry
    assert duties(old.revocation_confirmed(entry, 0), NOW) == ()
    with pytest.raises(BookError):
        old.next_seq(entry)


@pytest.mark.parametrize(
    "signed",
    [
        FELL_BACK,
        report(State.COMMITTED, endpoint="urn:dev:2"),
        report(State.COMMITTED, transfer_id=b"another transfer"),
        report(State.COMMITTED, n=2),
        report(State.COMMITTED, epoch=1),
    ],
)
def test_a_receipt_about_anything_else_closes_nothing(signed: object) -> None:
    with pytest.raises(BookError):
        old.received_receipt(offered(), signed, NOW)  # type: ignore[arg-type]


def test_a_device_that_signed_both_is_not_closed() -> None:
    entry = old.fell_back(offered(), FELL_BACK, NOW)
    with pytest.raises(BookError, match="fell back"):
        old.received_receipt(entry, COMMITTED, NOW)


def test_revocation_before_the_receipt_is_refused() -> None:
    with pytest.raises(BookError):
        old.revocation_confirmed(offered(), 0)


def test_settled_offers_are_remembered_up_to_a_bound() -> None:
    entry = owned()
    for n in range(1, MAX_SETTLED + 9):
        entry = old.cancelled(offered(entry, b"%d" % n), n, NOW)
    tenure = entry.owned_tenure()
    assert len(tenure.offers) == MAX_SETTLED
    assert all(offer.message == b"" for offer in tenure.offers)
    assert old.next_seq(entry) == MAX_SETTLED + 9


def test_events_about_unknown_offers_are_refused() -> None:
    for event in (old.withdraw, lambda entry, seq: old.delivered(entry, seq, Result.NONE)):
        with pytest.raises(BookError):
            event(offered(), 2)
    with pytest.raises(BookError):
        old.cancelled(offered(), 65537, NOW)
    assert FELL_BACK.report.attempt_key == KEY
