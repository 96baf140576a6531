"""Whatever bytes come, the machine answers, and a rejection changes nothing. Invariant first, then the bytes."""

from __future__ import annotations

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trust_transfer.device.samples import FACTS, NOW, at, message, received, record
from trust_transfer.device import events as ev
from trust_transfer.device import machine
from trust_transfer.device.record import DeviceRecord
from trust_transfer.messages.numbers import State


@cache
def good() -> bytes:
    return message()


@cache
def records() -> tuple[DeviceRecord, ...]:
    return tuple(at(state) for state in State)


@given(st.binary(max_size=1100))
def test_bytes_of_no_meaning(raw: bytes) -> None:
    assert not received(record(), raw).success


@settings(max_examples=300)
@given(st.integers(0), st.integers(1, 255), st.sampled_from(("flip", "drop", "insert")))
def test_a_message_with_one_byte_wrong(where: int, value: int, how: str) -> None:
    raw = good()
    at_byte = where % len(raw)
    head, byte, tail = raw[:at_byte], raw[at_byte], raw[at_byte + 1 :]
    middle = {"flip": bytes([byte ^ value]), "drop": b"", "insert": bytes([byte, value])}[how]
    assert not received(record(), head + middle + tail).success


@given(st.binary(max_size=600))
def test_certificates_of_no_meaning(raw: bytes) -> None:
    start = record()
    outcome = machine.handle(start, ev.EndorserReceived(raw), NOW, FACTS)
    assert outcome.answer is not None
    assert not outcome.answer.success
    assert outcome.record == start


@given(st.integers(0, 2**64 - 1), st.sampled_from(State))
def test_numbers_of_any_size(seq: int, state: State) -> None:
    start = records()[state]
    for event in (ev.CancelReceived(seq), ev.ReportAcknowledged(seq)):
        outcome = machine.handle(start, event, NOW, FACTS)
        assert outcome.answer is not None
        assert outcome.answer.success or outcome.record == start
