"""The truststore is a value: every change is another one."""

from __future__ import annotations

from device_pki.fingerprints import fingerprint
from device_pki.truststore import Truststore
from tests.device_pki.builders import root

FIRST, SECOND = root("first").certificate, root("second").certificate


def test_anchors_are_kept_once_and_in_order() -> None:
    store = Truststore.of([FIRST]).with_anchors([SECOND, FIRST])
    assert store.anchors == (FIRST, SECOND)
    assert store.fingerprints == (fingerprint(FIRST), fingerprint(SECOND))


def test_anchors_are_found_by_fingerprint() -> None:
    store = Truststore.of([FIRST])
    assert fingerprint(FIRST) in store and fingerprint(SECOND) not in store
    assert store.get(fingerprint(FIRST)) == FIRST
    assert store.get(fingerprint(SECOND)) is None


def test_a_reset_leaves_only_the_named_ones() -> None:
    store = Truststore.of([FIRST, SECOND])
    assert store.only([fingerprint(SECOND)]).anchors == (SECOND,)
    assert store.anchors == (FIRST, SECOND)
