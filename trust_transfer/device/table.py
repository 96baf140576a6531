"""The device's state table, row by row as the protocol has it; the machine runs it and the documentation prints it.

Each row is one atomic write; the action follows it and is repeated after a restart. What no row lists is refused or
ignored and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from trust_transfer.device import guards, writes
from trust_transfer.device.actions import SUCCESS, Action, Answer, ForgetNonce, refusal
from trust_transfer.device.context import Context
from trust_transfer.device.events import (
    AttemptKeyMade,
    CancelReceived,
    CertificateIssued,
    Event,
    FallBackRequested,
    RegistrationAccepted,
    ReportAcknowledged,
    ResetDone,
    Restarted,
    StepFailed,
    StepSucceeded,
    Tick,
    TransferMessageReceived,
)
from trust_transfer.device.record import WORKING, DeviceRecord
from trust_transfer.device.steps import actions_of
from trust_transfer.messages.numbers import State

Guard = Callable[[Context], bool]
Write = Callable[[Context], DeviceRecord]

BUSY = refusal("a transfer is running")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: when it applies, what it stores, what follows. The texts are the columns of the protocol's table."""

    states: frozenset[State]
    events: tuple[type[Event], ...]
    event: str
    guard: Guard | None
    write: Write
    stored: str
    next_states: frozenset[State]
    """Where the write may lead; empty: the state stays."""
    action: str
    next_state: str = ""
    """The next state in words, where it depends on the message or the attempt."""
    answer: Answer | None = None
    act: bool = False
    """Whether the next state's action follows."""
    nonce_used: bool = False

    def matches(self, context: Context) -> bool:
        """Whether this row is the one for the context's state and event."""
        return (
            context.record.state in self.states
            and isinstance(context.event, self.events)
            and (self.guard is None or self.guard(context))
        )

    def actions(self, context: Context, record: DeviceRecord) -> tuple[Action, ...]:
        """What to do once `record`, this row's write, is stored."""
        follow = actions_of(replace(context, record=record)) if self.act else ()
        return (ForgetNonce(), *follow) if self.nonce_used else follow


IDLE, ACCEPTED, RESETTING = State.IDLE, State.ACCEPTED, State.RESETTING
ATTESTING, UPDATING, ENROLLING = State.ATTESTING, State.UPDATING, State.ENROLLING
REGISTERING, COMMITTED = State.REGISTERING, State.COMMITTED
FALLING_BACK, FELL_BACK = State.FALLING_BACK, State.FELL_BACK
SAME: frozenset[State] = frozenset()


def _in(*states: State) -> frozenset[State]:
    return frozenset(states)


ROWS: tuple[Row, ...] = (
    Row(
        states=_in(IDLE, ACCEPTED),
        events=(TransferMessageReceived,),
        event="valid TransferMessage, n > burned",
        guard=guards.other_message,
        write=writes.accept,
        stored="burned = n, message",
        next_states=_in(ACCEPTED),
        action="answer success",
        answer=SUCCESS,
        act=True,
        nonce_used=True,
    ),
    Row(
        states=_in(ACCEPTED, FALLING_BACK, COMMITTED, FELL_BACK) | WORKING,
        events=(TransferMessageReceived,),
        event="stored message again",
        guard=guards.stored_message,
        write=writes.nothing,
        stored="–",
        next_states=SAME,
        action="answer success",
        answer=SUCCESS,
    ),
    Row(
        states=_in(FALLING_BACK, COMMITTED, FELL_BACK) | WORKING,
        events=(TransferMessageReceived,),
        event="other TransferMessage",
        guard=guards.other_message,
        write=writes.nothing,
        stored="–",
        next_states=SAME,
        action="answer busy",
        answer=BUSY,
    ),
    Row(
        states=_in(IDLE, FELL_BACK),
        events=(CancelReceived,),
        event="Cancel(s), own epoch",
        guard=guards.own_epoch,
        write=writes.burn,
        stored="burned = max(burned, s)",
        next_states=SAME,
        action="answer success",
        answer=SUCCESS,
    ),
    Row(
        states=_in(ACCEPTED),
        events=(CancelReceived,),
        event="Cancel(s), s ≥ seq",
        guard=guards.covers_accepted,
        write=writes.cancel,
        stored="burned = max(burned, s), result",
        next_states=_in(IDLE),
        action="answer success",
        answer=SUCCESS,
    ),
    Row(
        states=_in(ACCEPTED),
        events=(Tick, Restarted),
        event="window ends",
        guard=guards.window_over,
        write=writes.miss_window,
        stored="result *window missed*",
        next_states=_in(IDLE),
        action="–",
    ),
    Row(
        states=_in(ACCEPTED),
        events=(AttemptKeyMade,),
        event="window open, start",
        guard=guards.window_open,
        write=writes.start,
        stored="attempt key, counters = 0",
        next_states=_in(RESETTING),
        action="reset, restart",
        act=True,
    ),
    Row(
        states=_in(RESETTING),
        events=(ResetDone,),
        event="reset complete",
        guard=guards.running_agreed,
        write=writes.advance,
        stored="–",
        next_states=_in(ATTESTING, UPDATING, ENROLLING),
        action="next ordered step",
        act=True,
    ),
    Row(
        states=_in(ATTESTING, UPDATING),
        events=(StepSucceeded,),
        event="step succeeded",
        guard=guards.this_step,
        write=writes.advance,
        stored="–",
        next_states=_in(UPDATING, ENROLLING),
        next_state="next ordered step",
        action="–",
        act=True,
    ),
    Row(
        states=_in(ENROLLING),
        events=(CertificateIssued,),
        event="certificate for attempt key",
        guard=guards.for_attempt_key,
        write=writes.certificate,
        stored="certificate",
        next_states=_in(REGISTERING),
        action="Register at SP2",
        act=True,
    ),
    Row(
        states=WORKING,
        events=(StepFailed, Restarted),
        event="temporary failure, no answer",
        guard=guards.try_again,
        write=writes.count,
        stored="counters",
        next_states=SAME,
        action="repeat the step",
        act=True,
    ),
    Row(
        states=WORKING,
        events=(StepFailed, ResetDone, Tick, Restarted, FallBackRequested),
        event="final refusal, deadline, attempt limit, Fall Back",
        guard=guards.gives_up,
        write=writes.give_up,
        stored="result",
        next_states=_in(FALLING_BACK),
        action="register at fallbackURI",
        answer=SUCCESS,
        act=True,
    ),
    Row(
        states=_in(REGISTERING),
        events=(RegistrationAccepted,),
        event="2.01 from SP2",
        guard=guards.accepted_by_new,
        write=writes.commit,
        stored="active = SP2, epoch + 1, burned = 0, authority, decision",
        next_states=_in(COMMITTED),
        action="erase what is left of SP1, report to SP2",
        act=True,
    ),
    Row(
        states=_in(FALLING_BACK),
        events=(RegistrationAccepted,),
        event="2.01 from SP1",
        guard=guards.accepted_by_old,
        write=writes.fall_back,
        stored="active = SP1, SP2's keys dropped, decision",
        next_states=_in(FELL_BACK),
        action="report to SP1",
        act=True,
    ),
    Row(
        states=_in(FALLING_BACK),
        events=(StepFailed,),
        event="SP1 refuses or is silent",
        guard=guards.refused_by_old,
        write=writes.try_new_again,
        stored="counters",
        next_states=_in(REGISTERING, RESETTING, ATTESTING, UPDATING, ENROLLING),
        next_state="registering if it has a certificate, else the failed step",
        action="try SP2 once more",
        act=True,
    ),
    Row(
        states=_in(COMMITTED),
        events=(ReportAcknowledged,),
        event="report acknowledged",
        guard=guards.this_report,
        write=writes.settle,
        stored="– (report done)",
        next_states=_in(IDLE),
        action="normal operation at SP2",
        answer=SUCCESS,
    ),
    Row(
        states=_in(FELL_BACK),
        events=(ReportAcknowledged,),
        event="report acknowledged",
        guard=guards.this_report,
        write=writes.settle,
        stored="– (report done)",
        next_states=_in(IDLE),
        action="normal operation at SP1",
        answer=SUCCESS,
    ),
)
