"""Writes beside the state table: endorsers, minimum, anchors, account and credential of the current provider, the
signed report, the end of an erasing. One small function per event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from trust_transfer.device import policy
from trust_transfer.device.actions import SUCCESS, Answer
from trust_transfer.device.context import Context
from trust_transfer.device.endorser import read_endorser
from trust_transfer.device.events import (
    AccountWritten,
    AnchorsWritten,
    CredentialRenewed,
    EndorserReceived,
    MinimumWritten,
    OldErased,
    ReportSigned,
)
from trust_transfer.device.record import MAX_ADDED_ANCHORS, MAX_ENDORSERS, UNDECIDED, DeviceRecord
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import Result, State
from trust_transfer.messages.uri import check_uri


def apply(context: Context) -> tuple[DeviceRecord, Answer | None]:
    """The record to store and the answer; MessageError when the event is not allowed now."""
    change, answer = _CHANGES[type(context.event)]
    return change(context.event, context), answer


def _report_signed(event: ReportSigned, context: Context) -> DeviceRecord:
    """The report is signed once and the bytes are kept (rule 14)."""
    record = context.record
    if record.state not in {State.COMMITTED, State.FELL_BACK} or record.report is not None:
        return record
    return replace(record, report=event.raw)


def _old_erased(event: OldErased, context: Context) -> DeviceRecord:
    """Nothing of the provider left behind remains (rule 13); outside a transfer's end the event means nothing."""
    return replace(context.record, erase_pending=False)


def _endorser(event: EndorserReceived, context: Context) -> DeviceRecord:
    """Keep the key of a certificate that verifies for the role under the permanent anchor; the oldest makes room."""
    _require_settings_open(context)
    endorser = read_endorser(event.certificate, context)
    others = tuple(known for known in context.record.endorsers if known.key != endorser.key)
    return replace(context.record, endorsers=(*others, endorser)[-MAX_ENDORSERS:])


def _minimum(event: MinimumWritten, context: Context) -> DeviceRecord:
    """The minimum can only rise, and not while a message judged by it runs."""
    _require(context.record.state in {State.IDLE, State.ACCEPTED}, "a transfer is running")
    return replace(context.record, minimum=context.record.minimum.raised(event.minimum))


def _anchors(event: AnchorsWritten, context: Context) -> DeviceRecord:
    """Anchors for a transfer to come, all or none; a full store is an error, nothing is pushed out silently."""
    _require_settings_open(context)
    record = context.record
    if event.replace:
        _require(record.state is State.IDLE, "the accepted message may name an anchor that would go")
        record = replace(record, added_anchors=(), erase_pending=True)
    added = dict.fromkeys((*record.added_anchors, *(one for one in event.fingerprints if one not in record.truststore)))
    if len(added) > MAX_ADDED_ANCHORS:
        raise MessageError(Result.STORAGE, f"at most {MAX_ADDED_ANCHORS} anchors can be added: replace them")
    return replace(record, added_anchors=tuple(added))


def _account(event: AccountWritten, context: Context) -> DeviceRecord:
    """Writes by the current server; 33003 stays as the accepted message has it while a transfer runs."""
    record = context.record
    _require_settings_open(context)
    _require(event.fallback_uri is None or record.state is State.IDLE, "fallback is fixed while a transfer runs")
    for uri in (event.enroll_uri, event.fallback_uri):
        if uri is not None:
            check_uri(uri, schemes=record.minimum.schemes, lab=record.lab)
    if event.enroll_uri is not None:
        policy.check_ca_uri(event.enroll_uri)
    if event.profile is not None and not record.minimum.allows(event.profile):
        raise MessageError(Result.BELOW_MINIMUM, "the enrollment profile is not allowed")
    account = replace(
        record.account,
        enroll_uri=event.enroll_uri or record.account.enroll_uri,
        profile=event.profile or record.account.profile,
        anchors=record.account.anchors if event.anchors is None else event.anchors,
    )
    return replace(record, account=account, fallback_uri=event.fallback_uri or record.fallback_uri)


def _credential(event: CredentialRenewed, context: Context) -> DeviceRecord:
    """Make before break: the new credential is referenced from here on, the old one no longer."""
    record = context.record
    if record.state in UNDECIDED or event.replaces != record.account.credential:
        return record
    return replace(
        record,
        account=replace(record.account, credential=event.key, certificate=event.certificate),
        time_floor=policy.lifted_floor(record, event.not_before, context),
        erase_pending=True,
    )


def _require_settings_open(context: Context) -> None:
    _require(context.record.state not in UNDECIDED, "the device obeys neither provider until its decision")


def _require(allowed: bool, otherwise: str) -> None:
    if not allowed:
        raise MessageError(Result.BUSY, otherwise)


_CHANGES: dict[type, tuple[Callable[[Any, Context], DeviceRecord], Answer | None]] = {
    ReportSigned: (_report_signed, None),
    OldErased: (_old_erased, None),
    EndorserReceived: (_endorser, SUCCESS),
    MinimumWritten: (_minimum, SUCCESS),
    AnchorsWritten: (_anchors, SUCCESS),
    AccountWritten: (_account, SUCCESS),
    CredentialRenewed: (_credential, None),
}
