"""The device's transfer: an event in, the next record, an answer and actions out.

The caller stores `Outcome.record` durably when it differs from the record it gave, then sends the answer, then starts
the actions; `resume` after each start repeats the actions of the stored state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from trust_transfer.device import guards, policy, table, upkeep
from trust_transfer.device.actions import (
    SUCCESS,
    Action,
    Answer,
    MakeAttemptKey,
    refusal,
    rejection,
    unauthorized,
)
from trust_transfer.device.context import Context
from trust_transfer.device.events import (
    CancelReceived,
    Event,
    FallBackRequested,
    ReportAcknowledged,
    Restarted,
    Source,
    StartRequested,
    Tick,
    TransferMessageReceived,
    UpkeepEvent,
)
from trust_transfer.device.facts import Facts
from trust_transfer.device.record import WORKING, DeviceRecord
from trust_transfer.device.steps import actions_of
from trust_transfer.device.table import Row
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Result, State

REQUESTS = (TransferMessageReceived, CancelReceived, StartRequested, FallBackRequested, ReportAcknowledged)
"""Events somebody waits for an answer to."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows from one event: at most one write, then the answer, then the actions."""

    record: DeviceRecord
    answer: Answer | None = None
    actions: tuple[Action, ...] = ()


def handle(record: DeviceRecord, event: Event, now: int, facts: Facts) -> Outcome:
    """Let one event happen to the device at `now` (s since 1970). Never raises for what comes from outside."""
    context = Context(record, event, now, facts)
    if not _authorized(context):
        return Outcome(record, unauthorized("objects 33001 to 33003 obey only the current server's account"))
    try:
        if isinstance(event, UpkeepEvent):
            return _upkeep(context)
        return _transfer(context)
    except MessageError as error:
        return Outcome(record, rejection(error.result, error.detail))


def resume(record: DeviceRecord, now: int, facts: Facts) -> Outcome:
    """What a device does after each start: the attempt the power cut ended is counted, then its step is repeated."""
    outcome = handle(record, Restarted(), now, facts)
    return (
        outcome
        if outcome.actions
        else replace(outcome, actions=actions_of(Context(outcome.record, Restarted(), now, facts)))
    )


def next_timer(record: DeviceRecord, now: int, facts: Facts) -> int | None:
    """When the next `Tick` is due (s since 1970; may be past), or None when nothing waits for time."""
    order = record.order
    if order is None:
        return None
    if record.state is State.ACCEPTED:
        if not facts.clock_trusted:
            return None
        start = policy.start_time(order)
        return start if now < order.not_after else order.not_after
    if record.state in WORKING and record.attempt is not None and not record.attempt.returning:
        return now + max(0, order.limits.deadline - record.attempt.elapsed(now))
    return None


def _authorized(context: Context) -> bool:
    source = getattr(context.event, "source", Source.LOCAL)
    if isinstance(context.event, FallBackRequested):
        return source in {Source.LOCAL, Source.UPDATE_SESSION}
    if isinstance(context.event, TransferMessageReceived | CancelReceived | ReportAcknowledged):
        return source is Source.SERVER
    return source in {Source.SERVER, Source.LOCAL}


def _transfer(context: Context) -> Outcome:
    row = _row(context)
    if row is not None:
        return _apply(row, context)
    if _start_due(context):
        return Outcome(context.record, _answer(context), (MakeAttemptKey(),))
    if isinstance(context.event, ReportAcknowledged) and context.record.state is State.IDLE:
        return Outcome(context.record, SUCCESS)
    return Outcome(context.record, _refusal(context))


def _row(context: Context) -> Row | None:
    for row in table.ROWS:
        if row.matches(context):
            return row
    return None


def _apply(row: Row, context: Context) -> Outcome:
    record = row.write(context)
    answer = row.answer if isinstance(context.event, REQUESTS) else None
    actions = row.actions(context, record)
    return Outcome(record, answer, actions)


def _start_due(context: Context) -> bool:
    """Whether the transfer may begin now, so that a fresh attempt key is needed."""
    order = context.record.order
    if context.record.state is not State.ACCEPTED or order is None:
        return False
    if isinstance(context.event, StartRequested):
        return policy.window_open(order, context)
    due = isinstance(context.event, Tick | Restarted) and context.facts.clock_trusted
    return due and policy.window_open(order, context) and context.now >= policy.start_time(order)


def _answer(context: Context) -> Answer | None:
    return SUCCESS if isinstance(context.event, REQUESTS) else None


def _refusal(context: Context) -> Answer | None:
    if not isinstance(context.event, REQUESTS):
        return None
    if isinstance(context.event, CancelReceived) and not guards.own_epoch(context):
        return rejection(Result.EPOCH, f"the device is in epoch {context.record.epoch}")
    if isinstance(context.event, StartRequested) and context.record.state is State.ACCEPTED:
        return rejection(Result.WINDOW, "outside the window of the accepted message")
    return refusal(f"not in state {context.record.state.name.lower()}")


def _upkeep(context: Context) -> Outcome:
    record, answer = upkeep.apply(context)
    due = record != context.record and (record.report != context.record.report or record.erase_pending)
    return Outcome(record, answer, actions_of(replace(context, record=record)) if due else ())
