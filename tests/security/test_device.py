"""docs/reference/security-tests.md, tests 16 to 22, by their numbers, at the layer of the transfer itself.

Of 21 the evidence and its verifier belong to the attestation part; here: a step that is not affirmed never leads on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cose.keys import generate_private_key
from tests.trust_transfer.device.samples import (
    ANCHOR_2,
    CLOSES,
    CTI,
    ENDPOINT,
    FACTS,
    NOW,
    OPENS,
    PERMANENT,
    STEPS,
    after,
    at,
    destination,
    key,
    message,
    record,
    rejected,
)
from tests.trust_transfer.provider.samples import offered, provisional
from tests.trust_transfer.provider.samples import report as report_of
from tests.trust_transfer.simulator.actor import PowerCut
from tests.trust_transfer.simulator.device import Device
from tests.trust_transfer.simulator.world import Terms, World
from trust_transfer.device import actions as act
from trust_transfer.device import events as ev
from trust_transfer.device import machine
from trust_transfer.device.record import UNDECIDED
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import AnchorRole, Result, State
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.values import Anchor, SuitDigest
from trust_transfer.provider import new, old
from trust_transfer.provider.book import BookError, verify_report


class Cutter:
    """Counts the device's writes and cuts the power at one of them, before or after it."""

    def __init__(self, at_write: int, after_it: bool) -> None:
        self.left = at_write
        self.after_it = after_it
        self.writes = 0

    def write(self, device: Device, change: Callable[[], None]) -> None:
        self.writes += 1
        self.left -= 1
        if self.left == 0 and not self.after_it:
            raise PowerCut
        change()
        if self.left == 0:
            raise PowerCut


def one_transfer(patch: pytest.MonkeyPatch, cutter: Cutter, update_first: bool) -> World:
    patch.setattr(Device, "write", lambda device, change: cutter.write(device, change))
    world = World(seed=16)
    world.run(40)
    world.transfer(Terms(delay=5, length=1000, update_first=update_first, attempts=20))
    world.run(1200)
    world.settle()
    return world


@pytest.mark.parametrize("update_first", [False, True])
@pytest.mark.parametrize("after_it", [False, True])
def test_16_a_power_cut_at_every_write_leaves_one_owner(
    monkeypatch: pytest.MonkeyPatch, after_it: bool, update_first: bool
) -> None:
    """`settle` checks owner, books and keys; SP1's secrets are gone whatever happened."""
    count = Cutter(0, after_it)
    assert one_transfer(monkeypatch, count, update_first).device.record.epoch == 1
    for position in range(1, count.writes + 1):
        device = one_transfer(monkeypatch, Cutter(position, after_it), update_first).device
        assert device.record.epoch == 1
        assert not device.secrets


def test_17_a_planted_anchor_does_not_outlive_the_reset() -> None:
    planted = after(record(), ev.AnchorsWritten((b"x" * 32,)))
    accepted = after(planted, ev.TransferMessageReceived(message()), now=NOW)
    assert b"x" * 32 in accepted.truststore
    (reset,) = machine.handle(accepted, STEPS[0], OPENS + 2000, FACTS).actions
    assert isinstance(reset, act.Reset)
    assert b"x" * 32 not in reset.keep_anchors
    registering = after(accepted, *STEPS[:3])
    report, _ = machine.handle(registering, STEPS[3], OPENS + 2000, FACTS).actions
    assert isinstance(report, act.SignReport)
    assert report.report.anchors == tuple(sorted({PERMANENT, ANCHOR_2.fingerprint}))


def test_18_another_image_than_the_agreed_one_enrolls_nowhere() -> None:
    outcome = machine.handle(at(State.RESETTING), ev.ResetDone(SuitDigest(-16, b"x" * 32)), OPENS, FACTS)
    assert (outcome.record.state, outcome.record.result) == (State.FALLING_BACK, Result.STATE_MISMATCH)
    assert not any(isinstance(action, act.Enroll) for action in outcome.actions)


def test_19_start_only_inside_the_window() -> None:
    accepted = at(State.ACCEPTED)
    for moment in (OPENS - 1, CLOSES):
        outcome = machine.handle(accepted, ev.StartRequested(), moment, FACTS)
        assert outcome.answer is not None
        assert (outcome.answer.success, outcome.record, outcome.actions) == (False, accepted, ())


@pytest.mark.parametrize("state", sorted(UNDECIDED | {State.COMMITTED}))
def test_19_no_cancel_after_the_reset_began(state: State) -> None:
    start = at(state)
    outcome = machine.handle(start, ev.CancelReceived(1), OPENS, FACTS)
    assert outcome.answer is not None
    assert not outcome.answer.success
    assert outcome.record == start


@pytest.mark.parametrize("state", sorted(set(State) - {State.IDLE}))
def test_19_the_fallback_is_fixed_while_a_transfer_runs(state: State) -> None:
    start = at(state)
    write = ev.AccountWritten(fallback_uri="coaps://elsewhere.example")
    outcome = machine.handle(start, write, OPENS, FACTS)
    assert outcome.answer is not None
    assert (outcome.answer.result, outcome.record) == (Result.BUSY, start)


REQUESTS: list[Callable[[ev.Source], ev.Event]] = [
    lambda source: ev.TransferMessageReceived(message(n=2), source),
    lambda source: ev.CancelReceived(9, source),
    ev.StartRequested,
    lambda source: ev.ReportAcknowledged(1, source),
    lambda source: ev.AnchorsWritten((b"x" * 32,), source=source),
    lambda source: ev.AccountWritten("coaps://x.example", source=source),
    lambda source: ev.EndorserReceived(b"", source),
    lambda source: ev.MinimumWritten(record().minimum, source),
    ev.FallBackRequested,
]


@pytest.mark.parametrize("request_from", REQUESTS)
@pytest.mark.parametrize("state", State)
def test_20_another_account_is_unauthorized(state: State, request_from: Callable[[ev.Source], ev.Event]) -> None:
    start = at(state)
    outcome = machine.handle(start, request_from(ev.Source.STRANGER), OPENS + 2000, FACTS)
    assert outcome.answer is not None
    assert (outcome.answer.code, outcome.record) == (act.AnswerCode.UNAUTHORIZED, start)


def test_20_an_update_session_may_only_give_up() -> None:
    start = at(State.UPDATING)
    for request_from in REQUESTS[:-1]:
        outcome = machine.handle(start, request_from(ev.Source.UPDATE_SESSION), OPENS, FACTS)
        assert outcome.answer is not None
        assert outcome.answer.code is act.AnswerCode.UNAUTHORIZED
    given_up = machine.handle(start, ev.FallBackRequested(ev.Source.UPDATE_SESSION), OPENS, FACTS)
    assert given_up.record.state is State.FALLING_BACK
    by_sp1 = machine.handle(start, ev.FallBackRequested(ev.Source.SERVER), OPENS, FACTS)
    assert by_sp1.record == start


def test_21_a_verifier_is_never_skipped() -> None:
    roles = ANCHOR_2.roles | AnchorRole.ATTEST
    goal = destination(ra_uri="coaps://ra.example", anchors=(Anchor(roles, ANCHOR_2.fingerprint),))
    assert rejected(message(goal=goal)) is Result.ATTESTATION
    able = replace(FACTS, can_attest=True)
    accepted = after(record(), ev.TransferMessageReceived(message(goal=goal)), now=NOW, facts=able)
    attesting = after(accepted, *STEPS[:2])
    assert attesting.state is State.ATTESTING
    assert after(attesting, STEPS[2]) == attesting
    refused = after(attesting, ev.StepFailed(State.ATTESTING, final=True, result=Result.ATTESTATION))
    assert (refused.state, refused.result) == (State.FALLING_BACK, Result.ATTESTATION)


@pytest.mark.parametrize(
    "changes",
    [{"endpoint": "urn:dev:2"}, {"transfer_id": b"another transfer"}, {"attempt_key": b"z" * 32}],
)
def test_22_a_report_of_another_device_transfer_or_key(changes: dict[str, Any]) -> None:
    committed = report_of(State.COMMITTED, **changes)
    with pytest.raises(BookError):
        new.committed(provisional(), committed, NOW)
    if "attempt_key" not in changes:
        with pytest.raises(BookError):
            old.received_receipt(offered(), committed, NOW)
        with pytest.raises(BookError):
            old.fell_back(offered(), report_of(State.FELL_BACK, **changes), NOW)


def test_22_a_report_somebody_else_signed() -> None:
    report = TransferReport(
        endpoint=ENDPOINT,
        issued_at=NOW,
        transfer_id=CTI,
        seq=1,
        state=State.FELL_BACK,
        result=Result.DEADLINE,
        attempt_key=b"k" * 32,
    )
    assert verify_report(report.sign(key("device")), key("device").public_key()).report == report
    with pytest.raises(MessageError) as refused:
        verify_report(report.sign(generate_private_key()), key("device").public_key())
    assert refused.value.result in {Result.WRONG_SIGNER, Result.BAD_SIGNATURE}
