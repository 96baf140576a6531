"""Conditions of the state table's rows: small named predicates over one Context."""

from __future__ import annotations

from trust_transfer.device import policy
from trust_transfer.device.context import Context
from trust_transfer.device.events import (
    CancelReceived,
    CertificateIssued,
    FallBackRequested,
    RegistrationAccepted,
    ReportAcknowledged,
    ResetDone,
    Restarted,
    Side,
    StepFailed,
    StepSucceeded,
    Tick,
    TransferMessageReceived,
)
from trust_transfer.messages.numbers import State


def stored_message(context: Context) -> bool:
    """The very bytes that are stored (rule 4)."""
    accepted = context.record.accepted
    return (
        isinstance(context.event, TransferMessageReceived)
        and accepted is not None
        and context.event.raw == accepted.order.raw
    )


def other_message(context: Context) -> bool:
    """Any bytes but the stored ones."""
    return not stored_message(context)


def own_epoch(context: Context) -> bool:
    """The Cancel is about the present epoch (rule 21)."""
    return isinstance(context.event, CancelReceived) and policy.own_epoch(context.event.seq, context.record)


def covers_accepted(context: Context) -> bool:
    """The Cancel's seq is of this epoch and not below the accepted one (rule 8)."""
    return isinstance(context.event, CancelReceived) and own_epoch(context) and context.event.seq >= context.order.seq


def window_over(context: Context) -> bool:
    """The accepted message's window has ended (rule 9)."""
    return policy.window_over(context.order, context)


def window_open(context: Context) -> bool:
    """The reset may begin (rule 9)."""
    return policy.window_open(context.order, context)


def running_agreed(context: Context) -> bool:
    """What runs after the reset is the agreed state (rule 10)."""
    return isinstance(context.event, ResetDone) and context.event.running == context.order.destination.agreed_state


def this_step(context: Context) -> bool:
    """The success is of the step the state orders, not a late one of another."""
    return isinstance(context.event, StepSucceeded) and context.event.step is context.record.state


def for_attempt_key(context: Context) -> bool:
    """The certificate is for this attempt's key (rule 11)."""
    return isinstance(context.event, CertificateIssued) and context.event.key == context.attempt.key


def try_again(context: Context) -> bool:
    """A temporary failure while attempts and time are left; never on a visit after falling back (rule 18)."""
    return _step_failed(context) and not gives_up(context)


def gives_up(context: Context) -> bool:
    """Final refusal, wrong state after the reset, attempt limit, deadline, or Fall Back."""
    event = context.event
    if isinstance(event, FallBackRequested):
        return True
    if isinstance(event, ResetDone):
        return context.record.state is State.RESETTING and not running_agreed(context)
    if isinstance(event, Tick):
        return deadline_over(context)
    if not _step_failed(context):
        return False
    final = isinstance(event, StepFailed) and event.final
    return final or context.attempt.returning or attempts_used_up(context) or deadline_over(context)


def attempts_used_up(context: Context) -> bool:
    """This failure was the last try the message allows; no limit counts once the device falls back (rule 18)."""
    attempt = context.attempt
    return not attempt.returning and attempt.attempts + 1 >= context.order.limits.attempts


def deadline_over(context: Context) -> bool:
    """The cumulative deadline has passed; none counts once the device falls back (rule 18)."""
    attempt = context.attempt
    return not attempt.returning and attempt.elapsed(context.now) >= context.order.limits.deadline


def refused_by_old(context: Context) -> bool:
    """SP1 refused or was silent; both count the same (rule 18)."""
    return isinstance(context.event, StepFailed) and context.event.step is context.record.state


def accepted_by_new(context: Context) -> bool:
    """2.01 from SP2 (rule 13)."""
    return isinstance(context.event, RegistrationAccepted) and context.event.by is Side.NEW


def accepted_by_old(context: Context) -> bool:
    """2.01 from SP1 (rule 17)."""
    return isinstance(context.event, RegistrationAccepted) and context.event.by is Side.OLD


def this_report(context: Context) -> bool:
    """The acknowledgement names the seq of the stored decision (rule 14)."""
    return isinstance(context.event, ReportAcknowledged) and context.event.seq == context.order.seq


def _step_failed(context: Context) -> bool:
    """The present step failed, or a power cut ended a first visit's try of it."""
    if isinstance(context.event, Restarted):
        return not context.attempt.returning
    return isinstance(context.event, StepFailed) and context.event.step is context.record.state
