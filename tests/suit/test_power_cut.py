"""Power is cut before and after every single store operation; what runs is always all old or all new."""

from __future__ import annotations

import itertools

import pytest

import suit
from suit import ComponentId, VerifiedEnvelope
from tests.suit.samples import NEW, OLD, SETTINGS, reset, run, signed, update_envelope
from tests.suit.stores import IMAGE_ID, CutStore, PowerCut

CONFIGURATION, DATA = (suit.component_id(c) for c in (suit.CONFIGURATION, suit.APPLICATION_DATA))
START: dict[ComponentId, bytes | None] = {IMAGE_ID: OLD, CONFIGURATION: b"theirs", DATA: b"secrets"}

CASES = {
    "update": (update_envelope(), {**START, IMAGE_ID: NEW}),
    "reset": (signed(reset(), {suit.CONFIGURATION_URI: SETTINGS}), {**START, CONFIGURATION: SETTINGS, DATA: b""}),
    "reset with image": (
        signed(reset(image=NEW, install_image=True), {suit.CONFIGURATION_URI: SETTINGS, suit.IMAGE_URI: NEW}),
        {IMAGE_ID: NEW, CONFIGURATION: SETTINGS, DATA: b""},
    ),
}


def _last(store: CutStore) -> int:
    return store.sequence


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("staging_survives", [False, True])
def test_every_operation(case: str, after: bool, staging_survives: bool) -> None:
    envelope, goal = CASES[case]
    for cut_at in itertools.count(1):
        store = CutStore(dict(START), cut_at=cut_at, after=after)
        if not _cut(envelope, store):
            break
        assert store.components in (START, goal)
        if not staging_survives:
            store.staged.clear()
        store.cut_at = -1
        result = run(envelope, store, _last(store))
        assert store.components == goal
        assert result.digest == store.manifest
        assert store.started
    assert cut_at > 5


def test_cut_twice() -> None:
    envelope, goal = CASES["reset with image"]
    for first, second in itertools.product(range(1, 12), repeat=2):
        store = CutStore(dict(START), cut_at=first)
        _cut(envelope, store)
        store.cut_at = store.operations + second
        _cut(envelope, store)
        store.cut_at = -1
        run(envelope, store, _last(store))
        assert store.components == goal


def _cut(envelope: VerifiedEnvelope, store: CutStore) -> bool:
    try:
        run(envelope, store, _last(store))
    except PowerCut:
        return True
    return False
