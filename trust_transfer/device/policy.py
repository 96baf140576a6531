"""The checks a TransferMessage must pass before anything is written (protocol rule 3), one small function per rule.

Each raises MessageError with the registered Result. They run in the order of `CHECKS`, after size, form, signatures
and length of the window, which reading the message checks. The end holds the rules of time: start, window, floor.
"""

from __future__ import annotations

import hashlib

from enrollment.est.paths import CaUri, CaUriError
from trust_transfer.device.context import Context
from trust_transfer.device.events import TransferMessageReceived
from trust_transfer.device.record import DeviceRecord, anchors_for
from trust_transfer.messages.errors import MessageError
from trust_transfer.messages.numbers import AnchorRole, Form, Result
from trust_transfer.messages.transfer_message import TransferOrder
from trust_transfer.messages.uri import check_uri
from trust_transfer.messages.values import seq_parts

MAX_JITTER = 3600
MAX_FLOOR_LIFT = 2 * 365 * 86400
"""How far one message lifts the time floor, in seconds."""


def check(raw: bytes, context: Context) -> TransferOrder:
    """The orders of a message that passes every check; MessageError names the first that fails."""
    authority = context.record.account.authorities.transfer
    order = context.facts.read_message(raw, authority, endorser_keys(context))
    for rule in CHECKS:
        rule(order, context)
    return order


def endorser_keys(context: Context) -> tuple[bytes, ...]:
    """Authority keys of the endorsers whose certificates have not ended."""
    return tuple(endorser.key for endorser in context.record.endorsers if endorser.not_after >= context.time)


def check_audience(order: TransferOrder, context: Context) -> None:
    """The message is for this device, compared bytewise."""
    if order.audience != context.record.endpoint:
        raise MessageError(Result.AUDIENCE, "the message is for another device")


def check_epoch(order: TransferOrder, context: Context) -> None:
    """The message is of the device's epoch (rule 2)."""
    if seq_parts(order.seq).epoch != context.record.epoch:
        raise MessageError(Result.EPOCH, f"the device is in epoch {context.record.epoch}")


def check_replay(order: TransferOrder, context: Context) -> None:
    """n is above everything burned in this epoch (rule 2)."""
    if seq_parts(order.seq).n <= context.record.burned:
        raise MessageError(Result.REPLAY, f"n up to {context.record.burned} is burned")


def check_expiry(order: TransferOrder, context: Context) -> None:
    """The window has not ended, by the clock or by the time floor, whichever is later. One still ahead may wait."""
    if context.time >= order.not_after:
        raise MessageError(Result.EXPIRED, "the window has ended")


def check_freshness(order: TransferOrder, context: Context) -> None:
    """Without a trusted clock the message answers the device's challenge; with one a nonce is still checked."""
    if order.nonce is None:
        if not context.facts.clock_trusted:
            raise MessageError(Result.NO_TRUSTED_TIME, "read the nonce (33001/14) and put it into the message")
    elif order.nonce != context.facts.nonce:
        raise MessageError(Result.NONCE, "not the challenge this account holds at the moment")


def check_minimum(order: TransferOrder, context: Context) -> None:
    """Form and protocol are at least what the factory demands."""
    minimum = context.record.minimum
    if order.form < minimum.form:
        raise MessageError(Result.BELOW_MINIMUM, f"this device accepts only the {Form(minimum.form).name.lower()} form")
    if not minimum.allows(order.destination.profile):
        raise MessageError(Result.BELOW_MINIMUM, "the enrollment profile is not allowed")


def check_key_generation(order: TransferOrder, context: Context) -> None:
    """The attempt key is made on the device (rule 11)."""
    if order.destination.profile.keygen != 0:
        raise MessageError(Result.BELOW_MINIMUM, "a transfer needs a key made on the device")


def check_uris(order: TransferOrder, context: Context) -> None:
    """Every URI is one this device may go to, by the profile the message names or, back, by any the device speaks."""
    goal, record = order.destination, context.record
    for uri in (goal.enroll_uri, goal.update_uri, goal.ra_uri):
        if uri is not None:
            check_uri(uri, schemes=(goal.profile.scheme,), lab=record.lab)
    check_uri(order.fallback_uri, schemes=record.minimum.schemes, lab=record.lab)
    check_ca_uri(goal.enroll_uri)


def check_ca_uri(uri: str) -> None:
    """The URI has the path a device enrolls at; MessageError(URI) otherwise."""
    try:
        CaUri.parse(uri)
    except CaUriError as error:
        raise MessageError(Result.URI, str(error)) from error


def check_anchors(order: TransferOrder, context: Context) -> None:
    """Each role has an anchor, and each anchor is in the truststore unless it is beneath the permanent one."""
    anchors = order.destination.anchors
    needed = [AnchorRole.ENROLL, AnchorRole.UPDATE]
    if order.destination.ra_uri is not None:
        needed.append(AnchorRole.ATTEST)
    for role in needed:
        if not anchors_for(anchors, role):
            raise MessageError(Result.ANCHOR_MISSING, f"no anchor is named for the role {role.name}")
    truststore = context.record.truststore
    for anchor in anchors:
        if not anchor.roles & AnchorRole.BENEATH_PERMANENT and anchor.fingerprint not in truststore:
            raise MessageError(Result.ANCHOR_MISSING, f"write anchor {anchor.fingerprint.hex()[:16]} to 33002/6 first")


def check_agreed_state(order: TransferOrder, context: Context) -> None:
    """The manifest to reset to is on the device, signed by the current firmware authority."""
    if order.destination.agreed_state not in context.facts.manifests:
        raise MessageError(Result.AGREED_STATE_ABSENT, "write the agreed state's manifest to object 5 first")


def check_attestation(order: TransferOrder, context: Context) -> None:
    """A verifier is named only to a device that can attest; the step is never skipped."""
    if order.destination.ra_uri is not None and not context.facts.can_attest:
        raise MessageError(Result.ATTESTATION, "this device has no evidence to show to a verifier")


CHECKS = (
    check_audience,
    check_epoch,
    check_replay,
    check_expiry,
    check_freshness,
    check_minimum,
    check_key_generation,
    check_uris,
    check_anchors,
    check_agreed_state,
    check_attestation,
)


def message_of(context: Context) -> bytes:
    """The bytes of the TransferMessage the event brings."""
    assert isinstance(context.event, TransferMessageReceived)
    return context.event.raw


def own_epoch(seq: int, record: DeviceRecord) -> bool:
    """Whether a seq is of the device's present epoch (rules 2 and 21)."""
    return seq_parts(seq).epoch == record.epoch


def start_time(order: TransferOrder) -> int:
    """When this device begins by itself: spread over the first quarter of the window, at most an hour."""
    spread = min(MAX_JITTER, (order.not_after - order.not_before) // 4)
    seed = hashlib.sha256(order.audience.encode() + order.transfer_id).digest()
    return order.not_before + (int.from_bytes(seed) % spread if spread else 0)


def window_open(order: TransferOrder, context: Context) -> bool:
    """Whether the reset may begin now (rule 9); without a trusted clock only the end can be known to have passed."""
    begun = context.time >= order.not_before or not context.facts.clock_trusted
    return begun and not window_over(order, context)


def window_over(order: TransferOrder, context: Context) -> bool:
    """Whether the window has ended for sure."""
    return context.time >= order.not_after


def lifted_floor(record: DeviceRecord, moment: int | None, context: Context) -> int:
    """The time floor after trusting `moment` (s since 1970): never lower, at most two years higher, and not ahead of
    a trusted clock."""
    if moment is None:
        return record.time_floor
    limit = record.time_floor + MAX_FLOOR_LIFT
    if context.facts.clock_trusted:
        limit = min(limit, context.now)
    return max(record.time_floor, min(moment, limit))
