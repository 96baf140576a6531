"""The table is complete, the machine obeys it, and the documentation prints it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trust_transfer.device.samples import (
    AGREED,
    ATTEMPT_KEY,
    CERTIFIED,
    CLOSES,
    FACTS,
    OPENS,
    after,
    at,
    destination,
    message,
    record,
)
from trust_transfer.device import events as ev
from trust_transfer.device import machine
from trust_transfer.device.context import Context
from trust_transfer.device.table import ROWS
from trust_transfer.device.table_page import render
from trust_transfer.messages.numbers import Result, State
from trust_transfer.messages.values import SuitDigest

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "state-table.md"
DURING = OPENS + 2000
OTHER_IMAGE = SuitDigest(-16, b"x" * 32)


def every_event(state: State) -> list[ev.Event]:
    """Events of every kind, fitting and not."""
    steps: list[ev.Event] = [
        event
        for step in (state, State.RESETTING, State.FALLING_BACK)
        for event in (
            ev.StepSucceeded(step),
            ev.StepFailed(step, final=False, result=Result.NONE),
            ev.StepFailed(step, final=True, result=Result.ENROLLMENT_REFUSED),
        )
    ]
    return [
        ev.TransferMessageReceived(message(n=9)),
        ev.CancelReceived(1),
        ev.CancelReceived(5),
        ev.CancelReceived(65536),
        ev.StartRequested(),
        ev.Tick(),
        ev.AttemptKeyMade(b"y" * 32),
        ev.ResetDone(AGREED),
        ev.ResetDone(OTHER_IMAGE),
        CERTIFIED,
        ev.CertificateIssued(b"z" * 32, b"", 0),
        ev.RegistrationAccepted(ev.Side.NEW),
        ev.RegistrationAccepted(ev.Side.OLD),
        ev.FallBackRequested(ev.Source.LOCAL),
        ev.ReportAcknowledged(1),
        ev.ReportAcknowledged(2),
        ev.Restarted(),
        *steps,
    ]


def test_the_page_is_the_table() -> None:
    assert PAGE.read_text() == render(), (
        "run: python -m trust_transfer.device.table_page > docs/reference/state-table.md"
    )


@pytest.mark.parametrize("now", [DURING, CLOSES + 1])
@pytest.mark.parametrize("state", State)
def test_every_pair_is_a_row_or_changes_nothing(state: State, now: int) -> None:
    start = at(state)
    assert start.state is state
    for event in every_event(state):
        context = Context(start, event, now, FACTS)
        rows = [row for row in ROWS if row.matches(context)]
        outcome = machine.handle(start, event, now, FACTS)
        assert len(rows) <= 1, f"{event} is ambiguous in {state.name}"
        if not rows:
            assert outcome.record == start
        elif outcome.answer is None or outcome.answer.success:
            assert outcome.record.state in (rows[0].next_states or {state})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.event} in {sorted(row.states)[0].name}")
def test_every_row_can_happen(row: object) -> None:
    reached = set()
    for state in State:
        start = at(state)
        events = [*every_event(state), *((ev.TransferMessageReceived(start.order.raw),) if start.order else ())]
        for event in events:
            for now in (DURING, CLOSES + 1):
                reached |= {id(one) for one in ROWS if one.matches(Context(start, event, now, FACTS))}
    assert id(row) in reached


def test_the_ordered_steps() -> None:
    goal = destination(update_first=True)
    accepted = after(record(), ev.TransferMessageReceived(message(goal=goal)), now=OPENS - 1)
    reset = after(accepted, ev.AttemptKeyMade(ATTEMPT_KEY))
    updating = after(reset, ev.ResetDone(AGREED))
    assert updating.state is State.UPDATING
    assert after(updating, ev.StepSucceeded(State.UPDATING)).state is State.ENROLLING
    assert after(updating, ev.StepSucceeded(State.ATTESTING)) == updating
