"""The receiving side: expecting, provisional entries, owning, releases; and a transfer back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.trust_transfer.provider.samples import (
    COMMITTED,
    CTI,
    ENDPOINT,
    FELL_BACK,
    FINGERPRINT,
    KEY,
    NOW,
    expected,
    offered,
    owned,
    provisional,
    report,
)
from trust_transfer.messages.numbers import State
from trust_transfer.provider import new, old
from trust_transfer.provider.book import MAX_EXPECTED, MAX_KEYS, BookEntry, BookError, Status
from trust_transfer.provider.duties import AcknowledgeReport, RevokeAttemptKey, SendReceipt, duties

OTHER_KEY = b"o" * 32


def test_provisional_is_not_ownership() -> None:
    entry = provisional()
    assert entry.status(NOW) is Status.PROVISIONAL
    assert entry.tenure is None
    assert duties(entry, NOW) == ()
    with pytest.raises(BookError):
        old.next_seq(entry)


def test_a_committed_report_makes_the_owner() -> None:
    entry = new.committed(provisional(), COMMITTED, NOW)
    assert entry.status(NOW) is Status.OWNED
    assert entry.owned_tenure().epoch == 1
    receipt = SendReceipt(CTI, FINGERPRINT, 1, NOW, COMMITTED.raw)
    assert duties(entry, NOW) == (AcknowledgeReport(1, committed=True), receipt)
    assert new.committed(entry, COMMITTED, NOW + 9) == entry
    assert duties(new.receipt_acknowledged(new.report_acknowledged(entry, 1), 1), NOW) == ()
    assert old.next_seq(entry) == 65537


@pytest.mark.parametrize(
    "signed",
    [
        FELL_BACK,
        report(State.COMMITTED, endpoint="urn:dev:2"),
        report(State.COMMITTED, transfer_id=b"another transfer"),
        report(State.COMMITTED, attempt_key=OTHER_KEY),
    ],
)
def test_a_report_about_anything_else_makes_nobody_the_owner(signed: object) -> None:
    with pytest.raises(BookError):
        new.committed(provisional(), signed, NOW)  # type: ignore[arg-type]


def test_without_a_provisional_key_there_is_no_owner() -> None:
    with pytest.raises(BookError):
        new.committed(expected(), COMMITTED, NOW)


def test_refusing_ends_with_the_first_2_01() -> None:
    assert new.refuse(expected(), CTI).status(NOW) is Status.UNKNOWN
    with pytest.raises(BookError, match=r"2\.01"):
        new.refuse(provisional(), CTI)
    with pytest.raises(BookError):
        new.registered(new.refuse(expected(), CTI), KEY)


def test_a_refused_transfer_is_remembered_for_its_release() -> None:
    entry = new.received_release(new.refuse(expected(), CTI), FELL_BACK)
    assert [released.key for released in entry.released] == [KEY]


def test_a_release_ends_one_key_only() -> None:
    entry = new.registered(provisional(), OTHER_KEY)
    released = new.received_release(entry, FELL_BACK)
    assert released.provisional == (OTHER_KEY,)
    assert duties(released, NOW) == (RevokeAttemptKey(FINGERPRINT, CTI, KEY),)
    assert new.received_release(released, FELL_BACK) == released
    assert duties(new.key_revocation_confirmed(released, KEY), NOW) == ()
    with pytest.raises(BookError, match="fell back"):
        new.registered(released, KEY)


def test_a_release_leaves_an_owned_device_alone() -> None:
    entry = new.committed(new.registered(provisional(), OTHER_KEY), COMMITTED, NOW)
    with pytest.raises(BookError, match="committed"):
        new.received_release(entry, FELL_BACK)
    late = new.received_release(entry, report(State.FELL_BACK, n=2, attempt_key=OTHER_KEY))
    assert late.status(NOW) is Status.OWNED


def test_a_release_that_overtakes_the_registration_counts() -> None:
    entry = new.received_release(expected(), FELL_BACK)
    with pytest.raises(BookError):
        new.registered(entry, KEY)


def test_bounds() -> None:
    entry = expected()
    for number in range(MAX_KEYS):
        entry = new.registered(entry, bytes([number]) * 32)
    with pytest.raises(BookError):
        new.registered(entry, KEY)
    many = BookEntry(ENDPOINT, FINGERPRINT)
    for number in range(MAX_EXPECTED):
        many = new.expect(many, bytes([number]) * 16)
    with pytest.raises(BookError):
        new.expect(many, CTI)
    assert new.expect(many, b"\x00" * 16).awaited[-1].transfer_id == b"\x00" * 16


def test_nobody_expects_a_device_of_his_own() -> None:
    with pytest.raises(BookError, match="receipt"):
        new.expect(owned(), CTI)


def test_a_transfer_back() -> None:
    left = old.received_receipt(offered(), COMMITTED, NOW)
    with pytest.raises(BookError, match="revoked"):
        new.expect(left, b"b" * 16)
    entry = new.expect(old.revocation_confirmed(left, 0), b"b" * 16)
    assert entry.status(NOW) is Status.EXPECTED
    back = report(State.COMMITTED, epoch=1, transfer_id=b"b" * 16, attempt_key=OTHER_KEY)
    entry = new.committed(new.registered(entry, OTHER_KEY), replace(back, raw=b"back"), NOW)
    assert [tenure.epoch for tenure in entry.tenures] == [0, 2]
    assert old.next_seq(entry) == 2 * 65536 + 1
    assert old.received_receipt(entry, COMMITTED, NOW) == entry
    with pytest.raises(BookError, match="already ended"):
        new.expect(old.revocation_confirmed(_gone(entry), 2), b"b" * 16)


def _gone(entry: BookEntry) -> BookEntry:
    entry = offered(entry, cti=b"c" * 16)
    return old.received_receipt(entry, report(State.COMMITTED, epoch=2, transfer_id=b"c" * 16), NOW)
