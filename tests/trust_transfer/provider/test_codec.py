"""Entries survive storing, damage is noticed."""

from __future__ import annotations

import pytest

from tests.trust_transfer.provider.samples import COMMITTED, FELL_BACK, NOW, expected, offered, owned, provisional
from tests.trust_transfer.simulator import runs
from trust_transfer.provider import codec, new, old
from trust_transfer.provider.book import BookEntry

ENTRIES = [
    owned(),
    offered(),
    old.fell_back(offered(), FELL_BACK, NOW),
    old.received_receipt(offered(), COMMITTED, NOW),
    expected(),
    new.received_release(provisional(), FELL_BACK),
    new.committed(provisional(), COMMITTED, NOW),
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_round_trip(entry: BookEntry) -> None:
    assert codec.decode(codec.encode(entry)) == entry


def test_round_trip_of_whole_lives() -> None:
    for seed in range(30):
        for provider in runs.there_and_back(seed).providers.values():
            assert codec.decode(codec.encode(provider.entry)) == provider.entry


def test_truncations_and_other_versions_are_refused() -> None:
    data = codec.encode(offered())
    for end in range(len(data)):
        with pytest.raises(codec.EntryError):
            codec.decode(data[:end])
    with pytest.raises(codec.EntryError, match="version"):
        codec.decode(b"\x87\x02" + data[2:])
