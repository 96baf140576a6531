"""Switching off a rule of the protocol makes a run fail: rule by rule, by replacing one small function of the product.

Nothing in the product knows about this: the functions are exchanged here, in the test. Each entry names the runs in
which the missing rule shows; the same runs are clean with the rule in force (test_random_runs).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.trust_transfer.simulator import runs
from tests.trust_transfer.simulator.device import Device
from tests.trust_transfer.simulator.invariants import Violation
from trust_transfer.device import policy, record, steps, table, writes
from trust_transfer.device.context import Context
from trust_transfer.device.record import WORKING, Attempt, DeviceRecord
from trust_transfer.device.table import Row
from trust_transfer.messages.numbers import State
from trust_transfer.messages.values import seq_value
from trust_transfer.provider import admission, duties, new, old
from trust_transfer.provider.book import BookEntry, Offer, Tenure

SEEDS = 400


@dataclass(frozen=True)
class Rule:
    """A rule, what is switched off of it, how, and the runs that show it."""

    number: int
    off: str
    switch: Callable[[pytest.MonkeyPatch], None]
    run: runs.Run = runs.mixed


def row(patch: pytest.MonkeyPatch, event: str, change: Callable[[Row], Row]) -> None:
    """Change every row of the state table whose event has this name."""
    rows = tuple(change(one) if one.event == event else one for one in table.ROWS)
    assert rows != table.ROWS
    patch.setattr(table, "ROWS", rows)


def without_check(patch: pytest.MonkeyPatch, check: object) -> None:
    patch.setattr(policy, "CHECKS", tuple(one for one in policy.CHECKS if one is not check))


def undo_decision(patch: pytest.MonkeyPatch) -> None:
    row(patch, "2.01 from SP1", lambda one: replace(one, states=one.states | {State.COMMITTED}))


def accept_again(patch: pytest.MonkeyPatch) -> None:
    without_check(patch, policy.check_replay)


def accept_without_burning(patch: pytest.MonkeyPatch) -> None:
    def write(context: Context) -> DeviceRecord:
        return replace(writes.accept(context), burned=context.record.burned)

    row(patch, "valid TransferMessage, n > burned", lambda one: replace(one, write=write))


def never_busy(patch: pytest.MonkeyPatch) -> None:
    row(patch, "valid TransferMessage, n > burned", lambda one: replace(one, states=one.states | WORKING))


def cancel_while_working(patch: pytest.MonkeyPatch) -> None:
    def write(context: Context) -> DeviceRecord:
        return replace(writes.cancel(context), attempt=None)

    row(patch, "Cancel(s), s ≥ seq", lambda one: replace(one, states=one.states | WORKING, write=write))


def reuse_seq(patch: pytest.MonkeyPatch) -> None:
    def next_seq(entry: BookEntry) -> int:
        tenure = entry.owned_tenure()
        return seq_value(tenure.epoch, max(1, tenure.last_n))

    def offer(entry: BookEntry, seq: int, message: bytes, *, now: int, **terms: object) -> BookEntry:
        made = Offer(seq % 65536, message=message, **terms)  # type: ignore[arg-type]
        return entry.with_tenure(replace(entry.owned_tenure(), last_n=made.n, offers=(made,), factory_login=now))

    patch.setattr(old, "next_seq", next_seq)
    patch.setattr(old, "offer", offer)


def registration_settles(patch: pytest.MonkeyPatch) -> None:
    def registered(entry: BookEntry, *, issued_at: int) -> BookEntry:
        return old.cancelled(entry, seq_value(entry.owned_tenure().epoch, 65535), issued_at)

    patch.setattr(old, "registered", registered)


def cancel_burns_nothing(patch: pytest.MonkeyPatch) -> None:
    row(patch, "Cancel(s), own epoch", lambda one: replace(one, write=writes.nothing))


def window_never_ends(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(policy, "window_over", lambda order, context: False)


def counters_reset(patch: pytest.MonkeyPatch) -> None:
    def counted(self: Attempt, now: int) -> Attempt:
        return replace(self, attempts=0, spent=0, counted_at=now)

    patch.setattr(record.Attempt, "counted", counted)


def keep_credential(patch: pytest.MonkeyPatch) -> None:
    def write(context: Context) -> DeviceRecord:
        return replace(writes.start(context), account=context.record.account)

    row(patch, "window open, start", lambda one: replace(one, write=write))


def any_image(patch: pytest.MonkeyPatch) -> None:
    row(patch, "reset complete", lambda one: replace(one, guard=None))


def one_key_for_all(patch: pytest.MonkeyPatch) -> None:
    fresh = Device.attempt_key

    def attempt_key(self: Device) -> bytes:
        first: bytes = self.__dict__.setdefault("first_key", None) or fresh(self)
        self.__dict__["first_key"] = first
        self.keys.add(first)
        return first

    patch.setattr(Device, "attempt_key", attempt_key)


def answer_without_storing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(new, "registered", lambda entry, key: entry)


def commit_without_switching(patch: pytest.MonkeyPatch) -> None:
    def write(context: Context) -> DeviceRecord:
        return replace(writes.commit(context), account=context.record.account)

    row(patch, "2.01 from SP2", lambda one: replace(one, write=write))


def any_acknowledgement(patch: pytest.MonkeyPatch) -> None:
    row(patch, "report acknowledged", lambda one: replace(one, guard=None))


def own_on_registration(patch: pytest.MonkeyPatch) -> None:
    def registered(entry: BookEntry, key: bytes) -> BookEntry:
        return replace(entry, tenures=(*entry.tenures, Tenure(epoch=len(entry.tenures) * 2 + 1, since=0)))

    patch.setattr(new, "registered", registered)


def revoke_by_time(patch: pytest.MonkeyPatch) -> None:
    offers = duties._of_offers

    def of_offers(tenure: Tenure, now: int) -> list[duties.Duty]:
        over = any(now >= offer.not_after for offer in tenure.open_offers)
        return [*offers(tenure, now), *([duties.CloseAndRevoke(b"", tenure.epoch)] if over else [])]

    patch.setattr(duties, "_of_offers", of_offers)


def closed_after_settling(patch: pytest.MonkeyPatch) -> None:
    factory = admission._factory

    def only_with_offers(entry: BookEntry) -> admission.Admission:
        if entry.tenure is not None and not entry.tenure.open_offers:
            return admission.Admission(admission.Kind.REFUSED, "no open offer")
        return factory(entry)

    patch.setattr(admission, "_factory", only_with_offers)


def fall_back_is_final(patch: pytest.MonkeyPatch) -> None:
    row(patch, "SP1 refuses or is silent", lambda one: replace(one, write=writes.nothing))


def no_release(patch: pytest.MonkeyPatch) -> None:
    fell_back = duties._of_fell_back

    def of_fell_back(*arguments: object) -> list[duties.Duty]:
        due = fell_back(*arguments)  # type: ignore[arg-type]
        return [one for one in due if not isinstance(one, duties.SendRelease)]

    patch.setattr(duties, "_of_fell_back", of_fell_back)


def keep_new_image(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(steps._ACTIONS, State.FALLING_BACK, (steps._register_old,))


def any_epoch(patch: pytest.MonkeyPatch) -> None:
    without_check(patch, policy.check_epoch)


def cancel_of_any_epoch(patch: pytest.MonkeyPatch) -> None:
    row(patch, "Cancel(s), own epoch", lambda one: replace(one, guard=None))


def forget_duties(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(duties, "_of_departure", lambda entry, tenure, departure: [])


RULES = (
    Rule(1, "a decision is never undone", undo_decision, runs.torn),
    Rule(2, "only n above burned", accept_again, runs.retries),
    Rule(3, "seq is stored with the message", accept_without_burning, runs.retries),
    Rule(4, "busy from the reset on", never_busy, runs.retries),
    Rule(5, "neither provider is obeyed before the decision", cancel_while_working, runs.retries),
    Rule(6, "a seq is never used for other bytes", reuse_seq, runs.there_and_back),
    Rule(7, "a registration proves nothing", registration_settles),
    Rule(8, "Cancel burns a message it has not seen", cancel_burns_nothing, runs.retries),
    Rule(9, "no reset after the window", window_never_ends),
    Rule(9, "the deadline is cumulative", counters_reset, runs.dead_receiver),
    Rule(10, "the operational key is erased", keep_credential),
    Rule(10, "the agreed image runs before the next step", any_image),
    Rule(11, "each seq has its own key", one_key_for_all, runs.retries),
    Rule(12, "provisional is stored before 2.01", answer_without_storing),
    Rule(13, "the commit switches everything", commit_without_switching),
    Rule(14, "an acknowledgement names its seq", any_acknowledgement, runs.torn),
    Rule(15, "provisional is not ownership", own_on_registration),
    Rule(16, "revoking only on a receipt", revoke_by_time),
    Rule(17, "taken back until enrolled again", closed_after_settling),
    Rule(18, "falling back is not final", fall_back_is_final, runs.closed_fallback),
    Rule(19, "SP2 is released", no_release, runs.retries),
    Rule(20, "the agreed image is started again", keep_new_image, runs.dead_receiver),
    Rule(21, "a message of another epoch changes nothing", any_epoch, runs.there_and_back),
    Rule(21, "a Cancel of another epoch changes nothing", cancel_of_any_epoch, runs.there_and_back),
    Rule(21, "duties are part of the record", forget_duties, runs.there_and_back),
)


def first_violation(run: runs.Run) -> Violation | None:
    for seed in range(SEEDS):
        try:
            run(seed)
        except Violation as violation:
            return violation
    return None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.number}: {rule.off}")
def test_switched_off_rule_is_missed(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    rule.switch(monkeypatch)
    assert first_violation(rule.run) is not None


def test_every_rule_is_listed() -> None:
    assert {rule.number for rule in RULES} == set(range(1, 22))
