"""Writes beside the state table: minimum, anchors, account, credential, endorsers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.trust_transfer.device.samples import ANCHOR_1, FACTS, NOW, OLD_KEY, after, at, record
from trust_transfer.device import events as ev
from trust_transfer.device import machine
from trust_transfer.device.minimum import SERVER_KEYS, Minimum
from trust_transfer.device.record import MAX_ADDED_ANCHORS, UNDECIDED, DeviceRecord
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Form, KeyOrigin, Result, State
from trust_transfer.messages.values import EnrollmentProfile


def answer(start: DeviceRecord, event: ev.Event) -> tuple[DeviceRecord, Result]:
    outcome = machine.handle(start, event, NOW, FACTS)
    assert outcome.answer is not None
    return outcome.record, outcome.answer.result


def test_the_minimum_can_only_rise() -> None:
    low = Minimum(Form.PLAIN, KeyOrigin.DEVICE, 0b11)
    raised, _ = answer(record(minimum=low), ev.MinimumWritten(Minimum(Form.ENDORSED, KeyOrigin.DEVICE, 0b01)))
    assert raised.minimum == Minimum()
    for wanted in (low, Minimum(protocols=0b11), Minimum(key_origin=KeyOrigin.PROVIDER)):
        same, result = answer(raised, ev.MinimumWritten(wanted))
        assert (same, result) == (raised, Result.BELOW_MINIMUM)


def test_the_minimum_on_the_wire() -> None:
    assert Minimum.decode(Minimum().encode()) == Minimum()
    for bad in (b"", b"\x00", b"\x83\x00\x00", b"\x83\x02\x00\x00", b"\x83\x00\x00\xf5", b"\x83\x00\x00\x19\x01\x00"):
        with pytest.raises(MessageError):
            Minimum.decode(bad)


def test_the_minimum_says_what_enrollment_may_be() -> None:
    both = Minimum(protocols=0b11)
    assert (Minimum().schemes, both.schemes) == (("coaps",), ("coaps", "coap"))
    assert both.allows(EnrollmentProfile(1, 1, 0)) and not Minimum().allows(EnrollmentProfile(1, 1, 0))
    assert not both.allows(EnrollmentProfile(0, 0, 1))
    assert Minimum(protocols=0b01 | SERVER_KEYS).allows(EnrollmentProfile(0, 0, 1))
    assert not Minimum(protocols=0b10 | SERVER_KEYS).allows(EnrollmentProfile(0, 0, 1))


def test_the_server_chooses_a_profile_the_device_allows() -> None:
    compact = EnrollmentProfile(1, 1, 0)
    able = record(minimum=Minimum(protocols=0b11))
    written, result = answer(able, ev.AccountWritten("coap://ca1.example/est/x", profile=compact))
    assert (written.account.profile, written.account.enroll_uri, result) == (
        compact,
        "coap://ca1.example/est/x",
        Result.NONE,
    )
    assert answer(record(), ev.AccountWritten(profile=compact)) == (record(), Result.BELOW_MINIMUM)
    assert answer(record(), ev.AccountWritten("coap://ca1.example/est/x")) == (record(), Result.URI)
    for keygen, protocols in ((1, 0b11), (0, 0b01)):
        start = record(minimum=Minimum(protocols=protocols))
        profile = EnrollmentProfile(1, 1, keygen)
        assert answer(start, ev.AccountWritten(profile=profile)) == (start, Result.BELOW_MINIMUM)


def test_anchors_are_added_up_to_a_bound() -> None:
    start = record(added_anchors=())
    for number in range(MAX_ADDED_ANCHORS):
        start, _ = answer(start, ev.AnchorsWritten((bytes([number]) * 32,)))
    assert len(start.added_anchors) == MAX_ADDED_ANCHORS
    assert answer(start, ev.AnchorsWritten((b"\x00" * 32,))) == (start, Result.NONE)
    assert answer(start, ev.AnchorsWritten((b"\xff" * 32,))) == (start, Result.STORAGE)


def test_anchors_are_added_all_or_none() -> None:
    start = record(added_anchors=())
    many = tuple(bytes([number]) * 32 for number in range(MAX_ADDED_ANCHORS + 1))
    assert answer(start, ev.AnchorsWritten(many)) == (start, Result.STORAGE)


def test_added_anchors_can_be_replaced_while_no_message_names_them() -> None:
    full = record(added_anchors=tuple(bytes([number]) * 32 for number in range(MAX_ADDED_ANCHORS)))
    replaced, result = answer(full, ev.AnchorsWritten((b"x" * 32, ANCHOR_1.fingerprint), replace=True))
    assert (replaced.added_anchors, replaced.erase_pending, result) == ((b"x" * 32,), True, Result.NONE)
    assert replaced.account == full.account
    accepted = at(State.ACCEPTED)
    assert answer(accepted, ev.AnchorsWritten((b"x" * 32,), replace=True)) == (accepted, Result.BUSY)


@pytest.mark.parametrize("state", sorted(UNDECIDED))
def test_nobody_writes_between_reset_and_decision(state: State) -> None:
    start = at(state)
    for event in (
        ev.AnchorsWritten((b"x" * 32,)),
        ev.AccountWritten(enroll_uri="coaps://ca1.example/est/x"),
        ev.MinimumWritten(Minimum()),
        ev.EndorserReceived(b""),
    ):
        assert answer(start, event) == (start, Result.BUSY)


def test_the_account_is_the_current_servers() -> None:
    written, _ = answer(record(), ev.AccountWritten("coaps://ca1.example/est/new", "coaps://sp1.example/new"))
    assert written.account.enroll_uri == "coaps://ca1.example/est/new"
    assert written.fallback_uri == "coaps://sp1.example/new"
    assert answer(record(), ev.AccountWritten("coaps://127.0.0.1/x")) == (record(), Result.URI)
    outcome = machine.handle(record(), ev.AccountWritten("coaps://x.example", source=ev.Source.STRANGER), NOW, FACTS)
    assert outcome.record == record()


def test_a_renewed_credential_replaces_the_one_it_was_asked_for() -> None:
    renewal = ev.CredentialRenewed(b"r" * 32, b"renewed", NOW, replaces=OLD_KEY)
    renewed = after(record(), renewal, now=NOW)
    assert renewed.account.credential == b"r" * 32
    assert renewed.erase_pending
    assert renewed.time_floor == NOW
    assert after(renewed, renewal, now=NOW) == renewed


def test_a_late_renewal_never_reaches_another_account() -> None:
    late = ev.CredentialRenewed(b"r" * 32, b"renewed", NOW, replaces=OLD_KEY)
    for state in UNDECIDED | {State.COMMITTED, State.FELL_BACK}:
        start = at(state)
        assert after(start, late) == start


def test_an_anchor_that_is_not_named_goes_at_the_reset() -> None:
    start = at(State.ACCEPTED)
    planted = replace(start, added_anchors=(*start.added_anchors, b"x" * 32))
    assert b"x" * 32 not in after(planted, ev.AttemptKeyMade(b"k" * 32)).truststore
