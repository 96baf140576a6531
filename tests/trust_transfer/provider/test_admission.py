"""Logging in at a server: every class of identity against every state of the book."""

from __future__ import annotations

import pytest

from tests.trust_transfer.provider.samples import (
    COMMITTED,
    FELL_BACK,
    KEY,
    NOW,
    expected,
    offered,
    owned,
    provisional,
)
from trust_transfer.provider import new, old
from trust_transfer.provider.admission import Identity, Kind, admit
from trust_transfer.provider.book import BookEntry

TAKEN_BACK = old.fell_back(offered(), FELL_BACK, NOW)

ENTRIES = {
    "unknown": (None, Kind.REFUSED, Kind.REFUSED),
    "owned": (owned(), Kind.OPERATIONAL, Kind.REFUSED),
    "offered": (offered(), Kind.OPERATIONAL, Kind.FACTORY_FALLBACK),
    "cancelled": (old.cancelled(offered(), 1, NOW), Kind.OPERATIONAL, Kind.FACTORY_FALLBACK),
    "fell back": (TAKEN_BACK, Kind.OPERATIONAL, Kind.FACTORY_FALLBACK),
    "enrolled again": (old.registered(TAKEN_BACK, issued_at=NOW), Kind.OPERATIONAL, Kind.REFUSED),
    "closed": (old.received_receipt(offered(), COMMITTED, NOW), Kind.REFUSED, Kind.REFUSED),
    "expected": (expected(), Kind.PROVISIONAL, Kind.REFUSED),
    "update first": (expected(update_first=True), Kind.PROVISIONAL, Kind.UPDATE_SESSION),
    "provisional": (provisional(), Kind.PROVISIONAL, Kind.REFUSED),
    "arrived": (new.committed(provisional(), COMMITTED, NOW), Kind.OPERATIONAL, Kind.REFUSED),
    "released": (new.received_release(provisional(), FELL_BACK), Kind.REFUSED, Kind.REFUSED),
}


@pytest.mark.parametrize(("entry", "operational", "factory"), ENTRIES.values(), ids=ENTRIES)
def test_admission(entry: BookEntry | None, operational: Kind, factory: Kind) -> None:
    for identity, kind in ((Identity.OPERATIONAL, operational), (Identity.FACTORY, factory)):
        admission = admit(entry, identity, KEY)
        assert admission.kind is kind
        assert admission.allowed is (kind is not Kind.REFUSED)
        assert bool(admission.reason) is (kind is Kind.REFUSED)
