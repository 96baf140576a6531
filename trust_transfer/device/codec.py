"""The device record as bytes: deterministic CBOR with a version, small integer keys, nothing secret.

The stored TransferMessage is kept as it came and read again with the keys that verified it then.
"""

from __future__ import annotations

from typing import Any

from cose import cbor
from trust_transfer.device.facts import MessageReader, read_message
from trust_transfer.device.minimum import Minimum
from trust_transfer.device.record import Accepted, Account, Attempt, DeviceRecord, Endorser
from trust_transfer.messages.numbers import Result, State
from trust_transfer.messages.values import Anchor, Authorities, EnrollmentProfile

VERSION = 1
MAX_RECORD = 65536


class RecordError(ValueError):
    """The stored record cannot be used: it is damaged, or of another version of this software."""


def encode(record: DeviceRecord) -> bytes:
    """The bytes to store."""
    return cbor.encode(
        [
            VERSION,
            record.endpoint,
            record.permanent_anchor,
            record.minimum.encode(),
            _account_members(record.account),
            record.fallback_uri,
            record.lab,
            [record.epoch, record.burned, record.time_floor],
            [int(record.state), int(record.result)],
            None if record.accepted is None else _accepted_members(record.accepted),
            None if record.attempt is None else _attempt_members(record.attempt),
            record.report,
            list(record.added_anchors),
            [[endorser.key, endorser.not_after] for endorser in record.endorsers],
            record.erase_pending,
        ]
    )


def decode(data: bytes, read: MessageReader = read_message) -> DeviceRecord:
    """The record of stored bytes; RecordError when they are not what `encode` wrote."""
    try:
        version, *members = cbor.decode(data, max_size=MAX_RECORD)
        return _record(version, members, read)
    except (ValueError, TypeError, LookupError) as error:
        raise RecordError(f"the device record cannot be read: {error}") from error


def _record(version: int, members: list[Any], read: MessageReader) -> DeviceRecord:
    if version != VERSION:
        raise RecordError(f"record version {version}, this software reads {VERSION}")
    (
        endpoint,
        permanent_anchor,
        minimum,
        account,
        fallback_uri,
        lab,
        (epoch, burned, time_floor),
        (state, result),
        accepted,
        attempt,
        report,
        added_anchors,
        endorsers,
        erase_pending,
    ) = members
    return DeviceRecord(
        endpoint=endpoint,
        permanent_anchor=permanent_anchor,
        minimum=Minimum.decode(minimum),
        account=_account(account),
        fallback_uri=fallback_uri,
        lab=lab,
        epoch=epoch,
        burned=burned,
        time_floor=time_floor,
        state=State(state),
        result=Result(result),
        accepted=None if accepted is None else _accepted(accepted, read),
        attempt=None if attempt is None else _attempt(attempt),
        report=report,
        added_anchors=tuple(added_anchors),
        endorsers=tuple(Endorser(key, not_after) for key, not_after in endorsers),
        erase_pending=erase_pending,
    )


def _account_members(account: Account) -> list[Any]:
    return [
        account.server_uri,
        account.enroll_uri,
        account.profile.to_cbor(),
        account.authorities.to_cbor(),
        [anchor.to_cbor() for anchor in account.anchors],
        account.pinned_key,
        account.credential,
        account.certificate,
    ]


def _account(members: list[Any]) -> Account:
    server_uri, enroll_uri, profile, authorities, anchors, pinned_key, credential, certificate = members
    return Account(
        server_uri=server_uri,
        enroll_uri=enroll_uri,
        profile=EnrollmentProfile.from_cbor(profile),
        authorities=Authorities.from_cbor(authorities),
        anchors=tuple(Anchor.from_cbor(anchor) for anchor in anchors),
        pinned_key=pinned_key,
        credential=credential,
        certificate=certificate,
    )


def _accepted_members(accepted: Accepted) -> list[Any]:
    return [accepted.order.raw, accepted.authority, list(accepted.endorsers)]


def _accepted(members: list[Any], read: MessageReader) -> Accepted:
    raw, authority, endorsers = members
    return Accepted(read(raw, authority, endorsers), authority, tuple(endorsers))


def _attempt_members(attempt: Attempt) -> list[Any]:
    failed_step = None if attempt.failed_step is None else int(attempt.failed_step)
    counters = [attempt.counted_at, attempt.attempts, attempt.spent, attempt.visits]
    return [attempt.key, attempt.certificate, counters, failed_step]


def _attempt(members: list[Any]) -> Attempt:
    key, certificate, (counted_at, attempts, spent, visits), failed_step = members
    return Attempt(
        key=key,
        counted_at=counted_at,
        certificate=certificate,
        attempts=attempts,
        spent=spent,
        failed_step=None if failed_step is None else State(failed_step),
        visits=visits,
    )
