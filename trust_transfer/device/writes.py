"""What each row of the state table stores, in one write: from the record before to the record after."""

from __future__ import annotations

from dataclasses import replace

from trust_transfer.device import guards, policy
from trust_transfer.device.context import Context
from trust_transfer.device.events import (
    AttemptKeyMade,
    CancelReceived,
    CertificateIssued,
    FallBackRequested,
    ResetDone,
    StepFailed,
)
from trust_transfer.device.record import Accepted, Account, Attempt, DeviceRecord
from trust_transfer.device.steps import next_step
from trust_transfer.messages.numbers import Result, State
from trust_transfer.messages.values import seq_parts


def nothing(context: Context) -> DeviceRecord:
    """No write."""
    return context.record


def accept(context: Context) -> DeviceRecord:
    """Checks first, all of them; then burned, message, fallback URI and time floor together (rule 3)."""
    record = context.record
    raw = policy.message_of(context)
    order = policy.check(raw, context)
    return replace(
        record,
        state=State.ACCEPTED,
        result=Result.NONE,
        burned=seq_parts(order.seq).n,
        fallback_uri=order.fallback_uri,
        accepted=Accepted(order, record.account.authorities.transfer, policy.endorser_keys(context)),
        time_floor=policy.lifted_floor(record, order.issued_at, context),
    )


def burn(context: Context) -> DeviceRecord:
    """burned = max(burned, s) (rule 8)."""
    assert isinstance(context.event, CancelReceived)
    return replace(context.record, burned=max(context.record.burned, seq_parts(context.event.seq).n))


def cancel(context: Context) -> DeviceRecord:
    """Burned, result *cancelled*, and the message is gone (rule 8)."""
    return replace(burn(context), state=State.IDLE, result=Result.CANCELLED, accepted=None)


def miss_window(context: Context) -> DeviceRecord:
    """Result *window missed*; the seq stays burned (rule 9)."""
    return replace(context.record, state=State.IDLE, result=Result.WINDOW_MISSED, accepted=None)


def start(context: Context) -> DeviceRecord:
    """Attempt key, counters at zero; SP1's credential is no longer referenced, unnamed anchors go (rules 10, 11)."""
    assert isinstance(context.event, AttemptKeyMade)
    record = context.record
    named = {anchor.fingerprint for anchor in context.order.destination.anchors}
    return replace(
        record,
        state=State.RESETTING,
        attempt=Attempt(key=context.event.key, counted_at=context.now),
        account=replace(record.account, credential=None, certificate=None),
        added_anchors=tuple(known for known in record.added_anchors if known in named),
    )


def advance(context: Context) -> DeviceRecord:
    """Only the state: the next ordered step."""
    return replace(context.record, state=next_step(context.order, context.record.state))


def certificate(context: Context) -> DeviceRecord:
    """The attempt key's certificate; its begin lifts the time floor."""
    assert isinstance(context.event, CertificateIssued)
    record = context.record
    return replace(
        record,
        state=State.REGISTERING,
        attempt=replace(context.attempt, certificate=context.event.certificate),
        time_floor=policy.lifted_floor(record, context.event.not_before, context),
    )


def count(context: Context) -> DeviceRecord:
    """Both counters, before the next try (rule 9)."""
    return replace(context.record, attempt=context.attempt.counted(context.now))


def give_up(context: Context) -> DeviceRecord:
    """The reason and the step to come back to; the first reason stays through later visits (rule 18)."""
    attempt = context.attempt
    if attempt.returning:
        tried = replace(attempt, visits=attempt.visits + 1)
        return replace(context.record, state=State.FALLING_BACK, attempt=tried)
    failed = replace(attempt.counted(context.now), failed_step=context.record.state)
    return replace(context.record, state=State.FALLING_BACK, result=_cause(context), attempt=failed)


def commit(context: Context) -> DeviceRecord:
    """The decision and everything that follows from it: account, credential, epoch, burned, anchors (rule 13)."""
    attempt = context.attempt
    if attempt.certificate is None:
        raise AssertionError("registering without a certificate")
    return replace(
        context.record,
        state=State.COMMITTED,
        result=Result.NONE,
        account=Account.of(context.order.destination, attempt.key, attempt.certificate),
        fallback_uri=context.order.destination.update_uri,
        epoch=context.record.epoch + 1,
        burned=0,
        added_anchors=(),
        erase_pending=True,
    )


def fall_back(context: Context) -> DeviceRecord:
    """The decision; the account was SP1's all along, what belongs to SP2 is dropped (rule 5)."""
    return replace(
        context.record,
        state=State.FELL_BACK,
        attempt=replace(context.attempt, certificate=None),
        added_anchors=(),
        erase_pending=True,
    )


def try_new_again(context: Context) -> DeviceRecord:
    """One more visit to SP2: with its certificate if there is one, else at the step that failed (rule 18)."""
    attempt = context.attempt
    step = State.REGISTERING if attempt.certificate is not None else attempt.failed_step
    assert step is not None
    return replace(context.record, state=step, attempt=replace(attempt, visits=attempt.visits + 1))


def settle(context: Context) -> DeviceRecord:
    """The report is done: message, attempt and report are no longer needed (rule 14)."""
    return replace(context.record, state=State.IDLE, accepted=None, attempt=None, report=None)


def _cause(context: Context) -> Result:
    event = context.event
    if isinstance(event, FallBackRequested):
        return Result.FALL_BACK
    if isinstance(event, ResetDone):
        return Result.STATE_MISMATCH
    if isinstance(event, StepFailed) and event.final:
        return event.result
    return Result.DEADLINE if guards.deadline_over(context) else Result.ATTEMPTS
