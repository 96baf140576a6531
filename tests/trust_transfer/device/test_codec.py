"""The record survives storing in every state, and damage is noticed."""

from __future__ import annotations

import pytest

from cose import cbor
from tests.trust_transfer.device.samples import at
from trust_transfer.device import codec
from trust_transfer.messages.numbers import State


@pytest.mark.parametrize("state", State)
def test_round_trip(state: State) -> None:
    record = at(state)
    assert codec.decode(codec.encode(record)) == record
    assert codec.encode(codec.decode(codec.encode(record))) == codec.encode(record)


def test_every_truncation_and_every_flipped_byte_is_an_error_or_another_record() -> None:
    data = codec.encode(at(State.REGISTERING))
    for end in range(len(data)):
        with pytest.raises(codec.RecordError):
            codec.decode(data[:end])
    for position in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[position] ^= 0x40
        try:
            codec.decode(bytes(damaged))
        except codec.RecordError:
            continue


def test_another_version_is_refused() -> None:
    members = cbor.decode(codec.encode(at(State.IDLE)))
    with pytest.raises(codec.RecordError, match="version 2"):
        codec.decode(cbor.encode([2, *members[1:]]))
