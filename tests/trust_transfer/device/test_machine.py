"""The machine step by step: timers, counters, actions, reports, restarts."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from cose.keys import public_key_of, thumbprint
from tests.trust_transfer.device.samples import (
    AGREED,
    ANCHOR_1,
    ANCHOR_2,
    ATTEMPT_KEY,
    CLOSES,
    CTI,
    ENDPOINT,
    FACTS,
    NOW,
    OLD_KEY,
    OPENS,
    PERMANENT,
    STEPS,
    after,
    at,
    authority,
    message,
    received,
    record,
)
from trust_transfer.device import actions as act
from trust_transfer.device import events as ev
from trust_transfer.device import machine
from trust_transfer.device.facts import Pace
from trust_transfer.device.record import DeviceRecord
from trust_transfer.messages.numbers import Form, Result, State
from trust_transfer.messages.values import SuitDigest

DURING = OPENS + 2000


def failed(step: State, *, final: bool = False) -> ev.StepFailed:
    return ev.StepFailed(step, final, Result.ENROLLMENT_REFUSED)


def outcome(start: DeviceRecord, event: ev.Event, now: int = DURING) -> machine.Outcome:
    return machine.handle(start, event, now, FACTS)


@pytest.mark.parametrize("form", Form)
def test_acceptance_is_one_write(form: Form) -> None:
    start = record(minimum=replace(record().minimum, form=form))
    accepted = machine.handle(start, ev.TransferMessageReceived(message(n=3, form=form)), NOW, FACTS)
    assert accepted.answer == act.SUCCESS
    assert accepted.actions == (act.ForgetNonce(),)
    assert (accepted.record.state, accepted.record.burned) == (State.ACCEPTED, 3)
    assert accepted.record.order is not None
    assert accepted.record.order.transfer_id == CTI
    assert accepted.record.fallback_uri == "coaps://sp1.example/back"
    assert accepted.record.sequence == 3


def test_a_later_offer_replaces_an_accepted_one() -> None:
    later = after(at(State.ACCEPTED), ev.TransferMessageReceived(message(n=2)), now=NOW)
    assert (later.state, later.burned, later.sequence) == (State.ACCEPTED, 2, 2)


def test_the_transfer_starts_by_itself_within_the_first_quarter() -> None:
    start = at(State.ACCEPTED)
    due = machine.next_timer(start, NOW, FACTS)
    jitter = int.from_bytes(sha256(ENDPOINT.encode() + CTI).digest()) % ((CLOSES - OPENS) // 4)
    assert due == OPENS + jitter
    assert outcome(start, ev.Tick(), due - 1).actions == ()
    assert outcome(start, ev.Tick(), due).actions == (act.MakeAttemptKey(),)


def test_start_skips_the_jitter() -> None:
    begun = outcome(at(State.ACCEPTED), ev.StartRequested(), OPENS)
    assert begun.answer == act.SUCCESS
    assert begun.actions == (act.MakeAttemptKey(),)


def test_the_reset_is_stored_with_its_key_before_it_begins() -> None:
    begun = outcome(at(State.ACCEPTED), ev.AttemptKeyMade(ATTEMPT_KEY))
    assert begun.record.state is State.RESETTING
    assert begun.record.account.credential is None
    (reset,) = begun.actions
    assert isinstance(reset, act.Reset)
    assert reset.keep_keys == {ATTEMPT_KEY}
    assert reset.keep_anchors == {PERMANENT, ANCHOR_1.fingerprint, ANCHOR_2.fingerprint}


def test_a_key_that_comes_after_the_window_begins_nothing() -> None:
    start = at(State.ACCEPTED)
    assert outcome(start, ev.AttemptKeyMade(ATTEMPT_KEY), CLOSES).record == start


def test_a_missed_window_keeps_the_seq_burned() -> None:
    start = at(State.ACCEPTED)
    assert machine.next_timer(start, CLOSES, FACTS) == CLOSES
    missed = outcome(start, ev.Tick(), CLOSES).record
    assert (missed.state, missed.result, missed.burned) == (State.IDLE, Result.WINDOW_MISSED, 1)


def test_attempts_are_counted_over_all_steps_and_restarts() -> None:
    start = after(at(State.ENROLLING), failed(State.ENROLLING))
    assert start.attempt is not None
    assert start.attempt.attempts == 1
    again = machine.resume(start, DURING, FACTS)
    assert again.record.attempt is not None
    assert again.record.attempt.attempts == 2
    assert isinstance(again.actions[0], act.Enroll)
    third = outcome(again.record, failed(State.ENROLLING))
    assert (third.record.state, third.record.result) == (State.FALLING_BACK, Result.ATTEMPTS)


def test_pauses_grow_and_end() -> None:
    pace = Pace(first=2, longest=60)
    assert [pace.pause(tries) for tries in (0, 1, 2, 3, 9, 9999)] == [0, 2, 4, 8, 60, 60]
    assert outcome(at(State.ENROLLING), failed(State.ENROLLING)).actions[0].delay == 2


def test_the_deadline_counts_on_through_restarts_and_clocks_set_back() -> None:
    start = after(at(State.ENROLLING), failed(State.ENROLLING), now=DURING + 400)
    due = machine.next_timer(start, DURING + 400, FACTS)
    assert due == DURING + 600
    back = machine.resume(start, DURING - 10_000, FACTS).record
    assert back.attempt is not None
    assert back.attempt.spent == 400
    ended = outcome(start, ev.Tick(), DURING + 600).record
    assert (ended.state, ended.result) == (State.FALLING_BACK, Result.DEADLINE)


def test_a_final_refusal_keeps_its_reason() -> None:
    refused = outcome(at(State.ENROLLING), failed(State.ENROLLING, final=True))
    assert (refused.record.state, refused.record.result) == (State.FALLING_BACK, Result.ENROLLMENT_REFUSED)
    image, register = refused.actions
    assert image == act.StartAgreedImage(agreed_state=AGREED)
    assert isinstance(register, act.Register)
    assert (register.uri, register.side, register.credential) == ("coaps://sp1.example/back", ev.Side.OLD, None)
    assert register.anchors == {ANCHOR_1.fingerprint}


def test_a_late_failure_of_another_step_is_ignored() -> None:
    start = at(State.REGISTERING)
    assert outcome(start, failed(State.ENROLLING, final=True)).record == start


def test_after_falling_back_each_visit_is_one_try() -> None:
    start = at(State.FALLING_BACK)
    visit = outcome(start, failed(State.FALLING_BACK, final=True))
    assert visit.record.state is State.REGISTERING
    assert visit.actions[0].delay > 0
    assert machine.next_timer(visit.record, DURING, FACTS) is None
    assert outcome(visit.record, ev.Tick(), DURING + 10**7).record == visit.record
    resumed = machine.resume(visit.record, DURING, FACTS)
    assert resumed.record == visit.record
    assert isinstance(resumed.actions[0], act.Register)
    again = outcome(visit.record, failed(State.REGISTERING))
    assert (again.record.state, again.record.result) == (State.FALLING_BACK, Result.FALL_BACK)
    assert again.actions[-1].delay > visit.actions[0].delay


def test_without_a_certificate_the_failed_step_is_tried_again() -> None:
    start = after(at(State.ENROLLING), failed(State.ENROLLING, final=True))
    assert after(start, failed(State.FALLING_BACK)).state is State.ENROLLING


def test_the_commit_switches_everything_at_once() -> None:
    committed = outcome(at(State.REGISTERING), ev.RegistrationAccepted(ev.Side.NEW))
    now = committed.record
    assert (now.state, now.epoch, now.burned) == (State.COMMITTED, 1, 0)
    assert now.account.authorities.transfer == authority("SP2")
    assert (now.account.server_uri, now.account.enroll_uri) == ("coaps://sp2.example", "coaps://ca2.example/est/two")
    assert (now.account.credential, now.account.certificate) == (ATTEMPT_KEY, b"new certificate")
    assert now.truststore == {PERMANENT, ANCHOR_2.fingerprint}
    assert now.erase_pending
    report, erase = committed.actions
    assert isinstance(report, act.SignReport)
    assert report.report.anchors == tuple(sorted({PERMANENT, ANCHOR_2.fingerprint}))
    assert report.report.attempt_key == ATTEMPT_KEY
    assert report.report.authorities == tuple(
        thumbprint(public_key_of(authority(owner))) for owner in ("SP2", "SP2 firmware")
    )
    assert report.report.seq == 1
    assert isinstance(erase, act.Erase)
    assert erase.keep_keys == {ATTEMPT_KEY}


def test_falling_back_restores_the_old_provider() -> None:
    back = after(at(State.FALLING_BACK), ev.RegistrationAccepted(ev.Side.OLD))
    assert (back.state, back.epoch, back.burned) == (State.FELL_BACK, 0, 1)
    assert back.account.authorities.transfer == authority("SP1")
    assert back.truststore == {PERMANENT, ANCHOR_1.fingerprint}
    assert back.referenced_keys == frozenset()


def test_a_2_01_in_another_state_is_ignored() -> None:
    for state in set(State) - {State.REGISTERING}:
        start = at(state)
        assert outcome(start, ev.RegistrationAccepted(ev.Side.NEW)).record == start


@pytest.mark.parametrize("state", [State.COMMITTED, State.FELL_BACK])
def test_the_report_is_signed_once_and_repeated_until_acknowledged(state: State) -> None:
    decided = at(state)
    assert decided.report == b"report"
    assert after(decided, ev.ReportSigned(b"another")).report == b"report"
    assert act.SendReport() in machine.resume(decided, DURING, FACTS).actions
    assert after(decided, ev.ReportAcknowledged(2)) == decided
    done = outcome(decided, ev.ReportAcknowledged(1))
    assert done.answer == act.SUCCESS
    assert (done.record.state, done.record.report, done.record.attempt) == (State.IDLE, None, None)
    again = outcome(done.record, ev.ReportAcknowledged(1))
    assert (again.answer, again.record) == (act.SUCCESS, done.record)


def test_erasing_is_repeated_until_done() -> None:
    done = after(at(State.COMMITTED), ev.ReportAcknowledged(1))
    assert any(isinstance(action, act.Erase) for action in machine.resume(done, DURING, FACTS).actions)
    assert machine.resume(after(done, ev.OldErased()), DURING, FACTS).actions == ()


def test_a_new_message_does_not_end_the_erasing() -> None:
    accepted = outcome(record(erase_pending=True), ev.TransferMessageReceived(message()))
    assert accepted.record.state is State.ACCEPTED
    assert any(isinstance(action, act.Erase) for action in accepted.actions)


@pytest.mark.parametrize("state", sorted(set(State) - {State.IDLE, State.ACCEPTED}))
def test_a_restart_repeats_the_action_of_the_state(state: State) -> None:
    start = at(state)
    kinds = {
        State.RESETTING: act.Reset,
        State.ATTESTING: act.Attest,
        State.UPDATING: act.Update,
        State.ENROLLING: act.Enroll,
        State.REGISTERING: act.Register,
        State.COMMITTED: act.SendReport,
        State.FALLING_BACK: act.StartAgreedImage,
        State.FELL_BACK: act.SendReport,
    }
    assert isinstance(machine.resume(start, DURING, FACTS).actions[0], kinds[state])


def test_the_wrong_image_after_the_reset_is_final() -> None:
    mismatch = after(at(State.RESETTING), ev.ResetDone(SuitDigest(-16, b"x" * 32)))
    assert (mismatch.state, mismatch.result) == (State.FALLING_BACK, Result.STATE_MISMATCH)


def test_cancel_follows_rule_8() -> None:
    assert after(record(), ev.CancelReceived(7)).burned == 7
    assert after(record(burned=9), ev.CancelReceived(7)).burned == 9
    accepted = after(record(), ev.TransferMessageReceived(message(n=5)), now=NOW)
    assert after(accepted, ev.CancelReceived(4), now=NOW) == accepted
    cancelled = after(accepted, ev.CancelReceived(6), now=NOW)
    assert (cancelled.state, cancelled.burned, cancelled.result) == (State.IDLE, 6, Result.CANCELLED)
    fell_back = at(State.FELL_BACK)
    assert after(fell_back, ev.CancelReceived(8)) == replace(fell_back, burned=8)


def test_without_a_clock_only_start_begins() -> None:
    blind = replace(FACTS, clock_trusted=False, nonce=b"n" * 16)
    accepted = machine.handle(record(), ev.TransferMessageReceived(message(nonce=b"n" * 16)), 5, blind).record
    assert accepted.state is State.ACCEPTED
    assert machine.next_timer(accepted, 5, blind) is None
    assert machine.handle(accepted, ev.Tick(), 5, blind).actions == ()
    assert machine.handle(accepted, ev.StartRequested(), 5, blind).actions == (act.MakeAttemptKey(),)


def test_repeats_are_answered_with_success_in_every_state() -> None:
    for state in set(State) - {State.IDLE}:
        start = at(state)
        assert start.order is not None
        assert received(start, start.order.raw, now=DURING).success


def test_the_whole_transfer() -> None:
    done = after(at(State.ACCEPTED), *STEPS, ev.ReportAcknowledged(1), ev.OldErased())
    assert (done.state, done.epoch, done.account.credential) == (State.IDLE, 1, ATTEMPT_KEY)
    assert OLD_KEY not in done.referenced_keys
