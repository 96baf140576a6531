"""Book entries and reports for tests that take one event at a time; reports count as verified."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trust_transfer.messages.numbers import Result, State
from trust_transfer.messages.report import TransferReport
from trust_transfer.messages.values import SuitDigest, seq_value
from trust_transfer.provider import new, old
from trust_transfer.provider.book import BookEntry, SignedReport, from_factory

ENDPOINT = "urn:dev:1"
FINGERPRINT = b"f" * 32
CTI = b"transfer-id-0001"
KEY = b"k" * 32
NOW = 1_900_000_000
OPENS, CLOSES = NOW + 100, NOW + 1000
RUNNING = SuitDigest(-16, b"a" * 32)


def owned() -> BookEntry:
    return from_factory(ENDPOINT, FINGERPRINT, NOW)


def offered(entry: BookEntry | None = None, message: bytes = b"message", cti: bytes = CTI) -> BookEntry:
    entry = entry or owned()
    return old.offer(entry, old.next_seq(entry), message, transfer_id=cti, not_before=OPENS, not_after=CLOSES, now=NOW)


def expected(update_first: bool = False) -> BookEntry:
    return new.expect(BookEntry(ENDPOINT, FINGERPRINT), CTI, update_first)


def provisional(key: bytes = KEY) -> BookEntry:
    return new.registered(expected(), key)


def report(state: State, n: int = 1, **changes: Any) -> SignedReport:
    """A report of this decision on offer n of epoch 0."""
    committed = state is State.COMMITTED
    made = TransferReport(
        endpoint=ENDPOINT,
        issued_at=NOW,
        transfer_id=CTI,
        seq=seq_value(changes.pop("epoch", 0), n),
        state=state,
        result=Result.NONE,
        running=RUNNING,
        anchors=(b"x" * 32,) if committed else None,
        attempt_key=KEY,
        authorities=(b"y" * 32,) if committed else None,
    )
    return SignedReport(b"report %d %d" % (state, n), replace(made, **changes))


COMMITTED = report(State.COMMITTED)
FELL_BACK = report(State.FELL_BACK)
