"""The action each state orders: done when the state is entered, and again after every restart."""

from __future__ import annotations

from collections.abc import Callable

from trust_transfer.device.actions import (
    Action,
    Attest,
    Enroll,
    Erase,
    Register,
    Reset,
    SendReport,
    SignReport,
    StartAgreedImage,
    Update,
)
from trust_transfer.device.context import Context
from trust_transfer.device.events import Side
from trust_transfer.device.record import anchors_for
from trust_transfer.device.reporting import decision_report
from trust_transfer.messages.numbers import AnchorRole, State
from trust_transfer.messages.transfer_message import TransferOrder


def actions_of(context: Context) -> tuple[Action, ...]:
    """The actions of the record's state, and the erasing of what was left behind until it is done."""
    record = context.record
    actions = tuple(make(context) for make in _ACTIONS.get(record.state, ()))
    return (*actions, _erase(context)) if record.erase_pending else actions


def next_step(order: TransferOrder, after: State) -> State:
    """The ordered step that follows `after`: attestation if a verifier is named, SP2's update if it comes first."""
    if after is State.RESETTING and order.destination.ra_uri is not None:
        return State.ATTESTING
    if after in {State.RESETTING, State.ATTESTING} and order.destination.update_first:
        return State.UPDATING
    return State.ENROLLING


def _pause(context: Context) -> float:
    """The pause before the step is tried (again)."""
    attempt = context.attempt
    return context.facts.pace.pause(attempt.visits if attempt.returning else attempt.attempts)


def _reset(context: Context) -> Action:
    return Reset(
        agreed_state=context.order.destination.agreed_state,
        keep_keys=context.record.referenced_keys,
        keep_anchors=context.record.truststore,
        delay=_pause(context),
    )


def _attest(context: Context) -> Action:
    goal = context.order.destination
    return Attest(uri=goal.ra_uri or "", anchors=anchors_for(goal.anchors, AnchorRole.ATTEST), delay=_pause(context))


def _update(context: Context) -> Action:
    goal = context.order.destination
    return Update(
        uri=goal.update_uri,
        anchors=anchors_for(goal.anchors, AnchorRole.UPDATE),
        authority=goal.authorities.firmware,
        delay=_pause(context),
    )


def _enroll(context: Context) -> Action:
    goal = context.order.destination
    return Enroll(
        uri=goal.enroll_uri,
        profile=goal.profile,
        key=context.attempt.key,
        anchors=goal.anchors,
        pinned_key=goal.pinned_key,
        delay=_pause(context),
    )


def _register_new(context: Context) -> Action:
    goal = context.order.destination
    return Register(
        uri=goal.update_uri,
        side=Side.NEW,
        anchors=anchors_for(goal.anchors, AnchorRole.UPDATE),
        credential=context.attempt.key,
        certificate=context.attempt.certificate,
        delay=_pause(context),
    )


def _start_agreed(context: Context) -> Action:
    return StartAgreedImage(agreed_state=context.order.destination.agreed_state)


def _register_old(context: Context) -> Action:
    return Register(
        uri=context.order.fallback_uri,
        side=Side.OLD,
        anchors=context.record.account.anchors_for(AnchorRole.UPDATE),
        delay=_pause(context),
    )


def _report(context: Context) -> Action:
    if context.record.report is not None:
        return SendReport()
    return SignReport(report=decision_report(context))


def _erase(context: Context) -> Action:
    return Erase(keep_keys=context.record.referenced_keys, keep_anchors=context.record.truststore)


_ACTIONS: dict[State, tuple[Callable[[Context], Action], ...]] = {
    State.RESETTING: (_reset,),
    State.ATTESTING: (_attest,),
    State.UPDATING: (_update,),
    State.ENROLLING: (_enroll,),
    State.REGISTERING: (_register_new,),
    State.FALLING_BACK: (_start_agreed, _register_old),
    State.COMMITTED: (_report,),
    State.FELL_BACK: (_report,),
}
